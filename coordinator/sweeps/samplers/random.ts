/**
 * Each draw by itself. A finite space without conditions and logarithmic ranges, in which all points are equally likely, is
 * gone through in a random order instead, so that nothing comes twice.
 */
import { PURPOSES, philox } from "../../../shared/random.js";
import { Points } from "../points.js";
import type { SpaceParameter } from "../space-shape.js";
import { drawnSampler, independentDraw, partsOf } from "./draws.js";
import type { MakeSampler } from "./sampler.js";

export const randomSampler: MakeSampler = (space) => {
  const { drawn } = partsOf(space);
  const points = new Points(drawn);
  const { seed } = space.spec.search;
  if (points.count > MOST_SHUFFLED || !drawn.every(isEven))
    return drawnSampler(space, (draw) => independentDraw(space, draw));
  return drawnSampler(space, (draw) =>
    draw < points.count ? points.at(shuffledPlace(draw, points.count, seed)) : "none",
  );
};

const MOST_SHUFFLED = 2 ** 32;

function isEven({ when, domain }: SpaceParameter): boolean {
  return when === undefined && (domain.kind === "values" || !domain.isLog);
}

const ROUNDS = 6;

/**
 * Where the n-th of so many comes in a random order, without the others: a Feistel network over the next even number of bits,
 * walked until it lands below `count` (Black and Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002).
 */
export function shuffledPlace(n: number, count: number, seed: number): number {
  const half = Math.max(1, Math.ceil(Math.log2(Math.max(2, count)) / 2));
  const size = 2 ** half;
  const words = new Uint32Array(4);
  let place = n;
  do {
    let left = Math.floor(place / size);
    let right = place % size;
    for (let round = 0; round < ROUNDS; round += 1) {
      philox(right, round, half, 0, seed, PURPOSES["trial-order"], words);
      [left, right] = [right, (left ^ (words[0] ?? 0)) & (size - 1)];
    }
    place = left * size + right;
  } while (place >= count);
  return place;
}
