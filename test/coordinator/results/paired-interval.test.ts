import assert from "node:assert/strict";
import { test } from "node:test";
import {
  errorDifference,
  pairedCounts,
  pairedInterval,
} from "../../../coordinator/results/paired-interval.js";

/** [both wrong, only first, only second, both right], and the interval by a separate program from Newcombe's formulas. */
const REFERENCE: [number, number, number, number, number, number][] = [
  [20, 12, 2, 16, 0.05615642484174824, 0.32920699540014053],
  [8, 2, 40, 250, -0.17034419660246863, -0.08784496533408889],
  [0, 0, 0, 30, -0.11351339317396876, 0.11351339317396876],
  [0, 5, 0, 95, 0.0033279408461571597, 0.11175046923191913],
  [30, 0, 0, 0, -0.1135133931739688, 0.1135133931739688],
];

test("paired intervals are Newcombe's method 10", () => {
  for (const [bothWrong, onlyFirst, onlySecond, bothRight, low, high] of REFERENCE) {
    const found = pairedInterval({ bothWrong, onlyFirst, onlySecond, bothRight });
    // The same formulas in another order of operations: a few ulps.
    assert.ok(Math.abs(found.low - low) < 1e-12, `low of ${bothWrong} ${onlyFirst}: ${found.low}`);
    assert.ok(Math.abs(found.high - high) < 1e-12, `high of ${bothWrong} ${onlyFirst}: ${found.high}`);
  }
});

test("pairs are counted image by image", () => {
  const first = Uint8Array.of(1, 1, 0, 0, 0);
  const second = Uint8Array.of(1, 0, 1, 0, 0);
  assert.deepEqual(pairedCounts(first, second), { bothWrong: 1, onlyFirst: 1, onlySecond: 1, bothRight: 2 });
  assert.throws(() => pairedCounts(first, Uint8Array.of(1)), RangeError);
});

test("errors on the same images are compared more sharply than on different ones", () => {
  // Nearly the same mistakes: the two go up and down together.
  const first = Uint8Array.from({ length: 400 }, (_, i) => Number(i < 100));
  const second = Uint8Array.from({ length: 400 }, (_, i) => Number(i < 90));
  const paired = errorDifference(
    { n: 400, errors: 100, wrong: first },
    { n: 400, errors: 90, wrong: second },
  );
  const apart = errorDifference({ n: 400, errors: 100 }, { n: 400, errors: 90 });
  assert.equal(paired.paired, true);
  assert.equal(apart.paired, false);
  assert.equal(paired.difference, apart.difference);
  assert.ok(paired.low > 0, "ten images that only one gets wrong, and none the other way");
  assert.ok(apart.low < 0 && apart.high > 0);
});

test("without images nothing is known of a difference", () => {
  assert.deepEqual(pairedInterval({ bothWrong: 0, onlyFirst: 0, onlySecond: 0, bothRight: 0 }), {
    low: -1,
    high: 1,
  });
});
