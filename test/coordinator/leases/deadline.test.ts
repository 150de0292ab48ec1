import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type LeaseTimes, limitOf, median, withTime } from "../../../coordinator/leases/deadline.js";

const timesOf = (values: readonly number[]): LeaseTimes =>
  values.reduce<LeaseTimes>((times, ms) => withTime(times, ms), []);

/** The limit of a warm worker, with this floor. */
const limit = (values: readonly number[], floorMs: number): number =>
  limitOf({ series: "s", scale: 1, floorMs, unknownMs: 0, warmUpMs: 0 }, timesOf(values), true);

test("the median is the middle value, or the mean of the two middle ones, and leaves its input alone", () => {
  const values = [3, 1, 2];
  assert.equal(median(values), 2);
  assert.deepEqual(values, [3, 1, 2]);
  assert.equal(median([10, 2, 4, 100]), 7);
  assert.equal(median([5]), 5);
  assert.ok(Number.isNaN(median([])));
});

test("while nothing is known the limit is the unknown one; a cold worker never gets less, and time to warm up", () => {
  const patience = { series: "s", scale: 1, floorMs: 2000, unknownMs: 60_000, warmUpMs: 5000 };
  assert.equal(limitOf(patience, [], true), 60_000);
  assert.equal(limitOf(patience, [], false), 65_000);
  assert.equal(limitOf(patience, [100], true), 2000);
  assert.equal(limitOf(patience, [100], false), 65_000);
  assert.equal(limitOf(patience, [50_000], false), 155_000);
});

test("a stretch gets as many times the limit of a step as it has steps", () => {
  const patience = { series: "s", scale: 40, floorMs: 2000, unknownMs: 60_000, warmUpMs: 0 };
  assert.equal(limitOf(patience, [100, 100], true), 40 * 300);
  assert.equal(limitOf({ ...patience, scale: 2 }, [100, 100], true), 2000);
});

test("what is no time is left out", () => {
  for (const ms of [-1, Number.NaN, Number.POSITIVE_INFINITY]) assert.deepEqual(withTime([7], ms), [7]);
});

test("the limit is three medians, eight deviations above the median, or the floor, whichever is most", () => {
  assert.equal(limit([100, 100, 100], 2000), 2000); // the floor
  assert.equal(limit([1000, 1000, 1000], 2000), 3000); // three medians
  assert.equal(limit([500, 1000, 1500], 2000), 1000 + 8 * 500); // deviations 500, 0, 500
});

test("one hung lease among many moves the limit little", () => {
  const usual = Array.from({ length: 20 }, (_, i) => 1000 + i);
  const calm = limit(usual, 0);
  const disturbed = limit([...usual, 1_000_000], 0);
  assert.ok(Math.abs(disturbed - calm) < 0.02 * calm, `${disturbed} after ${calm}`);
});

test("only the last 64 leases count", () => {
  const recent = Array.from({ length: 64 }, (_, i) => 200 + i);
  const slow = Array.from({ length: 100 }, () => 90_000);
  assert.equal(limit([...slow, ...recent], 0), limit(recent, 0));
  assert.notEqual(limit([...slow, ...recent.slice(1)], 0), limit(recent.slice(1), 0));
});

test("the limit is never below the floor or three medians, and does not depend on the order of the leases", () => {
  const ms = fc.integer({ min: 1, max: 100_000 });
  fc.assert(
    fc.property(fc.array(ms, { minLength: 1, maxLength: 64 }), ms, (values, floor) => {
      const found = limit(values, floor);
      assert.ok(found >= floor && found >= 3 * median(values));
      assert.equal(limit([...values].reverse(), floor), found);
    }),
  );
});
