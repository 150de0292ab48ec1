/** A parameter vector as chunk frames, ready to be broadcast or pulled. */
import { BODY_BYTES, HEADER_BYTES, bodyLength, chunkCountOf, sealChunk } from "../../shared/core/chunk.js";

export interface FrameIdentity {
  /** Parameters unless it says otherwise. */
  kind?: "parameters" | "velocity";
  runHash: string;
  epoch: number;
  version: number;
}

/** Frames for a vector of so many values, headers not yet written. */
export function emptyFrames(size: number): Uint8Array[] {
  const totalBytes = size * 4;
  return Array.from(
    { length: chunkCountOf(totalBytes) },
    (_, chunk) => new Uint8Array(HEADER_BYTES + bodyLength(totalBytes, chunk)),
  );
}

/** Copies one chunk of the vector into its frame and seals it. */
export function fillFrame(
  frame: Uint8Array,
  chunk: number,
  vector: Float32Array,
  identity: FrameIdentity,
): void {
  const totalBytes = vector.byteLength;
  const offset = chunk * BODY_BYTES;
  frame.set(
    new Uint8Array(vector.buffer, vector.byteOffset + offset, frame.byteLength - HEADER_BYTES),
    HEADER_BYTES,
  );
  sealChunk(frame, {
    kind: identity.kind ?? "parameters",
    codec: "fp32",
    runHash: identity.runHash,
    epoch: identity.epoch,
    step: identity.version,
    node: 0,
    attempt: 0,
    shard: 0,
    chunk,
    chunkCount: chunkCountOf(totalBytes),
    offset,
    totalBytes,
  });
}

/** All frames of a vector. */
export function framesOf(vector: Float32Array, identity: FrameIdentity): Uint8Array[] {
  const frames = emptyFrames(vector.length);
  frames.forEach((frame, chunk) => fillFrame(frame, chunk, vector, identity));
  return frames;
}
