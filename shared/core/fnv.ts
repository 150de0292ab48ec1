/** FNV-1a, 64 bits (Fowler, Noll, Vo), as 16 hex digits: tells texts apart, protects nothing. */
export function fnv(text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(text)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return hash.toString(16).padStart(16, "0");
}
