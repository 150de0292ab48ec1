import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { placeTensors, type TensorDefinition } from "../../../shared/core/layout.js";
import { MOMENT_RATE, updateRange, type UpdateRule } from "../../../shared/core/optimizer.js";

const define = (
  name: string,
  size: number,
  role: "weight" | "moment",
  rateMultiplier = 1,
  decays = true,
): TensorDefinition => ({
  name,
  shape: [size],
  role,
  initial: { kind: "constant", value: 0 },
  rateMultiplier,
  decays,
});

test("two steps worked out by hand: momentum, decay, multipliers, and running moments", () => {
  const layout = placeTensors([
    define("w", 1, "weight"),
    define("bias", 1, "weight", 2),
    define("scale", 1, "weight", 1, false),
    define("mean", 1, "moment", 1, false),
  ]);
  const rule: UpdateRule = { learningRate: 0.5, momentum: 0.5, weightDecay: 0.25, samples: 4 };
  const vector = Float32Array.of(2, 4, 1, 10);
  const velocity = new Float32Array(4);

  const ranges = { current: vector, velocity, next: vector, moved: velocity };
  updateRange(layout, rule, 0, { ...ranges, sums: Float32Array.of(8, -4, 4, 80) });
  // w: v = -0.25*2 - 8/4 = -2.5, w = 2 - 1.25; bias: v = -0.25*4 + 1 = 0; scale: v = -1, w = 0.5; mean: 0.95*10 + 0.05*20.
  assert.deepEqual([...vector], [0.75, 4, 0.5, 10.5]);
  assert.deepEqual([...velocity], [-2.5, 0, -1, 0]);

  updateRange(layout, rule, 0, { ...ranges, sums: Float32Array.of(0, 8, -2, 42) });
  // w: v = -1.25 - 0.1875; bias: v = -1 - 2 = -3, w = 4 - 0.5*2*3; scale: v = -0.5 + 0.5 = 0; mean: batch 10.5 changes nothing.
  assert.deepEqual([...vector], [0.75 - 0.71875, 1, 0.5, 10.5]);
  assert.deepEqual([...velocity], [-1.4375, -3, 0, 0]);
});

const real = (size: number): fc.Arbitrary<Float32Array> =>
  fc
    .array(fc.float({ min: -8, max: 8, noNaN: true, noDefaultInfinity: true }), {
      minLength: size,
      maxLength: size,
    })
    .map((values) => Float32Array.from(values));

const LAYOUT = placeTensors([
  define("conv/weight", 5, "weight"),
  define("conv/bias", 2, "weight", 2),
  define("bn/scale", 3, "weight", 1, false),
  define("bn/mean", 3, "moment", 1, false),
  define("fc/weight", 4, "weight", 0.1),
]);
const RULE: UpdateRule = { learningRate: 0.05, momentum: 0.9, weightDecay: 5e-4, samples: 100 };

test("every value agrees with the formula in float64, stored once as float32", () => {
  fc.assert(
    fc.property(real(LAYOUT.size), real(LAYOUT.size), real(LAYOUT.size), (sums, current, velocity) => {
      const next = new Float32Array(LAYOUT.size);
      const old = velocity.slice();
      const before = current.slice();
      const moved = new Float32Array(LAYOUT.size);
      updateRange(LAYOUT, RULE, 0, { sums, current, velocity, next, moved });
      assert.deepEqual([current, velocity], [before, old]); // only read
      for (const { offset, size, role, decays, rateMultiplier } of LAYOUT.tensors) {
        for (let i = offset; i < offset + size; i++) {
          const [g, w, v] = [sums[i] as number, before[i] as number, old[i] as number];
          const expectedVelocity = role === "moment" ? v : 0.9 * v - (decays ? 5e-4 * w : 0) - g / 100;
          const expected =
            role === "moment" ? 0.95 * w + 0.05 * (g / 100) : w + 0.05 * rateMultiplier * expectedVelocity;
          // Half an ulp of float32 for each stored number, of magnitudes up to about 16.
          assert.ok(Math.abs((moved[i] as number) - expectedVelocity) < 2e-6, `velocity ${i}`);
          assert.ok(Math.abs((next[i] as number) - expected) < 2e-6, `value ${i}`);
        }
      }
    }),
  );
});

test("updating range by range gives the bits of updating the whole vector, in place or not, tail ignored", () => {
  const cuts = fc.uniqueArray(fc.integer({ min: 1, max: LAYOUT.size + 2 }), { maxLength: 5 });
  fc.assert(
    fc.property(
      real(LAYOUT.pushSize),
      real(LAYOUT.size),
      real(LAYOUT.size),
      cuts,
      (sums, current, velocity, inner) => {
        const whole = { velocity: velocity.slice(), next: new Float32Array(LAYOUT.size) };
        const all = { sums: sums.subarray(0, LAYOUT.size), current };
        updateRange(LAYOUT, RULE, 0, { ...all, ...whole, moved: whole.velocity });

        const parts = { velocity: velocity.slice(), next: current.slice() };
        const ends = [0, ...inner.sort((a, b) => a - b), LAYOUT.pushSize];
        for (let i = ends.length - 1; i > 0; i--) {
          const [start, end] = [ends[i - 1] as number, ends[i] as number];
          const next = parts.next.subarray(start, end);
          const moved = parts.velocity.subarray(start, end);
          const part = sums.subarray(start, end);
          updateRange(LAYOUT, RULE, start, { sums: part, current: next, velocity: moved, next, moved });
        }
        assert.deepEqual(Buffer.from(parts.next.buffer), Buffer.from(whole.next.buffer));
        assert.deepEqual(Buffer.from(parts.velocity.buffer), Buffer.from(whole.velocity.buffer));
      },
    ),
  );
});

test("a running moment approaches what every batch says, by the paper's rate", () => {
  assert.equal(MOMENT_RATE, 0.05);
  const layout = placeTensors([define("deviation", 1, "moment", 1, false)]);
  const vector = Float32Array.of(1);
  for (let step = 0; step < 100; step++) {
    const sums = Float32Array.of(30);
    const velocity = new Float32Array(1);
    const ranges = { sums, current: vector, velocity, next: vector, moved: velocity };
    updateRange(layout, { ...RULE, samples: 10 }, 0, ranges);
  }
  const expected = 3 - 2 * 0.95 ** 100;
  assert.ok(Math.abs((vector[0] as number) - expected) < 1e-5); // a hundred float32 roundings
});
