/** Seeded draws of a simulation. Each part of the world has a stream of its own, so that one draw more in one does not move the others. */
import { RandomStream } from "../../shared/random.js";

/** The parts that draw. */
export const STREAMS = {
  scenario: 1,
  schedule: 2,
  network: 3,
  disk: 4,
  engine: 5,
  liar: 6,
  rival: 7,
  hosts: 8,
} as const;

export class Draws {
  readonly #stream: RandomStream;

  constructor(seed: number, part: keyof typeof STREAMS, which = 0) {
    this.#stream = new RandomStream(seed, "corruption", STREAMS[part], which);
  }

  chance(probability: number): boolean {
    return this.#stream.uniform() < probability;
  }

  /** A whole number from `low` to `high`, both included. */
  whole(low: number, high: number): number {
    return low + this.#stream.below(high - low + 1);
  }

  /** A number between the two. */
  between(low: number, high: number): number {
    return low + (high - low) * this.#stream.uniform();
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.#stream.below(items.length)] as Item;
  }

  /** Any 32 bits. */
  bits(): number {
    return this.#stream.uint32();
  }
}
