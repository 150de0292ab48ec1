/** A parameter vector as chunk frames, ready to be broadcast or pulled. */
import { type Rounded, codecOf, encodeBody } from "../../shared/core/codec.js";
import {
  bodyOf,
  breakSeal,
  chunkCountOf,
  chunkPlace,
  frameIn,
  frameLength,
  framesLength,
  roundedInChunk,
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

/** Which frame of which stream it is. */
export interface FramePlace {
  chunk: number;
  totalBytes: number;
  /** Values of the stream. */
  rounded?: Rounded;
}

/** Frames for a vector of so many values, headers not yet written. */
export function emptyFrames(size: number, rounded?: Rounded): Uint8Array[] {
  const totalBytes = size * 4;
  return Array.from(
    { length: chunkCountOf(totalBytes) },
    (_, chunk) => new Uint8Array(frameLength(totalBytes, chunk, rounded)),
  );
}

/** Writes the values of a chunk into the body of its frame. */
export function fillBody(
  frame: Uint8Array,
  { chunk, totalBytes, rounded }: FramePlace,
  values: Float32Array,
): void {
  encodeBody(bodyOf(frame), values, roundedInChunk(totalBytes, chunk, rounded));
}

/** `inPlace`: others read the frame where it lies. */
export function sealFrame(
  frame: Uint8Array,
  { chunk, totalBytes, rounded }: FramePlace,
  identity: FrameIdentity,
  inPlace: boolean,
): void {
  const header = {
    kind: identity.kind ?? "parameters",
    codec: codecOf(rounded),
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
export function framesOf(vector: Float32Array, identity: FrameIdentity, rounded?: Rounded): Uint8Array[] {
  const totalBytes = vector.byteLength;
  const frames = emptyFrames(vector.length, rounded);
  frames.forEach((frame, chunk) => {
    const place = { chunk, totalBytes, rounded };
    fillBody(frame, place, valuesOfChunk(vector, chunk));
    sealFrame(frame, place, identity, false);
  });
  return frames;
}

/** Bytes of all frames of a vector of so many values. */
export function frameBytes(size: number): number {
  return framesLength(4 * size);
}

/** The parameters of a range, and the frames in which they are broadcast and pulled. */
export interface ParameterVector {
  /** The values of each chunk, as they are kept. */
  readonly bodies: Float32Array[];
  /** Replaces all values; the frames are not sealed then. */
  write(values: Float32Array): void;
  /** A copy of the values. */
  read(): Float32Array;
  /** Before the values of a chunk are changed. */
  open(chunk: number): void;
  /** The frame of a chunk, ready to be broadcast: as workers train with it. */
  seal(chunk: number, identity: FrameIdentity): Uint8Array;
  /** A copy of the frame of a chunk that may go anywhere; undefined when there is no such chunk, or none in that form. */
  copy(chunk: number, identity: FrameIdentity, rounded?: boolean): Uint8Array | undefined;
}

/** A vector that lies in its frames: written there once, and sent from there. */
export class FramedVector implements ParameterVector {
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

  write(values: Float32Array): void {
    this.bodies.forEach((body, chunk) => {
      this.open(chunk);
      body.set(valuesOfChunk(values, chunk));
    });
  }

  read(): Float32Array {
    const values = new Float32Array(this.#totalBytes / 4);
    this.bodies.forEach((body, chunk) => valuesOfChunk(values, chunk).set(body));
    return values;
  }

  open(chunk: number): void {
    if (this.#inPlace) breakSeal(this.#frame(chunk));
  }

  seal(chunk: number, identity: FrameIdentity): Uint8Array {
    const frame = this.#frame(chunk);
    sealFrame(frame, { chunk, totalBytes: this.#totalBytes }, identity, this.#inPlace);
    return frame;
  }

  copy(chunk: number, identity: FrameIdentity, rounded = false): Uint8Array | undefined {
    if (rounded || this.bodies[chunk] === undefined) return undefined;
    const frame = new Uint8Array(this.#frame(chunk));
    sealFrame(frame, { chunk, totalBytes: this.#totalBytes }, identity, false);
    return frame;
  }

  #frame(chunk: number): Uint8Array {
    return frameIn(this.#memory, this.#totalBytes, chunk);
  }
}
