/** Sends the chunk frames of one push in the order in which they become ready, a window of bytes at a time. */
import type { Bus } from "../shared/bus.js";
import {
  type ChunkHeader,
  bodyLength,
  bodyOf,
  bodyOffset,
  breakSeal,
  chunkCountOf,
  chunkPlace,
  frameIn,
  framesLength,
  sealChunk,
} from "../shared/core/chunk.js";
import { type Rounded, codecOf } from "../shared/core/codec.js";
import { ONLY_SHARD } from "../shared/core/shards.js";

/** Bytes on their way before the sender waits for the broker. */
const CREDIT_BYTES = 8 * 1024 * 1024;

export interface Push {
  /** [header | body] [header | body] …, the last body short; bodies are in place when their chunk is sent. */
  frames: Uint8Array;
  /** Values that are rounded, where it travels in bf16. */
  rounded?: Rounded;
  /** Readers read the frames where they lie. */
  inPlace?: boolean | undefined;
  /** A gradient's, unless it says otherwise. */
  identity: Pick<ChunkHeader, "runHash" | "term" | "step" | "node" | "attempt" | "totalBytes"> & {
    kind?: "gradient" | "state";
  };
}

/** The frames of values that are not in frames yet. */
export function framesAround(values: SharedArrayBuffer, totalBytes: number): Uint8Array {
  const frames = new Uint8Array(framesLength(totalBytes));
  for (let chunk = 0; chunk < chunkCountOf(totalBytes); chunk++) {
    const body = new Uint8Array(values, bodyOffset(chunk), bodyLength(totalBytes, chunk));
    bodyOf(frameIn(frames, totalBytes, chunk)).set(body);
  }
  return frames;
}

/** One push. Frames that are read in place are broken when it begins: of the push before nothing is left. */
export class FrameSender {
  readonly #bus: Bus;
  readonly #subject: string;
  readonly #push: Push;
  readonly chunkCount: number;
  readonly #ready: number[] = [];
  readonly #sealed: Uint8Array[] = [];
  #sending: Promise<void> | undefined;
  #credit = CREDIT_BYTES;

  constructor(bus: Bus, subject: string, push: Push) {
    this.#bus = bus;
    this.#subject = subject;
    this.#push = push;
    this.chunkCount = chunkCountOf(push.identity.totalBytes);
    if (push.inPlace !== true) return;
    for (let chunk = 0; chunk < this.chunkCount; chunk++) breakSeal(this.#frame(chunk));
  }

  send(chunks: readonly number[]): void {
    this.#ready.push(...chunks);
    this.#sending ??= this.#drain();
  }

  /** All frames, for whoever sends them by another way. */
  sealed(): Uint8Array[] {
    return Array.from({ length: this.chunkCount }, (_, chunk) => this.#sealedFrame(chunk));
  }

  sendAll(): void {
    this.send(Array.from({ length: this.chunkCount }, (_, chunk) => chunk));
  }

  /** `missing`: a bit a chunk. */
  sendMissing(missing: Uint8Array): void {
    const isMissing = (chunk: number): boolean => (((missing[chunk >>> 3] ?? 0) >>> (chunk & 7)) & 1) === 1;
    this.send(Array.from({ length: this.chunkCount }, (_, chunk) => chunk).filter(isMissing));
  }

  /** Resolves when nothing waits to be sent. */
  async settled(): Promise<void> {
    while (this.#sending !== undefined) await this.#sending;
  }

  async #drain(): Promise<void> {
    await Promise.resolve(); // so that `#sending` is set before it is cleared below
    for (let chunk = this.#ready.shift(); chunk !== undefined; chunk = this.#ready.shift()) {
      const frame = this.#sealedFrame(chunk);
      this.#bus.publish(this.#subject, frame);
      this.#credit -= frame.byteLength;
      if (this.#credit <= 0) {
        await this.#bus.flush();
        this.#credit = CREDIT_BYTES;
      }
    }
    // In the same turn as the last look at the queue: a chunk that comes later starts anew.
    this.#sending = undefined;
  }

  #sealedFrame(chunk: number): Uint8Array {
    return (this.#sealed[chunk] ??= this.#seal(chunk));
  }

  /** The body is in place already: the engine wrote it there. */
  #seal(chunk: number): Uint8Array {
    const { identity, inPlace, rounded } = this.#push;
    const frame = this.#frame(chunk);
    const header: ChunkHeader = {
      kind: "gradient",
      ...identity,
      codec: codecOf(rounded),
      shard: ONLY_SHARD,
      ...chunkPlace(identity.totalBytes, chunk),
    };
    sealChunk(frame, header, inPlace);
    return frame;
  }

  #frame(chunk: number): Uint8Array {
    const { frames, identity, rounded } = this.#push;
    return frameIn(frames, identity.totalBytes, chunk, rounded);
  }
}
