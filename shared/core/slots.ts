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

/** Plans of unequal workers whose times differ less count as equally long. */
const SAME = { equal: 1e-9, unequal: 0.02 };

/**
 * Sizes of the blocks that a step is cut into for these workers, the largest first: as few blocks as possible (fewer bytes to
 * send) without making the step longer than smaller ones would. Large blocks come first and small ones even out what is left.
 * `speeds`: slots in a unit of time, by worker.
 */
export function blockSizes(slots: number, speeds: readonly number[]): readonly number[] {
  // Speeds change a little with every step, and the cut need not.
  const rounded = speeds.map((speed) => Number(speed.toPrecision(2)));
  const key = `${slots}/${rounded.join()}`;
  const known = cuts.get(key);
  if (known !== undefined) return known;
  const sizes = bestCut(slots, rounded);
  if (cuts.size >= MOST_CUTS) cuts.clear();
  cuts.set(key, sizes);
  return sizes;
}

const MOST_CUTS = 256;
const cuts = new Map<string, readonly number[]>();

function bestCut(slots: number, speeds: readonly number[]): number[] {
  const fastest = Math.max(...speeds);
  const fast = Math.max(1, speeds.filter((speed) => speed === fastest).length);
  const isEqual = speeds.every((speed) => speed === fastest);
  const plans = candidates(slots, fast).map((sizes) => ({ sizes, time: makespan(sizes, speeds) }));
  const shortest = plans.reduce((least, { time }) => Math.min(least, time), Infinity);
  const most = shortest * (1 + (isEqual ? SAME.equal : SAME.unequal));
  const good = plans.filter(({ time }) => time <= most);
  return good.reduce((best, plan) => (plan.sizes.length < best.sizes.length ? plan : best)).sizes;
}

/** Three sizes at most: of each but the last as many for each of the fast workers as there is room for. */
function candidates(slots: number, fast: number): number[][] {
  const found: number[][] = [];
  for (let large = slots; large >= 1; large /= 2) {
    found.push(filled(slots, large));
    const first = evenly(slots, large, fast);
    const left = slots - sumOf(first);
    if (first.length === 0 || left === 0) continue;
    for (let middle = large / 2; middle >= 1; middle /= 2) {
      found.push([...first, ...filled(left, middle)]);
      const second = evenly(left, middle, fast);
      const rest = left - sumOf(second);
      if (second.length === 0 || rest === 0) continue;
      for (let small = middle / 2; small >= 1; small /= 2)
        found.push([...first, ...second, ...filled(rest, small)]);
    }
  }
  return found;
}

/** Descending powers of two that fill a power of two lie aligned; whoever fills with one that does not divide ends smaller. */
function filled(slots: number, size: number): number[] {
  const sizes = Array<number>(Math.floor(slots / size)).fill(size);
  for (let left = slots % size, next = size / 2; left > 0; next /= 2) {
    for (; left >= next; left -= next) sizes.push(next);
  }
  return sizes;
}

function evenly(slots: number, size: number, workers: number): number[] {
  return Array<number>(workers * Math.floor(slots / (size * workers))).fill(size);
}

const sumOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

/** The time of a step in these blocks, when each goes to whoever will be through with it first. */
function makespan(sizes: readonly number[], speeds: readonly number[]): number {
  const times = speeds.length === 0 ? [1] : speeds.map((speed) => 1 / speed);
  const ends = times.map(() => 0);
  for (const count of sizes) {
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
  let first = 0;
  return blockSizes(slots, speeds).map((count) => {
    first += count;
    return { first: first - count, count };
  });
}

/** Which of a step's `batch` images belong to slot j: positions [start, end) in the batch. Sizes differ by at most one. */
export function slotRange(batch: number, slots: number, slot: number): { start: number; end: number } {
  return { start: Math.floor((slot * batch) / slots), end: Math.floor(((slot + 1) * batch) / slots) };
}
