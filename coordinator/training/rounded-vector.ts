/** A vector that is kept in float32, beside frames of which each has the weights rounded: what workers train with. */
import { breakSeal, chunkCountOf, frameIn, frameLength, valuesOfChunk } from "../../shared/core/chunk.js";
import {
  type FrameIdentity,
  type FramePlace,
  type ParameterVector,
  fillBody,
  sealFrame,
} from "./parameter-frames.js";

export class RoundedVector implements ParameterVector {
  readonly #values: Float32Array;
  readonly #frames: Uint8Array;
  readonly #rounded: number;
  readonly #inPlace: boolean;
  readonly bodies: Float32Array[];

  /**
   * `values`: memory for them, in which they are kept. `frames`: `frameBytes(values.length)` bytes from a multiple of 64 on;
   * `rounded`: so many values, from the first one on; `inPlace`: others read the frames there.
   */
  constructor(values: Float32Array, frames: Uint8Array, rounded: number, inPlace: boolean) {
    this.#values = values;
    this.#frames = frames;
    this.#rounded = rounded;
    this.#inPlace = inPlace;
    this.bodies = Array.from({ length: chunkCountOf(values.byteLength) }, (_, chunk) =>
      valuesOfChunk(values, chunk),
    );
  }

  write(values: Float32Array): void {
    this.bodies.forEach((_, chunk) => this.open(chunk));
    this.#values.set(values);
  }

  read(): Float32Array {
    return new Float32Array(this.#values);
  }

  open(chunk: number): void {
    if (this.#inPlace) breakSeal(this.#frame(this.#place(chunk, true)));
  }

  seal(chunk: number, identity: FrameIdentity): Uint8Array {
    const place = this.#place(chunk, true);
    return this.#filled(this.#frame(place), place, identity, this.#inPlace);
  }

  copy(chunk: number, identity: FrameIdentity, rounded = false): Uint8Array | undefined {
    if (this.bodies[chunk] === undefined) return undefined;
    const place = this.#place(chunk, rounded);
    const frame = new Uint8Array(frameLength(place.totalBytes, chunk, place.rounded));
    return this.#filled(frame, place, identity, false);
  }

  #filled(frame: Uint8Array, place: FramePlace, identity: FrameIdentity, inPlace: boolean): Uint8Array {
    fillBody(frame, place, valuesOfChunk(this.#values, place.chunk));
    sealFrame(frame, place, identity, inPlace);
    return frame;
  }

  #place(chunk: number, rounded: boolean): FramePlace {
    return { chunk, totalBytes: this.#values.byteLength, rounded: rounded ? this.#rounded : undefined };
  }

  #frame({ chunk, totalBytes, rounded }: FramePlace): Uint8Array {
    return frameIn(this.#frames, totalBytes, chunk, rounded);
  }
}
