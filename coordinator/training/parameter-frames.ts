/** A parameter vector as chunk frames, ready to be broadcast or pulled. */
import {
  bodyOf,
  breakSeal,
  chunkCountOf,
  chunkPlace,
  frameIn,
  frameLength,
  framesLength,
  sealChunk,
  valuesIn,
  valuesOfChunk,
} from "../../shared/core/chunk.js";

export interface FrameIdentity {
  /** Parameters unless it says otherwise. */
  kind?: "parameters" | "velocity";
  runHash: string;
  term: number;
  version: number;
  shard: number;
}

/** Frames for a vector of so many values, headers not yet written. */
export function emptyFrames(size: number): Uint8Array[] {
  const totalBytes = size * 4;
  return Array.from(
    { length: chunkCountOf(totalBytes) },
    (_, chunk) => new Uint8Array(frameLength(totalBytes, chunk)),
  );
}

/** Copies one chunk of the vector into its frame and seals it. */
function fillFrame(frame: Uint8Array, chunk: number, vector: Float32Array, identity: FrameIdentity): void {
  const { buffer, byteOffset, byteLength } = valuesOfChunk(vector, chunk);
  bodyOf(frame).set(new Uint8Array(buffer, byteOffset, byteLength));
  seal(frame, chunk, vector.byteLength, identity, false);
}

function seal(
  frame: Uint8Array,
  chunk: number,
  totalBytes: number,
  identity: FrameIdentity,
  inPlace: boolean,
): void {
  const header = {
    kind: identity.kind ?? "parameters",
    codec: "fp32" as const,
    runHash: identity.runHash,
    term: identity.term,
    step: identity.version,
    node: 0,
    attempt: 0,
    shard: identity.shard,
    ...chunkPlace(totalBytes, chunk),
  };
  sealChunk(frame, header, inPlace);
}

/** All frames of a vector. */
export function framesOf(vector: Float32Array, identity: FrameIdentity): Uint8Array[] {
  const frames = emptyFrames(vector.length);
  frames.forEach((frame, chunk) => fillFrame(frame, chunk, vector, identity));
  return frames;
}

/** Bytes of all frames of a vector of so many values. */
export function frameBytes(size: number): number {
  return framesLength(4 * size);
}

/** A vector that lies in its frames: written there once, and sent from there. */
export class FramedVector {
  readonly #memory: Uint8Array;
  readonly #totalBytes: number;
  readonly #inPlace: boolean;
  /** The values of each chunk. */
  readonly bodies: Float32Array[];

  /** `memory`: `frameBytes(size)` bytes from a multiple of 64 on; `inPlace`: others read the frames there. */
  constructor(size: number, memory: Uint8Array, inPlace: boolean) {
    this.#memory = memory;
    this.#totalBytes = 4 * size;
    this.#inPlace = inPlace;
    this.bodies = Array.from({ length: chunkCountOf(this.#totalBytes) }, (_, chunk) =>
      valuesIn(this.#frame(chunk)),
    );
  }

  /** Replaces all values; the frames are not sealed then. */
  write(values: Float32Array): void {
    this.bodies.forEach((body, chunk) => {
      this.open(chunk);
      body.set(valuesOfChunk(values, chunk));
    });
  }

  /** A copy of the values. */
  read(): Float32Array {
    const values = new Float32Array(this.#totalBytes / 4);
    this.bodies.forEach((body, chunk) => valuesOfChunk(values, chunk).set(body));
    return values;
  }

  /** Before the values of a chunk are changed. */
  open(chunk: number): void {
    if (this.#inPlace) breakSeal(this.#frame(chunk));
  }

  /** The frame of a chunk, ready to be broadcast. */
  seal(chunk: number, identity: FrameIdentity): Uint8Array {
    const frame = this.#frame(chunk);
    seal(frame, chunk, this.#totalBytes, identity, this.#inPlace);
    return frame;
  }

  /** A copy of the frame of a chunk that may go anywhere; undefined when there is no such chunk. */
  copy(chunk: number, identity: FrameIdentity): Uint8Array | undefined {
    if (this.bodies[chunk] === undefined) return undefined;
    const frame = new Uint8Array(this.#frame(chunk));
    seal(frame, chunk, this.#totalBytes, identity, false);
    return frame;
  }

  #frame(chunk: number): Uint8Array {
    return frameIn(this.#memory, this.#totalBytes, chunk);
  }
}
