import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RandomStream } from "../../../shared/random.js";
import { type Ball, distance, project, randomPlace, stepAlong } from "../../../worker/core/perturbation.js";

const SIZE = 30;
const pixels = (min: number, max: number): fc.Arbitrary<Float32Array> =>
  fc
    .array(fc.float({ min: Math.fround(min), max: Math.fround(max), noNaN: true }), {
      minLength: SIZE,
      maxLength: SIZE,
    })
    .map((values) => Float32Array.from(values));
const balls = fc.record({
  norm: fc.constantFrom("linf" as const, "l2" as const),
  epsilon: fc.oneof(fc.constantFrom(0, 8 / 255, 0.3, 1), fc.double({ min: 0, max: 1, noNaN: true })),
});

test("whatever is projected lies in the ball and in the box, to the last bit", () => {
  fc.assert(
    fc.property(pixels(0, 1), pixels(-3, 3), balls, (clean, image, { norm, epsilon }) => {
      const ball: Ball = { norm, epsilon, imageSize: SIZE };
      project(ball, clean, 0, image, 0);
      assert.ok(distance(norm, SIZE, clean, image, 0) <= epsilon);
      assert.ok(image.every((value) => value >= 0 && value <= 1));
    }),
    { numRuns: 2000 },
  );
});

test("what lies inside is left as it is; what lies outside moves to the rim", () => {
  fc.assert(
    fc.property(pixels(0.3, 0.7), balls, fc.boolean(), (clean, { norm, epsilon }, outside) => {
      fc.pre(epsilon > 0.01 && epsilon < 0.3);
      const ball: Ball = { norm, epsilon, imageSize: SIZE };
      const image = clean.slice();
      image[3] = (clean[3] as number) + (outside ? 2 : 0.5) * epsilon * (clean[3]! > 0.5 ? -1 : 1);
      const before = image.slice();
      project(ball, clean, 0, image, 0);
      if (!outside) assert.deepEqual(image, before);
      // A float32 near 1 is 6e-8 from the next.
      else assert.ok(distance(norm, SIZE, clean, image, 0) > epsilon - 1e-7);
    }),
  );
});

test("steps go along signs in L∞ and along the gradient itself in L2, where there is one", () => {
  const gradient = Float32Array.of(3, 0, -4, 1e-30);
  const linf = new Float32Array(4);
  stepAlong("linf", 4, gradient, linf, 0, 0.5);
  assert.deepEqual([...linf], [0.5, 0, -0.5, 0.5]);
  const l2 = new Float32Array(4);
  stepAlong("l2", 4, gradient, l2, 0, 0.5);
  [0.3, 0, -0.4, 0].forEach((value, p) => assert.ok(Math.abs((l2[p] as number) - value) < 1e-7));
  for (const none of [new Float32Array(4), Float32Array.of(NaN, 1, 1, 1), Float32Array.of(Infinity, 1, 1, 1)])
    stepAlong("l2", 4, none, l2, 0, 0.5);
  stepAlong("linf", 4, Float32Array.of(NaN, 0, 0, 0), l2, 0, 0.5);
  assert.ok(l2.every(Number.isFinite));
});

test("random places fill the ball evenly", () => {
  const count = 4000;
  for (const norm of ["linf", "l2"] as const) {
    const ball: Ball = { norm, epsilon: 0.5, imageSize: 3 };
    const origin = new Float32Array(3);
    let inner = 0;
    for (let i = 0; i < count; i++) {
      const image = new Float32Array(3);
      randomPlace(ball, new RandomStream(5, "attack-start", i), image, 0);
      const size = distance(norm, 3, origin, image, 0);
      assert.ok(size <= 0.5 * (1 + 1e-6));
      if (size < 0.25) inner++;
    }
    // The ball of half the size holds an eighth; five standard errors.
    assert.ok(
      Math.abs(inner / count - 1 / 8) < 5 * Math.sqrt(((1 / 8) * (7 / 8)) / count),
      `${norm}: ${inner}`,
    );
  }
});
