import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Curve } from "../../../coordinator/live/core/curve.js";

const sample = (step: number, loss = step): { step: number; loss: number; accuracy: number } => ({
  step,
  loss,
  accuracy: 1 / (1 + loss),
});

test("a short curve holds every sample", () => {
  const curve = new Curve(16);
  for (let step = 1; step <= 10; step++) curve.add(sample(step));
  assert.deepEqual(
    curve.points.map(({ step }) => step),
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
  );
  assert.equal(curve.generation, 0);
});

test("however many samples come, the points stay few, and each is the mean of as many samples", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 2, max: 40 }), (count, half) => {
      const most = 2 * half;
      const curve = new Curve(most);
      const losses = Array.from({ length: count }, (_, i) => Math.sin(i) + 2);
      for (const [i, loss] of losses.entries()) curve.add(sample(i + 1, loss));
      assert.ok(curve.points.length < most);
      const stride = curve.points[0]?.step ?? 1;
      // Counted in plain: the mean over each stretch of `stride` samples.
      for (const [i, point] of curve.points.entries()) {
        const own = losses.slice(i * stride, (i + 1) * stride);
        assert.equal(point.step, (i + 1) * stride);
        const mean = own.reduce((sum, loss) => sum + loss, 0) / stride;
        // Means of means of equal counts: only the order of the additions differs.
        assert.ok(Math.abs(point.loss - mean) < 1e-12 * count);
      }
      assert.ok(curve.points.length * stride > count - stride);
    }),
  );
});

test("a step that comes again takes back what came after it", () => {
  const curve = new Curve(16);
  for (const step of [1, 2, 3, 4]) curve.add(sample(step));
  curve.add(sample(3, 9));
  assert.deepEqual(
    curve.points.map(({ step, loss }) => [step, loss]),
    [
      [1, 1],
      [2, 2],
      [3, 9],
    ],
  );
  assert.equal(curve.generation, 1);
});
