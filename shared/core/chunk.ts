/**
 * Bulk chunks: a fixed 64-byte header, then raw little-endian values, at most 256 KiB in all. No NATS headers travel
 * with them, so that the values stay 4-byte aligned. Everything in a chunk is untrusted until it was checked here.
 *
 * Which values a chunk holds does not depend on its codec (codec.ts): sizes and offsets of streams are those of float32
 * values, and only the body is shorter where some of them are rounded.
 */
import { crc32c } from "@node-rs/crc32";
import { CODECS, type Codec, type Rounded, encodedLength, roundedInRange } from "./codec.js";
import { keysOf } from "./keys.js";

export const CHUNK_BYTES = 256 * 1024;
export const HEADER_BYTES = 64;
export const BODY_BYTES = CHUNK_BYTES - HEADER_BYTES;
/** More than a message adds to the chunk or the range of data that it holds. */
export const ENVELOPE_BYTES = 1024;
/** What a broker must take in one piece. */
export const LEAST_PAYLOAD_BYTES = CHUNK_BYTES + ENVELOPE_BYTES;
const MAGIC = 0x53414643; // "SAFC"
/** Values of no more bytes travel inside control messages: to ask for them would cost more than to carry them. */
const SHORT_BYTES = 16 * 1024;
export const CHUNK_VERSION = 1;

export const CHUNK_KINDS = { gradient: 1, parameters: 2, velocity: 3, state: 4 } as const;
export type ChunkKind = keyof typeof CHUNK_KINDS;

export interface ChunkHeader {
  kind: ChunkKind;
  codec: Codec;
  /** The run's 8 bytes, 16 hex digits: see run-hash.ts. */
  runHash: string;
  /** Fencing term of the coordinator. */
  term: number;
  /** Step of a gradient, version of parameters and their velocity, first step behind a state. */
  step: number;
  /** Tree node of a gradient; number of steps behind a state; 0 for parameters and velocity. */
  node: number;
  attempt: number;
  shard: number;
  chunk: number;
  chunkCount: number;
  /** Bytes of the value stream before this chunk's, as float32. */
  offset: number;
  /** Bytes of the whole value stream, as float32. */
  totalBytes: number;
}

export type DecodedChunk =
  | { ok: true; header: ChunkHeader; body: Uint8Array }
  | { ok: false; reason: "truncated" | "magic" | "version" | "size" | "checksum" };

/** Chunks that a value stream of so many bytes needs. */
export function chunkCountOf(totalBytes: number): number {
  return Math.max(1, Math.ceil(totalBytes / BODY_BYTES));
}

/** May so many bytes travel inside a control message? */
export function isShort(byteLength: number): boolean {
  return byteLength <= SHORT_BYTES;
}

/** Bytes of the values of one chunk of a stream as float32: of its body, where none is rounded. */
export function bodyLength(totalBytes: number, chunk: number): number {
  return Math.min(BODY_BYTES, totalBytes - chunk * BODY_BYTES);
}

/** Bytes of a stream before the body of one chunk. */
export function bodyOffset(chunk: number): number {
  return chunk * BODY_BYTES;
}

/** The part of a header that follows from which chunk of which stream it is. */
export function chunkPlace(
  totalBytes: number,
  chunk: number,
): Pick<ChunkHeader, "chunk" | "chunkCount" | "offset" | "totalBytes"> {
  return { chunk, chunkCount: chunkCountOf(totalBytes), offset: bodyOffset(chunk), totalBytes };
}

/** Values of one chunk that travel rounded, where so many of the stream do. */
export function roundedInChunk(totalBytes: number, chunk: number, rounded: Rounded): number {
  const first = bodyOffset(chunk) / 4;
  return roundedInRange(rounded, first, first + bodyLength(totalBytes, chunk) / 4) ?? 0;
}

/** Bytes of the frame of one chunk. */
export function frameLength(totalBytes: number, chunk: number, rounded?: Rounded): number {
  const values = bodyLength(totalBytes, chunk) / 4;
  return HEADER_BYTES + encodedLength(values, roundedInChunk(totalBytes, chunk, rounded));
}

/** Bytes of all frames of a stream, one behind another, where none of its values is rounded: the most that they need. */
export function framesLength(totalBytes: number): number {
  return chunkCountOf(totalBytes) * HEADER_BYTES + totalBytes;
}

/** The frame of one chunk where each frame of its stream has room for values that are not rounded: a view. */
export function frameIn(
  frames: Uint8Array,
  totalBytes: number,
  chunk: number,
  rounded?: Rounded,
): Uint8Array {
  const start = chunk * CHUNK_BYTES;
  return frames.subarray(start, start + frameLength(totalBytes, chunk, rounded));
}

/** The body of a frame: a view. */
export function bodyOf(frame: Uint8Array): Uint8Array {
  return frame.subarray(HEADER_BYTES);
}

/** The values in a frame in fp32 that begins at a multiple of four in its memory: a view. */
export function valuesIn(frame: Uint8Array): Float32Array {
  const { buffer, byteOffset, byteLength } = bodyOf(frame);
  return new Float32Array(buffer, byteOffset, byteLength / 4);
}

/** The values of the chunk's body out of those of the whole stream: a view. */
export function valuesOfChunk(values: Float32Array, chunk: number): Float32Array {
  const first = bodyOffset(chunk) / 4;
  return values.subarray(first, first + BODY_BYTES / 4);
}

/**
 * Writes the header into `frame`, whose body is in place already, and seals it with the CRC32C of header and body; of a
 * frame that is read where it lies (`inPlace`), of the header alone. The frame may lie in shared memory.
 */
export function sealChunk(frame: Uint8Array, header: ChunkHeader, inPlace = false): void {
  const view = new DataView(frame.buffer, frame.byteOffset, HEADER_BYTES);
  view.setUint32(0, MAGIC);
  view.setUint16(4, CHUNK_VERSION, true);
  view.setUint8(6, CHUNK_KINDS[header.kind]);
  view.setUint8(7, CODECS[header.codec]);
  for (let i = 0; i < 8; i++)
    view.setUint8(8 + i, Number.parseInt(header.runHash.slice(2 * i, 2 * i + 2), 16));
  view.setUint32(16, header.term % 4_294_967_296, true);
  view.setUint32(20, Math.floor(header.term / 4_294_967_296), true);
  view.setUint32(24, header.step, true);
  view.setUint32(28, header.node, true);
  view.setUint32(32, header.attempt, true);
  view.setUint32(36, header.shard, true);
  view.setUint32(40, header.chunk, true);
  view.setUint32(44, header.chunkCount, true);
  view.setUint32(48, header.offset, true);
  view.setUint32(52, header.totalBytes, true);
  view.setUint32(56, frame.byteLength - HEADER_BYTES, true);
  view.setUint32(60, checksum(frame, inPlace), true);
}

function checksum(frame: Uint8Array, inPlace: boolean): number {
  const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength);
  const ofHeader = crc32c(bytes.subarray(0, 60));
  return inPlace ? ofHeader : crc32c(bytes.subarray(HEADER_BYTES), ofHeader);
}

/** Keeps what was read before it from being read after it. */
const fence = new Int32Array(1);

function headerWords({ buffer, byteOffset }: Uint8Array): Int32Array {
  return new Int32Array(buffer, byteOffset, HEADER_BYTES / 4);
}

/** Before the body of a frame that others may read where it lies is changed. Such frames begin at a multiple of four. */
export function breakSeal(frame: Uint8Array): void {
  const words = headerWords(frame);
  Atomics.store(words, 0, 0);
  Atomics.store(words, 15, 0);
}

/** The seal of a frame, to be compared with what it is once the body was read: unequal when the body was changed. */
export function sealOf(frame: Uint8Array): number {
  // Somebody else says where it lies; a frame of ours begins at a multiple of four.
  if (frame.byteLength < HEADER_BYTES || frame.byteOffset % 4 !== 0) return 0;
  Atomics.add(fence, 0, 1);
  return Atomics.load(headerWords(frame), 15);
}

/** Reads a chunk; whatever is wrong with the bytes is a reason, never an exception. The body is a view. */
export function decodeChunk(frame: Uint8Array, inPlace = false): DecodedChunk {
  if (frame.byteLength < HEADER_BYTES) return { ok: false, reason: "truncated" };
  const view = new DataView(frame.buffer, frame.byteOffset, HEADER_BYTES);
  if (view.getUint32(0) !== MAGIC) return { ok: false, reason: "magic" };
  if (view.getUint16(4, true) !== CHUNK_VERSION) return { ok: false, reason: "version" };
  const bodyBytes = view.getUint32(56, true);
  if (frame.byteLength < HEADER_BYTES + bodyBytes) return { ok: false, reason: "truncated" };
  if (frame.byteLength !== HEADER_BYTES + bodyBytes || frame.byteLength > CHUNK_BYTES)
    return { ok: false, reason: "size" };
  if (view.getUint32(60, true) !== checksum(frame, inPlace)) return { ok: false, reason: "checksum" };

  const kind = nameOf(CHUNK_KINDS, view.getUint8(6));
  const codec = nameOf(CODECS, view.getUint8(7));
  if (kind === undefined || codec === undefined) return { ok: false, reason: "version" };
  const header: ChunkHeader = {
    kind,
    codec,
    runHash: Array.from({ length: 8 }, (_, i) =>
      view
        .getUint8(8 + i)
        .toString(16)
        .padStart(2, "0"),
    ).join(""),
    term: view.getUint32(16, true) + view.getUint32(20, true) * 4_294_967_296,
    step: view.getUint32(24, true),
    node: view.getUint32(28, true),
    attempt: view.getUint32(32, true),
    shard: view.getUint32(36, true),
    chunk: view.getUint32(40, true),
    chunkCount: view.getUint32(44, true),
    offset: view.getUint32(48, true),
    totalBytes: view.getUint32(52, true),
  };
  if (
    header.chunk >= header.chunkCount ||
    header.chunkCount !== chunkCountOf(header.totalBytes) ||
    header.offset !== bodyOffset(header.chunk) ||
    !isBodyOf(header, bodyBytes)
  ) {
    return { ok: false, reason: "size" };
  }
  return { ok: true, header, body: bodyOf(frame) };
}

/** Does it say that it is a chunk? Unchecked: to tell it from a reference. */
export function isFrame({ buffer, byteOffset, byteLength }: Uint8Array): boolean {
  return byteLength >= HEADER_BYTES && new DataView(buffer, byteOffset).getUint32(0) === MAGIC;
}

/** Can so many bytes be the body of the chunk? In bf16, each of its values has two or four of them. */
function isBodyOf({ codec, totalBytes, chunk }: ChunkHeader, bodyBytes: number): boolean {
  const most = bodyLength(totalBytes, chunk);
  if (codec === "fp32") return bodyBytes === most;
  return most % 4 === 0 && bodyBytes % 2 === 0 && bodyBytes >= most / 2 && bodyBytes <= most;
}

/** The run that a chunk says it belongs to, unchecked: to tell which run's reader should look at it. */
export function runHashIn(frame: Uint8Array): string {
  if (frame.byteLength < HEADER_BYTES) return "";
  return Buffer.from(frame.buffer, frame.byteOffset + 8, 8).toString("hex");
}

function nameOf<Names extends Record<string, number>>(table: Names, value: number): keyof Names | undefined {
  return keysOf(table).find((name) => table[name] === value);
}
