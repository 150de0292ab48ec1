/**
 * The bytes of a NATS connection cut into messages, so that one can be lost or come twice without breaking the others. The
 * protocol: lines that end with CR LF; PUB, HPUB, MSG and HMSG say last how many bytes of payload follow, and CR LF.
 */

export interface NatsPiece {
  /** A whole line, and its payload where it has one. */
  bytes: Uint8Array;
  /** The payload: a view. Undefined for a line without one. */
  payload: Uint8Array | undefined;
}

const CR = 13;
const LF = 10;
const LINE_END = 2;
const WITH_PAYLOAD = /^H?(PUB|MSG)\s/i;
const decoder = new TextDecoder("latin1");

export class NatsSplitter {
  #parts: Uint8Array[] = [];
  #held = 0;
  /** So many bytes are held before it is worth another look. */
  #wanted = 0;

  /** The pieces that are whole now; the rest is held until more comes. */
  take(bytes: Uint8Array): NatsPiece[] {
    this.#parts.push(bytes);
    this.#held += bytes.byteLength;
    if (this.#held < this.#wanted) return [];
    const all = joined(this.#parts, this.#held);
    const pieces: NatsPiece[] = [];
    let start = 0;
    for (;;) {
      const end = endOfPiece(all, start);
      this.#wanted = end.wanted - start;
      if (end.payloadFrom === undefined) break;
      const payload = end.hasPayload ? all.subarray(end.payloadFrom, end.wanted - LINE_END) : undefined;
      pieces.push({ bytes: all.subarray(start, end.wanted), payload });
      start = end.wanted;
    }
    this.#parts = [all.subarray(start)];
    this.#held = all.byteLength - start;
    return pieces;
  }
}

/** Where the piece that begins at `start` ends; without `payloadFrom` it is not whole, and `wanted` bytes are. */
function endOfPiece(
  all: Uint8Array,
  start: number,
): { wanted: number; payloadFrom?: number; hasPayload?: boolean } {
  const lineEnd = endOfLine(all, start);
  if (lineEnd === undefined) return { wanted: all.byteLength + 1 };
  const line = decoder.decode(all.subarray(start, lineEnd - LINE_END));
  if (!WITH_PAYLOAD.test(line)) return { wanted: lineEnd, payloadFrom: lineEnd, hasPayload: false };
  const wanted = lineEnd + Number(line.trim().split(/\s+/).at(-1)) + LINE_END;
  return wanted > all.byteLength ? { wanted } : { wanted, payloadFrom: lineEnd, hasPayload: true };
}

/** Behind the next CR LF. */
function endOfLine(all: Uint8Array, start: number): number | undefined {
  for (let at = all.indexOf(CR, start); at >= 0; at = all.indexOf(CR, at + 1))
    if (all[at + 1] === LF) return at + LINE_END;
  return undefined;
}

function joined(parts: readonly Uint8Array[], length: number): Uint8Array {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return only;
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.byteLength;
  }
  return all;
}
