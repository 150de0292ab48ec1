/**
 * A collection in order that knows the rank of everything in it. Blocks of bounded length, each in order: adding, removing
 * and asking cost a binary search, and a sum over blocks of which there are few up to a million entries.
 */
import { at } from "../../shared/core/at.js";

const BLOCK = 512;

export class Ranked<Entry> {
  readonly #compare: (a: Entry, b: Entry) => number;
  /** None is empty. */
  readonly #blocks: Entry[][] = [];
  #size = 0;

  /** `compare` is 0 for an entry and itself alone, and does not change while an entry is in here. */
  constructor(compare: (a: Entry, b: Entry) => number) {
    this.#compare = compare;
  }

  get size(): number {
    return this.#size;
  }

  /** False when it is in here already. */
  add(entry: Entry): boolean {
    const place = this.#placeOf(entry);
    if (place.isFound) return false;
    const block = this.#blocks[place.block];
    if (block === undefined) this.#blocks.push([entry]);
    else {
      block.splice(place.index, 0, entry);
      if (block.length > BLOCK) this.#blocks.splice(place.block + 1, 0, block.splice(BLOCK >> 1));
    }
    this.#size++;
    return true;
  }

  /** False when it was not in here. */
  remove(entry: Entry): boolean {
    const place = this.#placeOf(entry);
    const block = this.#blocks[place.block];
    if (!place.isFound || block === undefined) return false;
    block.splice(place.index, 1);
    if (block.length === 0) this.#blocks.splice(place.block, 1);
    this.#size--;
    return true;
  }

  /** How many come before it, whether it is in here or not. */
  rankOf(entry: Entry): number {
    const { block, index } = this.#placeOf(entry);
    let before = index;
    for (let i = 0; i < block; i++) before += at(this.#blocks, i).length;
    return before;
  }

  /** The entry with so many before it. */
  at(rank: number): Entry | undefined {
    let left = rank;
    for (const block of this.#blocks) {
      if (left < block.length) return block[left];
      left -= block.length;
    }
    return undefined;
  }

  get first(): Entry | undefined {
    return this.#blocks[0]?.[0];
  }

  get last(): Entry | undefined {
    return this.#blocks.at(-1)?.at(-1);
  }

  *[Symbol.iterator](): Generator<Entry> {
    for (const block of this.#blocks) yield* block;
  }

  /** Where it is, or would be put: behind the end of the last block where all come before it. */
  #placeOf(entry: Entry): { block: number; index: number; isFound: boolean } {
    const blocks = this.#blocks;
    const found = firstWhere(
      blocks.length,
      (i) => this.#compare(at(at(blocks, i), at(blocks, i).length - 1), entry) >= 0,
    );
    const block = Math.min(found, Math.max(0, blocks.length - 1));
    const entries = blocks[block] ?? [];
    const index = firstWhere(entries.length, (i) => this.#compare(at(entries, i), entry) >= 0);
    const there = entries[index];
    return { block, index, isFound: there !== undefined && this.#compare(there, entry) === 0 };
  }
}

/** The first of 0..count-1 for which `holds`, which holds for all behind it; `count` where it holds for none. */
function firstWhere(count: number, holds: (i: number) => boolean): number {
  let [low, high] = [0, count];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
