import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { differenceInterval, wilsonInterval } from "../../../shared/core/wilson.js";

/** Published tables give four decimals. */
const close = (actual: number, expected: number): void =>
  assert.ok(Math.abs(actual - expected) < 5e-5, `${actual} is not ${expected} to four decimals`);

test("the interval agrees with worked examples", () => {
  // Examples of Newcombe 1998, Statistics in Medicine 17, 857-872 (score method).
  for (const [errors, n, low, high] of [
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ] as const) {
    const interval = wilsonInterval(errors, n);
    close(interval.low, low);
    close(interval.high, high);
  }
});

test("without images the interval is everything", () => {
  assert.deepEqual(wilsonInterval(0, 0), { low: 0, high: 1 });
});

test("impossible counts are refused", () => {
  for (const [errors, n] of [
    [-1, 10],
    [11, 10],
    [0.5, 10],
    [Number.NaN, 10],
    [0, Number.POSITIVE_INFINITY],
  ] as const) {
    assert.throws(() => wilsonInterval(errors, n), RangeError);
  }
});

/** A count of errors and the number of images it came from. */
const counts = fc
  .integer({ min: 1, max: 100_000 })
  .chain((n) => fc.record({ n: fc.constant(n), errors: fc.integer({ min: 0, max: n }) }));

test("the interval lies in [0, 1], holds the measured share and is never empty", () => {
  fc.assert(
    fc.property(counts, ({ errors, n }) => {
      const { low, high } = wilsonInterval(errors, n);
      assert.ok(0 <= low && low <= errors / n && errors / n <= high && high <= 1 && low < high);
    }),
  );
});

test("errors and right answers have mirrored intervals", () => {
  fc.assert(
    fc.property(counts, ({ errors, n }) => {
      const wrong = wilsonInterval(errors, n);
      const right = wilsonInterval(n - errors, n);
      assert.ok(
        Math.abs(wrong.low - (1 - right.high)) < 1e-12 && Math.abs(wrong.high - (1 - right.low)) < 1e-12,
      );
    }),
  );
});

test("the bounds are the shares that lie 1.96 of their own standard deviations from the measured one", () => {
  fc.assert(
    fc.property(counts, ({ errors, n }) => {
      const { low, high } = wilsonInterval(errors, n);
      for (const bound of [low, high]) {
        if (bound === 0 || bound === 1) continue; // the defining equation has its other root there
        const distance = Math.abs(errors / n - bound) / Math.sqrt((bound * (1 - bound)) / n);
        assert.ok(Math.abs(distance - 1.959964) < 1e-4, `${distance}`);
      }
    }),
  );
});

test("more images at the same share narrow the interval", () => {
  fc.assert(
    fc.property(counts, fc.integer({ min: 2, max: 10 }), ({ errors, n }, factor) => {
      const few = wilsonInterval(errors, n);
      const many = wilsonInterval(errors * factor, n * factor);
      assert.ok(many.high - many.low < few.high - few.low);
    }),
  );
});

test("the interval of a difference agrees with a worked example", () => {
  // An example of Newcombe 1998, Statistics in Medicine 17, 873-890, method 10: 56 of 70 against 48 of 80.
  const a = { share: 56 / 70, ...wilsonInterval(56, 70) };
  const b = { share: 48 / 80, ...wilsonInterval(48, 80) };
  const { low, high } = differenceInterval(a, b);
  close(low, 0.0524);
  close(high, 0.3339);
  const turned = differenceInterval(b, a);
  close(turned.low, -0.3339);
  close(turned.high, -0.0524);
});
