/** How the gradients of a step become one sum; today the fixed tree (tree-sum.ts). */
import type { AddOutcome } from "../../../shared/core/reduction.js";
import type { VectorMemory } from "../../../shared/core/vectors/vector-memory.js";

export interface Aggregation {
  /**
   * Counts one chunk of a node's values once. They come as little-endian bytes that are read at once, the first `rounded` of
   * them in bf16 (shared/core/codec.ts); values that are not finite, or not intact after they were read, change nothing.
   */
  add(node: number, chunk: number, bytes: Uint8Array, isIntact: () => boolean, rounded: number): AddOutcome;
  /** Every chunk of the node is counted: of it, or of one above it. */
  isComplete(node: number): boolean;
  /** Chunks of the node that are not counted, neither of it nor of one above it. */
  missing(node: number): number[];
  /** The finished sum of a chunk, or undefined while parts are missing. Valid until `release`. */
  sum(chunk: number): Float32Array | undefined;
  /** Forgets the step. */
  release(): void;
  /** Gives all memory back. */
  dispose(): void;
}

/** For one shard. `byteLength`: of what a slot pushes for it. */
export type MakeAggregation = (slots: number, byteLength: number, memory: VectorMemory) => Aggregation;
