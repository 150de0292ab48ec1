/**
 * Points that fill the space evenly however many there are: Sobol's sequence with the direction numbers of S. Joe and F. Y.
 * Kuo ("Constructing Sobol sequences with better two-dimensional projections", SIAM J. Sci. Comput. 30, 2008; file
 * new-joe-kuo-6.21201), scrambled by the seed as Owen does it, by hash (B. Burley, "Practical hash-based Owen scrambling",
 * JCGT 9, 2020, with the constants of N. Vegdahl, 2021).
 */
import { at } from "../../../shared/core/at.js";
import { RandomStream } from "../../../shared/random.js";
import { valueOf } from "../domains.js";
import { drawnSampler, partsOf } from "./draws.js";
import type { MakeSampler } from "./sampler.js";

/** From the second dimension on: coefficients of a primitive polynomial over GF(2) without its ends, and the first numbers. */
const JOE_KUO: readonly (readonly [a: number, m: readonly number[]])[] = [
  [0, [1]],
  [1, [1, 3]],
  [1, [1, 3, 1]],
  [2, [1, 1, 1]],
  [1, [1, 1, 3, 3]],
  [4, [1, 3, 5, 13]],
  [2, [1, 1, 5, 5, 17]],
  [4, [1, 1, 5, 5, 5]],
  [7, [1, 1, 7, 11, 19]],
  [11, [1, 1, 5, 1, 1]],
  [13, [1, 1, 1, 3, 11]],
  [14, [1, 3, 5, 5, 31]],
  [1, [1, 3, 3, 9, 7, 49]],
  [13, [1, 1, 1, 15, 21, 21]],
  [16, [1, 3, 1, 13, 27, 49]],
  [19, [1, 1, 1, 15, 7, 5]],
  [22, [1, 3, 1, 15, 13, 25]],
  [25, [1, 1, 5, 5, 19, 61]],
  [1, [1, 3, 7, 11, 23, 15, 103]],
  [4, [1, 3, 7, 13, 13, 15, 69]],
  [7, [1, 1, 3, 13, 7, 35, 63]],
  [8, [1, 3, 5, 9, 1, 25, 53]],
  [14, [1, 3, 1, 13, 9, 35, 107]],
  [19, [1, 3, 1, 5, 27, 61, 31]],
  [21, [1, 1, 5, 11, 19, 41, 61]],
  [28, [1, 3, 5, 3, 3, 13, 69]],
  [31, [1, 1, 7, 13, 1, 19, 1]],
  [32, [1, 3, 7, 5, 13, 19, 59]],
  [37, [1, 1, 3, 9, 25, 29, 41]],
  [41, [1, 3, 5, 13, 23, 1, 55]],
  [42, [1, 3, 7, 3, 13, 59, 17]],
  [50, [1, 3, 1, 3, 5, 53, 69]],
  [55, [1, 1, 5, 5, 23, 33, 13]],
  [56, [1, 1, 7, 7, 1, 61, 123]],
  [59, [1, 1, 7, 9, 13, 61, 49]],
  [62, [1, 3, 3, 5, 3, 55, 33]],
  [14, [1, 3, 1, 15, 31, 13, 49, 245]],
  [21, [1, 3, 5, 15, 31, 59, 63, 97]],
  [22, [1, 3, 1, 11, 11, 11, 77, 249]],
];

const BITS = 32;
/** Drawn parameters that a sequence can serve. */
export const SOBOL_DIMENSIONS = JOE_KUO.length + 1;

export const sobolSampler: MakeSampler = (space) => {
  const { drawn } = partsOf(space);
  const dimensions = drawn.map((parameter, i) => ({
    ...parameter,
    directions: directionsOf(i),
    scrambling: new RandomStream(space.spec.search.seed, "sobol-scrambling", i).uint32(),
  }));
  return drawnSampler(space, (draw) =>
    Object.fromEntries(
      dimensions.map(({ path, domain, directions, scrambling }) => {
        const word = scrambled(sobolWord(draw, directions), scrambling);
        return [path, valueOf(domain, (word + 0.5) / 2 ** BITS)];
      }),
    ),
  );
};

/** Direction numbers of a dimension, from 0 on, each the value of one bit of a point's number. */
export function directionsOf(dimension: number): Uint32Array {
  const directions = new Uint32Array(BITS);
  if (dimension === 0) return directions.map((_, i) => 2 ** (BITS - 1 - i));
  const [a, m] = at(JOE_KUO, dimension - 1);
  const degree = m.length;
  for (let i = 0; i < BITS; i += 1) {
    if (i < degree) {
      directions[i] = at(m, i) * 2 ** (BITS - 1 - i);
      continue;
    }
    const earlier = at(directions, i - degree);
    let word = earlier ^ (earlier >>> degree);
    for (let k = 1; k < degree; k += 1) {
      if (((a >>> (degree - 1 - k)) & 1) === 1) word ^= at(directions, i - k);
    }
    directions[i] = word;
  }
  return directions;
}

/** The n-th point in one dimension, in units of 2^-32, in the order of Gray codes. */
export function sobolWord(n: number, directions: Uint32Array): number {
  let word = 0;
  for (let gray = (n ^ (n >>> 1)) >>> 0, bit = 0; gray !== 0; gray >>>= 1, bit += 1) {
    if ((gray & 1) === 1) word ^= at(directions, bit);
  }
  return word >>> 0;
}

/** Each bit is flipped or not by those before it, so that every even interval keeps its share of the points. */
export function scrambled(word: number, seed: number): number {
  let x = reversed(word);
  x = (x ^ Math.imul(x, 0x3d20adea)) >>> 0;
  x = (x + seed) >>> 0;
  x = Math.imul(x, (seed >>> 16) | 1) >>> 0;
  x = (x ^ Math.imul(x, 0x05526c56)) >>> 0;
  x = (x ^ Math.imul(x, 0x53a22864)) >>> 0;
  return reversed(x);
}

function reversed(word: number): number {
  let rest = word;
  let turned = 0;
  for (let i = 0; i < BITS; i += 1) {
    turned = (turned << 1) | (rest & 1);
    rest >>>= 1;
  }
  return turned >>> 0;
}
