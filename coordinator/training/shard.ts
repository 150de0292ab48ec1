/** One range of the vector: its parameters in frames, its momentum, the sums that come in, and the update to the next version. */
import type { MappedMemory } from "../../shared/bus.js";
import { bodyOffset, roundedInChunk } from "../../shared/core/chunk.js";
import { type Codec, type Rounded, roundedInRange, roundedWeights } from "../../shared/core/codec.js";
import type { Layout } from "../../shared/core/layout.js";
import { squaredDistance, squaredNorm } from "../../shared/core/norms.js";
import { type UpdateRanges, type UpdateRule, updateRange } from "../../shared/core/optimizer.js";
import type { AddOutcome } from "../../shared/core/reduction.js";
import type { ShardRange } from "../../shared/core/shards.js";
import { VectorMemory, allFinite } from "../../shared/core/vectors/vector-memory.js";
import type { Aggregation } from "./aggregation/aggregation.js";
import {
  FramedVector,
  type FrameIdentity,
  type ParameterVector,
  frameBytes,
  framesOf,
} from "./parameter-frames.js";
import { RoundedVector } from "./rounded-vector.js";

/** Squared norms of mean gradient and update of the weights, as the chunks of a step complete. */
export interface SquaredNorms {
  gradient: number;
  update: number;
}

/** Whose version a frame is, but for the shard. */
export type Version = Omit<FrameIdentity, "shard" | "kind">;

export interface ShardOptions {
  range: ShardRange;
  layout: Layout;
  /** How values travel to workers and from them; fp32 without one. */
  codec?: Codec | undefined;
  aggregate: (byteLength: number, memory: VectorMemory) => Aggregation;
  /** Where frames are broadcast from without a copy, if there is such a place. */
  mapped: MappedMemory | undefined;
  /** Of the whole vector. */
  parameters: Float32Array;
  velocity: Float32Array;
}

/** One version of the range. */
interface ShardVersion {
  parameters: ParameterVector;
  velocity: Float32Array;
}

const NO_VALUES = new Float32Array();
/** A cache line. */
const FRAME_ALIGNMENT = 64;

export class Shard {
  readonly range: ShardRange;
  readonly #layout: Layout;
  /** Values of the range that travel rounded. */
  readonly #rounded: Rounded;
  readonly #memory: VectorMemory;
  readonly #mapped: MappedMemory | undefined;
  readonly #aggregation: Aggregation;
  readonly #release: (() => void)[] = [];
  /** The version that is committed, and the one that comes into being: the step may have to be given up. */
  #current: ShardVersion;
  #next: ShardVersion | undefined;
  /** What the sums hold behind the parameters: loss, hits, samples. */
  readonly #tail: Float32Array;
  #velocityFrames: Uint8Array[] | undefined;

  constructor({ range, layout, codec, aggregate, mapped, parameters, velocity }: ShardOptions) {
    this.range = range;
    this.#layout = layout;
    this.#rounded = roundedInRange(roundedWeights(codec, layout), range.first, range.end);
    this.#mapped = mapped;
    this.#memory = mapped?.vectors ?? new VectorMemory();
    this.#aggregation = aggregate(this.pushBytes, this.#memory);
    this.#tail = new Float32Array(Math.max(0, range.end - Math.max(range.first, layout.size)));
    this.#current = this.#newVersion();
    this.replace(parameters, velocity);
  }

  /** It ends the vector, so what a slot counted stands at its end. */
  get isLast(): boolean {
    return this.range.end === this.#layout.pushSize;
  }

  /** Bytes of what a slot pushes for this range. */
  get pushBytes(): number {
    return 4 * (this.range.end - this.range.first);
  }

  /** Values of the parameter vector that lie here: what is pushed goes on behind them. */
  get #size(): number {
    return Math.max(0, Math.min(this.range.end, this.#layout.size) - this.range.first);
  }

  #newVersion(): ShardVersion {
    const size = this.#size;
    const shared = this.#mapped?.allocate(frameBytes(size));
    const bytes = shared ?? this.#memory.reserve(frameBytes(size), FRAME_ALIGNMENT);
    const velocity = this.#memory.allocate(size);
    this.#release.push(() => {
      if (shared === undefined) this.#memory.release(bytes, FRAME_ALIGNMENT);
      else this.#mapped?.release(shared);
      this.#memory.release(velocity);
    });
    return { parameters: this.#vectorIn(bytes, shared !== undefined), velocity };
  }

  #vectorIn(frames: Uint8Array, inPlace: boolean): ParameterVector {
    if (this.#rounded === undefined) return new FramedVector(this.#size, frames, inPlace);
    const kept = this.#memory.allocate(this.#size);
    this.#release.push(() => this.#memory.release(kept));
    return new RoundedVector(kept, frames, this.#rounded, inPlace);
  }

  dispose(): void {
    this.#aggregation.dispose();
    for (const release of this.#release.splice(0)) release();
  }

  // ---- The committed version ----------------------------------------------------------------------------------

  /** Writes this range's parameters and velocity into vectors of the whole. */
  readInto(parameters: Float32Array, velocity: Float32Array): void {
    const { first } = this.range;
    parameters.set(this.#current.parameters.read(), first);
    velocity.set(this.#current.velocity, first);
  }

  /** Takes its range of another state over. */
  replace(parameters: Float32Array, velocity: Float32Array): void {
    const { first } = this.range;
    this.#current.parameters.write(parameters.subarray(first, first + this.#size));
    this.#current.velocity.set(velocity.subarray(first, first + this.#size));
    this.#velocityFrames = undefined;
  }

  /** `rounded`: as workers train with it, in bf16. */
  parameterFrame(chunk: number, version: Version, rounded: boolean): Uint8Array | undefined {
    return this.#current.parameters.copy(chunk, { ...version, shard: this.range.index }, rounded);
  }

  /** Frames are made when somebody asks: a worker that goes on where it stopped does not. */
  velocityFrame(chunk: number, version: Version): Uint8Array | undefined {
    const identity = { ...version, kind: "velocity" as const, shard: this.range.index };
    this.#velocityFrames ??= framesOf(this.#current.velocity, identity);
    return this.#velocityFrames[chunk];
  }

  // ---- The step in work ---------------------------------------------------------------------------------------

  /** `rounded`: so many of the values, the first ones, come in bf16. */
  add(node: number, chunk: number, bytes: Uint8Array, isIntact: () => boolean, rounded: number): AddOutcome {
    return this.#aggregation.add(node, chunk, bytes, isIntact, rounded);
  }

  /** Values of a chunk that are rounded in this codec: its first ones. */
  roundedIn(chunk: number, codec: Codec): number {
    return codec === "fp32" ? 0 : roundedInChunk(this.pushBytes, chunk, this.#rounded);
  }

  isComplete(node: number): boolean {
    return this.#aggregation.isComplete(node);
  }

  missing(node: number): number[] {
    return this.#aggregation.missing(node);
  }

  /** Is the sum of this chunk complete? */
  isSummed(chunk: number): boolean {
    return this.#aggregation.sum(chunk) !== undefined;
  }

  /**
   * Updates the values of a chunk whose sum is complete. Returns the frame of the next version, ready to be broadcast, where
   * the chunk holds parameters; "overflow" when its values are not finite any more. `norms`, where they are measured, grow by
   * this chunk's.
   */
  update(
    chunk: number,
    rule: UpdateRule,
    next: Version,
    norms?: SquaredNorms,
  ): Uint8Array | "overflow" | undefined {
    const sums = this.#aggregation.sum(chunk);
    if (sums === undefined) throw new RangeError(`The sum of chunk ${chunk} is not complete`);
    const before = this.#current;
    const after = (this.#next ??= this.#newVersion());
    const at = bodyOffset(chunk) / 4;
    const start = this.range.first + at;
    const ranges = {
      sums,
      current: before.parameters.bodies[chunk] ?? NO_VALUES,
      velocity: before.velocity.subarray(at, at + sums.length),
      next: after.parameters.bodies[chunk] ?? NO_VALUES,
      moved: after.velocity.subarray(at, at + sums.length),
    };
    after.parameters.open(chunk);
    updateRange(this.#layout, rule, start, ranges);
    if (norms !== undefined) this.#addNorms(norms, start, ranges, rule.samples);
    this.#keepTail(start, sums);
    if (chunk >= after.parameters.bodies.length) return undefined;
    // Finite gradients may still overflow where they are summed or applied. What is not finite in `moved` is added to `next`.
    if (!allFinite(ranges.next)) return "overflow";
    return after.parameters.seal(chunk, { ...next, shard: this.range.index });
  }

  #keepTail(start: number, sums: Float32Array): void {
    const tailAt = Math.max(this.range.first, this.#layout.size);
    for (let i = Math.max(0, tailAt - start); i < sums.length; i++)
      this.#tail[start + i - tailAt] = sums[i] ?? 0;
  }

  /** Of the weights only: a running moment has no gradient. */
  #addNorms(
    norms: SquaredNorms,
    start: number,
    { sums, current, next }: UpdateRanges,
    samples: number,
  ): void {
    for (const { role, offset, size } of this.#layout.tensors) {
      const from = Math.max(start, offset) - start;
      const to = Math.min(start + sums.length, offset + size) - start;
      if (role === "moment" || from >= to) continue;
      norms.gradient += squaredNorm(sums.subarray(from, to)) / samples ** 2;
      norms.update += squaredDistance(next.subarray(from, to), current.subarray(from, to));
    }
  }

  /** Loss sum, hits and samples of the step, in the shard that ends the vector; valid once all chunks are updated. */
  get tail(): Float32Array {
    return this.#tail;
  }

  /** The next version is the committed one from now on. */
  commit(): void {
    if (this.#next === undefined) throw new RangeError("There is no next version");
    [this.#current, this.#next] = [this.#next, this.#current];
    this.giveUp();
    this.#velocityFrames = undefined;
  }

  /** Nothing of the step in work is left. */
  giveUp(): void {
    this.#aggregation.release();
  }
}
