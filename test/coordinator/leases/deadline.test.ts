import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { LeaseTimes, median } from "../../../coordinator/leases/deadline.js";

const timesOf = (values: readonly number[]): LeaseTimes => {
  const times = new LeaseTimes();
  for (const value of values) times.record(value);
  return times;
};

test("the median is the middle value, or the mean of the two middle ones, and leaves its input alone", () => {
  const values = [3, 1, 2];
  assert.equal(median(values), 2);
  assert.deepEqual(values, [3, 1, 2]);
  assert.equal(median([10, 2, 4, 100]), 7);
  assert.equal(median([5]), 5);
  assert.ok(Number.isNaN(median([])));
});

test("while nothing is known the limit is the cold one", () => {
  assert.equal(new LeaseTimes().limit(2000, 60_000), 60_000);
});

test("the limit is three medians, eight deviations above the median, or the floor, whichever is most", () => {
  assert.equal(timesOf([100, 100, 100]).limit(2000, 0), 2000); // the floor
  assert.equal(timesOf([1000, 1000, 1000]).limit(2000, 0), 3000); // three medians
  assert.equal(timesOf([500, 1000, 1500]).limit(2000, 0), 1000 + 8 * 500); // deviations 500, 0, 500
});

test("one hung lease among many moves the limit little", () => {
  const usual = Array.from({ length: 20 }, (_, i) => 1000 + i);
  const calm = timesOf(usual).limit(0, 0);
  const disturbed = timesOf([...usual, 1_000_000]).limit(0, 0);
  assert.ok(Math.abs(disturbed - calm) < 0.02 * calm, `${disturbed} after ${calm}`);
});

test("only the last 64 leases count", () => {
  const recent = Array.from({ length: 64 }, (_, i) => 200 + i);
  const slow = Array.from({ length: 100 }, () => 90_000);
  assert.equal(timesOf([...slow, ...recent]).limit(0, 0), timesOf(recent).limit(0, 0));
  assert.notEqual(timesOf([...slow, ...recent.slice(1)]).limit(0, 0), timesOf(recent.slice(1)).limit(0, 0));
});

test("the limit is never below the floor or three medians, and does not depend on the order of the leases", () => {
  const ms = fc.integer({ min: 1, max: 100_000 });
  fc.assert(
    fc.property(fc.array(ms, { minLength: 1, maxLength: 64 }), ms, (values, floor) => {
      const limit = timesOf(values).limit(floor, 1);
      assert.ok(limit >= floor && limit >= 3 * median(values));
      assert.equal(timesOf([...values].reverse()).limit(floor, 1), limit);
    }),
  );
});
