import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { towardHyperplane } from "../../../worker/core/hyperplane.js";

const SIZE = 12;
/** In eighths: nothing so small that rounding decides. */
const array = (min: number, max: number): fc.Arbitrary<Float32Array> =>
  fc
    .array(fc.integer({ min: 8 * min, max: 8 * max }), { minLength: SIZE, maxLength: SIZE })
    .map((values) => Float32Array.from(values, (value) => value / 8));
const norms = fc.constantFrom("linf" as const, "l2" as const);

/** How far Σ w·δ gets with δ_p = ±min(reach·pace, room): by bisection, the reach that the need takes. */
function bisected(
  norm: "linf" | "l2",
  image: Float32Array,
  slope: Float32Array,
  need: number,
): { reach: number; most: number } {
  const rise = (reach: number): number =>
    slope.reduce((sum, w, p) => {
      const room = w * need > 0 ? 1 - (image[p] as number) : (image[p] as number);
      return sum + Math.abs(w) * Math.min(reach * (norm === "linf" ? 1 : Math.abs(w)), room);
    }, 0);
  let [low, high] = [0, 1e9];
  for (let round = 0; round < 200; round++) {
    const middle = (low + high) / 2;
    if (rise(middle) < Math.abs(need)) low = middle;
    else high = middle;
  }
  return { reach: high, most: rise(1e9) };
}

test("the step meets the plane with the smallest reach, and stays in the box", () => {
  fc.assert(
    fc.property(
      norms,
      array(0, 1),
      array(-2, 2),
      fc.integer({ min: -60, max: 60 }),
      (norm, image, slope, tenths) => {
        const need = tenths / 10;
        const step = new Float64Array(SIZE);
        const size = towardHyperplane(norm, image, slope, need, step);
        step.forEach((value, p) => {
          const moved = (image[p] as number) + value;
          assert.ok(moved >= -1e-12 && moved <= 1 + 1e-12);
        });
        const risen = step.reduce((sum, value, p) => sum + value * (slope[p] as number), 0);
        const { reach, most } = bisected(norm, image, slope, need);
        const reachable = most >= Math.abs(need);
        assert.ok(
          Math.abs(Math.abs(risen) - Math.min(most, Math.abs(need))) < 1e-6 * (1 + Math.abs(need)),
          `${risen}`,
        );
        if (norm === "linf" && reachable) assert.ok(size <= reach * (1 + 1e-6));
        const measured = norm === "linf" ? Math.max(...step.map(Math.abs)) : Math.hypot(...step);
        assert.ok(Math.abs(size - measured) < 1e-12);
      },
    ),
  );
});

test("worked example: away from the box the smallest L2 step is along the slope", () => {
  const step = new Float64Array(2);
  const size = towardHyperplane("l2", Float32Array.of(0.5, 0.5), Float32Array.of(3, -4), 1, step);
  assert.ok(Math.abs(size - 0.2) < 1e-12);
  assert.ok(Math.abs((step[0] as number) - 0.12) < 1e-12 && Math.abs((step[1] as number) + 0.16) < 1e-12);
});

test("worked example: a pixel at the border leaves its share to the others", () => {
  const step = new Float64Array(2);
  const size = towardHyperplane("linf", Float32Array.of(0.9, 0.5), Float32Array.of(1, 1), 0.4, step);
  assert.ok(Math.abs(size - 0.3) < 1e-7, `${size}`); // 0.1 there, 0.3 here
});
