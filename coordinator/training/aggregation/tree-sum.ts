/** The sum along the fixed binary tree over slots: the same bits however slots were grouped and whoever came first. */
import { bodyLength, chunkCountOf } from "../../../shared/core/chunk.js";
import { BufferPool, TreeSum } from "../../../shared/core/reduction.js";
import type { MakeAggregation } from "./aggregation.js";

export const treeSums: MakeAggregation = (slots, byteLength, memory) => {
  // Chunks of one length share their buffers.
  const pools = new Map<number, BufferPool>();
  const trees = Array.from({ length: chunkCountOf(byteLength) }, (_, chunk) => {
    const length = bodyLength(byteLength, chunk) / 4;
    const pool = pools.get(length) ?? new BufferPool(length, memory);
    pools.set(length, pool);
    return new TreeSum(slots, pool);
  });
  const release = (): void => {
    for (const tree of trees) tree.release();
  };
  return {
    add: (node, chunk, bytes, isIntact, rounded) =>
      trees[chunk]?.addBytes(node, bytes, isIntact, rounded) ?? "wrong-size",
    isComplete: (node) => trees.every((tree) => tree.covers(node)),
    missing: (node) => trees.flatMap((tree, chunk) => (tree.covers(node) ? [] : [chunk])),
    sum: (chunk) => trees[chunk]?.root,
    release,
    dispose: () => {
      release();
      for (const pool of pools.values()) pool.dispose();
    },
  };
};
