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
 * How large the blocks of a step should be for so many workers: as large as possible (fewer bytes to send) without
 * making the step longer than blocks of one slot would.
 */
export function blockSize(slots: number, workers: number): number {
  const rounds = (count: number): number => Math.ceil(slots / count / Math.max(1, workers)) * count;
  let best = 1;
  for (let count = 2; count <= slots; count *= 2) {
    if (rounds(count) <= rounds(best)) best = count;
  }
  return best;
}

/** The blocks of one step, in slot order. */
export function planBlocks(slots: number, workers: number): Block[] {
  const count = blockSize(slots, workers);
  return Array.from({ length: slots / count }, (_, i) => ({ first: i * count, count }));
}

/** Which of a step's `batch` images belong to slot j: positions [start, end) in the batch. Sizes differ by at most one. */
export function slotRange(batch: number, slots: number, slot: number): { start: number; end: number } {
  return { start: Math.floor((slot * batch) / slots), end: Math.floor(((slot + 1) * batch) / slots) };
}
