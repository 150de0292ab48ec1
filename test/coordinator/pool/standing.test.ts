import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  GOOD_STANDING,
  type Standing,
  afterFailure,
  isDivergence,
  rests,
} from "../../../coordinator/pool/standing.js";

const RULE = { after: 3, firstMs: 1000 };

function failing(times: number, nowMs = 0): Standing {
  let standing = GOOD_STANDING;
  for (let i = 0; i < times; i++) standing = afterFailure(standing, RULE, nowMs);
  return standing;
}

test("two failures in a row are borne, the third brings a rest, which doubles with each one after it", () => {
  const restsAfter = (times: number): number => failing(times, 500).restsUntilMs;
  assert.deepEqual([1, 2, 3, 4, 5, 6].map(restsAfter), [0, 0, 1500, 2500, 4500, 8500]);
});

test("a rest begins at the failure, and ends at its time", () => {
  const standing = failing(3, 500);
  assert.deepEqual(
    [500, 1499, 1500].map((nowMs) => rests(standing, nowMs)),
    [true, true, false],
  );
  assert.equal(rests(GOOD_STANDING, 0), false);
});

test("however often a worker fails, its rest ends", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 400 }),
      fc.integer({ min: 1, max: 100 }),
      fc.integer({ min: 1, max: 3_600_000 }),
      (times, after, firstMs) => {
        let standing = GOOD_STANDING;
        for (let i = 0; i < times; i++) standing = afterFailure(standing, { after, firstMs }, 7);
        assert.equal(standing.failures, times);
        assert.ok(standing.restsUntilMs === 0 ? times < after : standing.restsUntilMs <= 7 + 64 * firstMs);
      },
    ),
  );
});

test("values that are not finite are a divergence when two workers bring them", () => {
  const attempts = (...counts: [string, number][]): ReadonlyMap<string, number> => new Map(counts);
  assert.equal(isDivergence(attempts(["a", 1], ["b", 1]), 2), true);
  assert.equal(isDivergence(attempts(["a", 1], ["b", 1]), 8), true);
  // The second worker may have left since.
  assert.equal(isDivergence(attempts(["a", 1], ["b", 1]), 1), true);
  assert.equal(isDivergence(attempts(["a", 50]), 2), false);
});

test("a lone worker is asked three times", () => {
  assert.deepEqual(
    [1, 2, 3].map((count) => isDivergence(new Map([["a", count]]), 1)),
    [false, false, true],
  );
  assert.equal(isDivergence(new Map(), 1), false);
});
