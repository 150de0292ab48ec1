/** Faults are drawn from a seed that is printed; SAF_TEST_SEED repeats it. */
import { randomInt } from "node:crypto";

export const SEED = Number(process.env["SAF_TEST_SEED"] ?? randomInt(2 ** 31));

/** Whole numbers below `limit`, the same for the same seed: Mulberry32 (Tommy Ettinger, public domain). */
export function randomNumbers(seed: number): (limit: number) => number {
  let state = seed >>> 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}
