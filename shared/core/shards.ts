/**
 * Shards: contiguous ranges of the vector that workers push. Each has subjects, sums and frames of its own. Today the
 * vector is one shard; whoever goes over `shardRanges` is right for more.
 */

export interface ShardRange {
  index: number;
  /** Values [first, end) of what is pushed. */
  first: number;
  end: number;
}

const SHARDS = 1;

/** The shard by which a worker pushes and pulls the whole vector, while there is one. */
export const ONLY_SHARD = 0;

/** The ranges of a push of so many values. */
export function shardRanges(pushSize: number, count: number = SHARDS): ShardRange[] {
  return shardIndices(count).map((index) => ({
    index,
    first: Math.floor((index * pushSize) / count),
    end: Math.floor(((index + 1) * pushSize) / count),
  }));
}

/** The shards' numbers, which stand in subjects. */
export function shardIndices(count: number = SHARDS): number[] {
  return Array.from({ length: count }, (_, index) => index);
}
