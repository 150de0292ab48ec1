/** Memory in which a worker sums its own blocks with those of its mates: of one run, used again from step to step. */
import { bodyLength, chunkCountOf, framesLength } from "../../shared/core/chunk.js";
import { BufferPool, TreeSum } from "../../shared/core/reduction.js";
import type { VectorMemory } from "../../shared/core/vectors/vector-memory.js";
import type { RunMemory } from "../thread-memory.js";

export class CarriedSums {
  readonly #totalBytes: number;
  readonly #memory: RunMemory;
  readonly #vectors: VectorMemory | undefined;
  /** By length: chunks of one length share their buffers. */
  readonly #pools = new Map<number, BufferPool>();

  /** `vectors`: where mates' blocks are seen, if they are mapped. */
  constructor(totalBytes: number, memory: RunMemory, vectors: VectorMemory | undefined) {
    this.#totalBytes = totalBytes;
    this.#memory = memory;
    this.#vectors = vectors;
  }

  /** Where the sums are sent from. */
  frames(): Uint8Array {
    const byteLength = framesLength(this.#totalBytes);
    return new Uint8Array(this.#memory.of("carried", byteLength), 0, byteLength);
  }

  /** A tree for each chunk. */
  trees(slots: number): TreeSum[] {
    return Array.from({ length: chunkCountOf(this.#totalBytes) }, (_, chunk) => {
      const length = bodyLength(this.#totalBytes, chunk) / 4;
      const pool = this.#pools.get(length) ?? new BufferPool(length, this.#vectors);
      this.#pools.set(length, pool);
      return new TreeSum(slots, pool);
    });
  }

  dispose(): void {
    for (const pool of this.#pools.values()) pool.dispose();
  }
}
