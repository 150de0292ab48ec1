import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  SOBOL_DIMENSIONS,
  directionsOf,
  scrambled,
  sobolWord,
} from "../../../coordinator/sweeps/samplers/sobol.js";
import { SEED, randomNumbers } from "../../support/draws.js";

/** The highest 12 bits of points in all 40 dimensions, by SciPy 1.17: `scipy.stats.qmc.Sobol(d=40, scramble=False, bits=32)`. */
const SCIPY: Readonly<Record<number, readonly number[]>> = {
  1: [
    2048, 2048, 2048, 2048, 2048, 2048, 2048, 2048, 2048, 2048, 2048, 2048, 2048, 2048, 2048, 2048, 2048,
    2048, 2048, 2048, 2048, 2048, 2048, 2048, 2048, 2048, 2048, 2048, 2048, 2048, 2048, 2048, 2048, 2048,
    2048, 2048, 2048, 2048, 2048, 2048,
  ],
  37: [
    3776, 2624, 2368, 3776, 3136, 1216, 704, 3264, 2496, 704, 64, 320, 2368, 3520, 448, 1984, 3264, 1728, 192,
    576, 3904, 320, 2240, 2624, 1216, 1472, 3264, 1600, 2112, 448, 1472, 576, 2496, 1472, 3520, 3008, 3648,
    2752, 3904, 320,
  ],
  1000: [
    900, 396, 2124, 2772, 1148, 3716, 188, 3684, 2052, 284, 348, 1044, 660, 1572, 588, 1516, 2948, 1412, 4060,
    2972, 2140, 2252, 3892, 2212, 2388, 3716, 164, 4012, 244, 1396, 604, 596, 1212, 2428, 3284, 3156, 3476,
    3404, 1260, 1964,
  ],
  4095: [
    1, 3855, 1369, 3693, 3851, 323, 3889, 1601, 785, 1009, 2333, 1317, 1511, 2129, 2257, 1707, 255, 2495,
    3331, 2135, 925, 2999, 2777, 1825, 751, 2183, 1551, 117, 3827, 3503, 1481, 359, 3115, 1077, 3903, 719,
    2377, 1343, 679, 931,
  ],
};

describe("Sobol's sequence", () => {
  test("is that of another implementation, in each of its dimensions", () => {
    const directions = Array.from({ length: SOBOL_DIMENSIONS }, (_, i) => directionsOf(i));
    for (const [n, words] of Object.entries(SCIPY)) {
      assert.deepEqual(
        directions.map((own) => sobolWord(Number(n), own) >>> 20),
        words,
        `point ${n}`,
      );
    }
  });

  test("scrambled by any seed, still has one of 2^k points in each of 2^k equal intervals, in every dimension", () => {
    const draw = randomNumbers(SEED);
    for (let dimension = 0; dimension < SOBOL_DIMENSIONS; dimension += 1) {
      const directions = directionsOf(dimension);
      const seed = draw(2 ** 32);
      const intervals = new Set(
        Array.from({ length: 256 }, (_, n) => scrambled(sobolWord(n, directions), seed) >>> 24),
      );
      assert.equal(intervals.size, 256, `dimension ${dimension}, SAF_TEST_SEED=${SEED}`);
    }
  });

  test("scrambled, the first two dimensions have one of 2^8 points in each box of that size, whatever its sides", () => {
    const draw = randomNumbers(SEED);
    const [x, y] = [directionsOf(0), directionsOf(1)];
    const [seedX, seedY] = [draw(2 ** 32), draw(2 ** 32)];
    for (let bits = 0; bits <= 8; bits += 1) {
      const boxes = new Set(
        Array.from({ length: 256 }, (_, n) => {
          const column = Math.floor(scrambled(sobolWord(n, x), seedX) / 2 ** (32 - bits));
          const row = Math.floor(scrambled(sobolWord(n, y), seedY) / 2 ** (24 + bits));
          return `${column},${row}`;
        }),
      );
      assert.equal(boxes.size, 256, `${bits} bits of the first, SAF_TEST_SEED=${SEED}`);
    }
  });

  test("other seeds are other points", () => {
    const directions = directionsOf(3);
    const words = [1, 2, 3].map((seed) => scrambled(sobolWord(5, directions), seed * 0x9e3779b9));
    assert.equal(new Set(words).size, 3);
  });
});
