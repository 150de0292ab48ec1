/** The 8 bytes that stand for a run in every bulk chunk. */

/** FNV-1a, 64 bits (Fowler, Noll, Vo), as 16 hex digits: it tells runs apart, it protects nothing. */
export function runHashOf(runId: string): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(runId)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return hash.toString(16).padStart(16, "0");
}
