import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { HybridWeights } from "../../../../shared/networks/network.js";
import { hybridLoss } from "../../../../worker/core/losses/hybrid-loss.js";
import type { Loss } from "../../../../worker/core/losses/loss.js";
import { lossOf } from "../../../../worker/core/losses/registry.js";
import { softmaxCrossEntropy } from "../../../../worker/core/losses/softmax-cross-entropy.js";

const MNIST: HybridWeights = { alpha1: 1, alpha2: 1, alpha3: 0, power: 2 };
const CIFAR: HybridWeights = { alpha1: 1, alpha2: 1, alpha3: 1 / 9, power: 2 };
const ODD: HybridWeights = { alpha1: 0.5, alpha2: 2, alpha3: 0.3, power: 3 };
/** The smallest power, and weights that are 0. */
const BARE: HybridWeights = { alpha1: 0, alpha2: 0.7, alpha3: 0.2, power: 1 };
const LOSSES: [name: string, loss: Loss][] = [
  ["softmax", softmaxCrossEntropy],
  ["hybrid, MNIST", hybridLoss(MNIST)],
  ["hybrid, CIFAR", hybridLoss(CIFAR)],
  ["hybrid, power 3", hybridLoss(ODD)],
  ["hybrid, power 1 without cross-entropy", hybridLoss(BARE)],
];

/** METHOD.md 1.3 as printed, on confidences y, in float64. */
function printedHybrid(
  { alpha1, alpha2, alpha3, power }: HybridWeights,
  z: readonly number[],
  label: number,
): number {
  const tau = 2 ** -52;
  const y = z.map((value) => Math.exp(-value * value));
  const sum = y.reduce((total, value) => total + value, 0);
  const others = y.reduce((total, value, j) => total + (j === label ? 0 : value ** power), 0);
  const right = y[label] as number;
  return (
    alpha1 * (Math.log(sum + tau) - Math.log(right + tau)) + alpha2 * (1 - right) ** power + alpha3 * others
  );
}

const outputs = (limit: number): fc.Arbitrary<{ z: Float32Array; label: number }> =>
  fc.integer({ min: 2, max: 12 }).chain((count) =>
    fc.record({
      z: fc
        .array(fc.float({ min: -limit, max: limit, noNaN: true }), { minLength: count, maxLength: count })
        .map((values) => Float32Array.from(values)),
      label: fc.nat(count - 1),
    }),
  );

test("the hybrid loss is the printed formula where that does not underflow", () => {
  for (const weights of [MNIST, CIFAR, ODD, BARE]) {
    const loss = hybridLoss(weights);
    fc.assert(
      fc.property(outputs(3), ({ z, label }) => {
        const found = loss.value(z, 0, z.length, label);
        const printed = printedHybrid(weights, [...z], label);
        // The printed form adds tau = 2.2e-16 to y >= exp(-9) = 1.2e-4: a relative change of 2e-12.
        assert.ok(Math.abs(found - printed) < 1e-11 * (1 + Math.abs(printed)), `${found} is not ${printed}`);
      }),
    );
  }
});

test("worked examples: one output at its centre, another far away", () => {
  const z = Float32Array.of(0, 2);
  const share = Math.exp(-4);
  assert.ok(Math.abs(hybridLoss(MNIST).value(z, 0, 2, 0) - Math.log(1 + share)) < 1e-14);
  assert.ok(Math.abs(hybridLoss(CIFAR).value(z, 0, 2, 0) - (Math.log(1 + share) + share ** 2 / 9)) < 1e-14);
  assert.ok(
    Math.abs(hybridLoss(MNIST).value(z, 0, 2, 1) - (Math.log(1 + share) + 4 + (1 - share) ** 2)) < 1e-14,
  );
  assert.ok(Math.abs(softmaxCrossEntropy.value(z, 0, 2, 1) - Math.log(1 + Math.exp(-2))) < 1e-14);
});

for (const [name, loss] of LOSSES) {
  test(`${name}: the gradient agrees with central differences of the value`, () => {
    // The value takes float32 outputs; steps that are powers of two keep z ± h exact for these z.
    const h = 2 ** -10;
    const grid = fc.integer({ min: -3000, max: 3000 }).map((k) => k * 2 ** -10);
    const points = fc.array(grid, { minLength: 2, maxLength: 12 });
    fc.assert(
      fc.property(points, fc.nat(), (values, pick) => {
        const z = Float32Array.from(values);
        const label = pick % z.length;
        const gradient = new Float32Array(z.length);
        loss.gradient(z, 0, z.length, label, gradient);
        for (let j = 0; j < z.length; j++) {
          const [up, down] = [z.slice(), z.slice()];
          up[j] = (z[j] as number) + h;
          down[j] = (z[j] as number) - h;
          const slope = (loss.value(up, 0, z.length, label) - loss.value(down, 0, z.length, label)) / (2 * h);
          // Truncation h²/6 times a third derivative below 60, and float32 storage of gradients up to about 8.
          assert.ok(
            Math.abs((gradient[j] as number) - slope) < 1e-5,
            `output ${j}: ${gradient[j]} is not ${slope}`,
          );
        }
      }),
    );
  });

  test(`${name}: value and gradient are finite, the value not negative, up to |z| = 1000`, () => {
    fc.assert(
      fc.property(outputs(1000), ({ z, label }) => {
        const gradient = new Float32Array(z.length);
        loss.gradient(z, 0, z.length, label, gradient);
        const value = loss.value(z, 0, z.length, label);
        assert.ok(Number.isFinite(value) && value >= 0, `${value}`);
        assert.ok(gradient.every(Number.isFinite), String(gradient));
        for (let j = 0; j < z.length; j++) {
          const sure = loss.confidence(z, 0, z.length, j);
          assert.ok(sure >= 0 && sure <= 1, `${sure}`);
        }
      }),
    );
  });

  test(`${name}: only the outputs of the image in question are read and written`, () => {
    fc.assert(
      fc.property(outputs(5), ({ z, label }) => {
        const count = z.length;
        const batch = new Float32Array(3 * count).fill(Number.NaN);
        batch.set(z, count);
        const gradient = new Float32Array(3 * count).fill(-777);
        const alone = new Float32Array(count);
        loss.gradient(batch, count, count, label, gradient);
        loss.gradient(z, 0, count, label, alone);
        assert.deepEqual(gradient.slice(count, 2 * count), alone);
        assert.ok(
          [...gradient.subarray(0, count), ...gradient.subarray(2 * count)].every((value) => value === -777),
        );
        assert.equal(loss.value(batch, count, count, label), loss.value(z, 0, count, label));
        assert.equal(loss.answer(batch, count, count), loss.answer(z, 0, count));
        assert.equal(loss.confidence(batch, count, count, label), loss.confidence(z, 0, count, label));
      }),
    );
  });

  test(`${name}: the answer has the largest confidence, also where all confidences underflow`, () => {
    fc.assert(
      fc.property(outputs(1000), ({ z }) => {
        const answer = loss.answer(z, 0, z.length);
        const best = loss.confidence(z, 0, z.length, answer);
        for (let j = 0; j < z.length; j++) assert.ok(loss.confidence(z, 0, z.length, j) <= best);
      }),
    );
    const far = Float32Array.of(300, -200, 400); // exp(-200²) is zero, and so is the softmax of -200
    assert.equal(loss.answer(far, 0, 3), name === "softmax" ? 2 : 1);
  });
}

test("far from every centre the hybrid loss still has a gradient, which the printed form has lost", () => {
  const z = Float32Array.of(12, 11);
  const gradient = new Float32Array(2);
  hybridLoss(MNIST).gradient(z, 0, 2, 0, gradient);
  assert.ok(
    Math.abs((gradient[0] as number) - 24) < 1e-5 && Math.abs((gradient[1] as number) + 22) < 1e-5,
    String(gradient),
  );
});

test("softmax confidences are a distribution, RBF confidences are exp(-z²) each by itself", () => {
  const z = Float32Array.of(1, -2, 0.5);
  const softmax = [0, 1, 2].map((j) => softmaxCrossEntropy.confidence(z, 0, 3, j));
  assert.ok(Math.abs(softmax.reduce((sum, value) => sum + value, 0) - 1) < 1e-15);
  const rbf = [0, 1, 2].map((j) => hybridLoss(MNIST).confidence(z, 0, 3, j));
  assert.deepEqual(rbf, [Math.exp(-1), Math.exp(-4), Math.exp(-0.25)]);
});

test("a head gives its own loss", () => {
  assert.equal(lossOf({ kind: "softmax" }), softmaxCrossEntropy);
  const z = Float32Array.of(0.5, 1);
  assert.equal(lossOf({ kind: "rbf", loss: CIFAR }).value(z, 0, 2, 0), hybridLoss(CIFAR).value(z, 0, 2, 0));
});
