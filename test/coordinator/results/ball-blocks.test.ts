import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type BallSettings,
  UNIT_NAMES,
  blockDirections,
  blockSizes,
  errorExponent,
  measureBlocks,
  normalTail,
  planeDecisions,
  radialMoments,
  rayResponses,
} from "../../../coordinator/results/theory/ball-blocks.js";

const SETTINGS: BallSettings = {
  dimension: 24,
  radius: 1,
  shell: 0.25,
  units: 256,
  blocks: 16,
  points: 500,
  seed: 7,
};

test("in the plane the mean of RBF units is a known integral", () => {
  // E exp(−a sin²θ) over the circle is exp(−a/2)·I0(a/2); at a = 2 that is exp(−1)·I0(1), I0(1) = 1.2660658777520084.
  const { mean } = radialMoments("rbf", { dimension: 2, radius: 1 }, 1);
  assert.ok(Math.abs(mean - Math.exp(-1) * 1.2660658777520084) < 1e-10, String(mean));
});

test("in three dimensions a component of a unit vector is uniform, so the mReLU mean is elementary", () => {
  // s = 1/√3; at ρ = 1 the argument is uniform on ±√3: the triangle's area 1 over 2√3. Its square: 2/3 over 2√3.
  const { mean, deviation } = radialMoments("mrelu", { dimension: 3, radius: 1 }, 1);
  const exact = 1 / (2 * Math.sqrt(3));
  // Simpson's rule meets the kinks of the triangle between nodes: its error there is of second order in π/2000.
  assert.ok(Math.abs(mean - exact) < 1e-5, String(mean));
  assert.ok(Math.abs(deviation - Math.sqrt((2 / 3) * exact - exact * exact)) < 1e-5, String(deviation));
});

test("the limit falls with the distance, so that a threshold on it is a ball", () => {
  for (const unit of UNIT_NAMES) {
    const means = Array.from({ length: 30 }, (_, i) => radialMoments(unit, SETTINGS, 0.1 * i).mean);
    assert.equal(means[0], 1);
    for (let i = 1; i < means.length; i++) assert.ok((means[i] as number) < (means[i - 1] as number));
  }
});

test("error falls with the units, as normal means predict it", () => {
  const errors = measureBlocks(SETTINGS);
  for (const unit of UNIT_NAMES) {
    const own = errors.filter((error) => error.unit === unit);
    assert.deepEqual(
      own.map(({ units }) => units),
      [1, 2, 4, 8, 16, 32, 64, 128, 256],
    );
    const [first, last] = [own[0], own.at(-1)];
    assert.ok(first && last && first.error > 0.35 && last.error < 0.13, `${unit}: ${last?.error}`);
    for (const { units, error, deviation, predicted } of own) {
      if (units < 16) continue; // few units are not normal
      // Four standard errors over the blocks, and a point for what is left of non-normality.
      const slack = (4 * deviation) / Math.sqrt(SETTINGS.blocks) + 0.01;
      assert.ok(
        Math.abs(error - predicted) < slack,
        `${unit}, ${units} units: ${error}, expected ${predicted}`,
      );
    }
    const exponent = errorExponent(errors, unit);
    assert.ok(exponent < -0.25 && exponent > -0.6, `${unit}: ${exponent}`);
  }
});

test("the same seed gives the same numbers, another one others", () => {
  const small = { ...SETTINGS, units: 16, blocks: 2, points: 100 };
  assert.deepEqual(measureBlocks(small), measureBlocks(small));
  assert.notDeepEqual(measureBlocks(small), measureBlocks({ ...small, seed: 8 }));
});

test("directions have length 1", () => {
  const directions = blockDirections(SETTINGS, 3);
  for (let i = 0; i < SETTINGS.units; i++) {
    const own = directions.subarray(i * SETTINGS.dimension, (i + 1) * SETTINGS.dimension);
    assert.ok(Math.abs(Math.hypot(...own) - 1) < 1e-12);
  }
});

test("many units answer alike along every ray, one unit does not", () => {
  const spread = (units: number): number => {
    const rays = rayResponses(SETTINGS, "rbf", units, [1], 40).map(([answer]) => answer as number);
    return Math.max(...rays) - Math.min(...rays);
  };
  assert.ok(spread(1) > 0.5);
  assert.ok(spread(1024) < 0.12);
});

test("in the plane many units call the disc inside and what surrounds it outside", () => {
  const cells = 41;
  const inside = planeDecisions(3, "rbf", 512, cells, 2);
  const at = (x: number, y: number): boolean | undefined =>
    inside[Math.floor(((y + 2) / 4) * cells) * cells + Math.floor(((x + 2) / 4) * cells)];
  for (const angle of [0, 1, 2, 3, 4, 5, 6]) {
    assert.equal(at(0.8 * Math.cos(angle), 0.8 * Math.sin(angle)), true, `inside at ${angle}`);
    assert.equal(at(1.25 * Math.cos(angle), 1.25 * Math.sin(angle)), false, `outside at ${angle}`);
  }
});

test("the normal tail is the tables'", () => {
  for (const [z, tail] of [
    [0, 0.5],
    [1, 0.158655254],
    [1.959963985, 0.025],
    [3, 0.001349898],
  ] as const)
    assert.ok(Math.abs(normalTail(z) - tail) < 1e-7, `z = ${z}`);
});

test("block sizes double up to the largest, which need not be a power of two", () => {
  assert.deepEqual(blockSizes(8), [1, 2, 4, 8]);
  assert.deepEqual(blockSizes(10), [1, 2, 4, 8, 10]);
});
