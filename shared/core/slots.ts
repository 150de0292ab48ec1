/**
 * Slots and the fixed binary tree over them. A step has V slots (a power of two). Tree nodes are numbered like a heap:
 * the root is 1, node n has children 2n and 2n+1, and slot j is leaf V + j. A block of slots is one node.
 */

/** An aligned power-of-two group of slots: [first, first + count). */
export interface Block {
  first: number;
  count: number;
}

export function isPowerOfTwo(value: number): boolean {
  return Number.isInteger(value) && value > 0 && (value & (value - 1)) === 0;
}

/** The tree node that sums exactly this block. */
export function nodeOfBlock(slots: number, block: Block): number {
  return (slots + block.first) / block.count;
}

/** The block that a node sums, or undefined when there is no such node in a tree of `slots` leaves. */
export function blockOfNode(slots: number, node: number): Block | undefined {
  if (!Number.isInteger(node) || node < 1 || node >= 2 * slots) return undefined;
  const depth = 31 - Math.clz32(node);
  const count = slots >>> depth;
  return { first: (node - (1 << depth)) * count, count };
}

/**
 * How large the blocks of a step should be for these workers: as large as possible (fewer bytes to send) without making
 * the step longer than smaller blocks would. `speeds`: slots in a unit of time, by worker.
 */
export function blockSize(slots: number, speeds: readonly number[]): number {
  let best = 1;
  let shortest = makespan(slots, 1, speeds);
  for (let count = 2; count <= slots; count *= 2) {
    const time = makespan(slots, count, speeds);
    if (time > shortest * (1 + 1e-9)) continue;
    best = count;
    shortest = time;
  }
  return best;
}

/** The time of a step in blocks of `count` slots, when each block goes to whoever will be through with it first. */
function makespan(slots: number, count: number, speeds: readonly number[]): number {
  const times = speeds.length === 0 ? [1] : speeds.map((speed) => 1 / speed);
  const ends = times.map(() => 0);
  for (let left = slots / count; left > 0; left--) {
    let first = 0;
    for (let worker = 1; worker < times.length; worker++) {
      const isSooner = ends[worker]! + count * times[worker]! < ends[first]! + count * times[first]!;
      if (isSooner) first = worker;
    }
    ends[first]! += count * times[first]!;
  }
  return Math.max(...ends);
}

/** The blocks of one step, in slot order. */
export function planBlocks(slots: number, speeds: readonly number[]): Block[] {
  const count = blockSize(slots, speeds);
  return Array.from({ length: slots / count }, (_, i) => ({ first: i * count, count }));
}

/** Which of a step's `batch` images belong to slot j: positions [start, end) in the batch. Sizes differ by at most one. */
export function slotRange(batch: number, slots: number, slot: number): { start: number; end: number } {
  return { start: Math.floor((slot * batch) / slots), end: Math.floor(((slot + 1) * batch) / slots) };
}
