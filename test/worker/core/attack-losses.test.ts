import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Head } from "../../../shared/networks/network.js";
import {
  type LogitLoss,
  answerOf,
  crossEntropy,
  difference,
  likeliestTargets,
  logitsRatio,
  margin,
  targetedLogitsRatio,
  trainingLoss,
} from "../../../worker/core/attack-losses.js";
import { hybridLoss } from "../../../worker/core/losses/hybrid-loss.js";

const CIFAR: Head = { kind: "rbf", loss: { alpha1: 1, alpha2: 1, alpha3: 1 / 9, power: 2 } };

/** Rows whose logits lie apart, so that no order changes within a difference quotient. */
const row = fc
  .uniqueArray(fc.integer({ min: -40, max: 0 }), { minLength: 5, maxLength: 12 })
  .chain((steps) =>
    fc.record({
      logits: fc.constant(Float32Array.from(steps, (step) => step / 8)),
      label: fc.nat(steps.length - 1),
      target: fc.nat(steps.length - 1),
    }),
  )
  .filter(({ label, target }) => label !== target);

type Make = (labels: Uint8Array, targets: Uint8Array, outputs: number) => LogitLoss;
const LOSSES: [string, Make][] = [
  ["cross-entropy", (labels, _, outputs) => crossEntropy(labels, outputs)],
  ["cross-entropy toward a class", (_, targets, outputs) => crossEntropy(targets, outputs, -1)],
  ["margin", (labels, _, outputs) => margin(labels, outputs)],
  ["difference", difference],
  ["logits ratio", (labels, _, outputs) => logitsRatio(labels, outputs)],
  ["targeted logits ratio", targetedLogitsRatio],
  ["training loss of an RBF head", (labels, _, outputs) => trainingLoss(CIFAR, labels, outputs)],
];

for (const [name, make] of LOSSES) {
  test(`${name}: the gradient agrees with central differences, in the row that is asked for`, () => {
    fc.assert(
      fc.property(row, ({ logits, label, target }) => {
        const outputs = logits.length;
        // The row under test stands behind another.
        const two = new Float32Array(2 * outputs);
        two.set(logits, outputs);
        const loss = make(Uint8Array.of(0, label), Uint8Array.of(1, target), outputs);
        const gradient = new Float32Array(2 * outputs).fill(Number.NaN);
        const scratch = new Float32Array(2 * outputs);
        loss(two, 1, gradient);
        assert.ok(gradient.subarray(0, outputs).every(Number.isNaN));
        const h = 1 / 64; // exact in float32
        for (let j = outputs; j < 2 * outputs; j++) {
          const at = (change: number): number => {
            const moved = two.slice();
            moved[j] = (moved[j] as number) + change;
            return loss(moved, 1, scratch);
          };
          const slope = (at(h) - at(-h)) / (2 * h);
          // The error of a central difference is h²/6 of the third derivative, here below 100.
          assert.ok(Math.abs(slope - (gradient[j] as number)) < 5e-3 * (1 + Math.abs(slope)), `${slope}`);
        }
      }),
    );
  });
}

test("worked examples: logits 3, 1, 0, −1 of a true class 0", () => {
  const logits = Float32Array.of(3, 1, 0, -1);
  const labels = Uint8Array.of(0);
  const scratch = new Float32Array(4);
  assert.equal(margin(labels, 4)(logits, 0, scratch), -2);
  assert.equal(difference(labels, Uint8Array.of(3), 4)(logits, 0, scratch), -4);
  assert.ok(Math.abs(logitsRatio(labels, 4)(logits, 0, scratch) - -2 / 3) < 1e-9);
  assert.ok(Math.abs(targetedLogitsRatio(labels, Uint8Array.of(2), 4)(logits, 0, scratch) - -3 / 3.5) < 1e-9);
  assert.equal(answerOf(Float32Array.of(1, 5, 5, 2), 0, 4), 1);
});

test("the ratios do not change with the logits' scale or shift", () => {
  fc.assert(
    fc.property(row, ({ logits, label, target }) => {
      const scratch = new Float32Array(logits.length);
      const moved = logits.map((value) => 4 * value + 3);
      for (const make of [LOSSES[4], LOSSES[5]] as [string, Make][]) {
        const loss = make[1](Uint8Array.of(label), Uint8Array.of(target), logits.length);
        const [a, b] = [loss(logits, 0, scratch), loss(moved, 0, scratch)];
        assert.ok(Math.abs(a - b) < 1e-6 * (1 + Math.abs(a)));
      }
    }),
  );
});

test("the training loss in logits −z² is the hybrid loss in z", () => {
  fc.assert(
    fc.property(
      fc.array(fc.float({ min: -6, max: 6, noNaN: true }), { minLength: 3, maxLength: 12 }),
      (values) => {
        const z = Float32Array.from(values);
        const logits = z.map((value) => -value * value);
        const label = values.length - 1;
        const inLogits = trainingLoss(CIFAR, Uint8Array.of(label), z.length)(
          logits,
          0,
          new Float32Array(z.length),
        );
        const inZ = hybridLoss(CIFAR.loss).value(z, 0, z.length, label);
        // −z² is rounded to float32 in between.
        assert.ok(Math.abs(inLogits - inZ) < 1e-5 * (1 + Math.abs(inZ)), `${inLogits} is not ${inZ}`);
      },
    ),
  );
});

test("targets are the wrong classes, the likeliest first, nonsense classes too", () => {
  const logits = Float32Array.of(1, 4, 2, 3, 9, 8, 7, 6);
  assert.deepEqual(
    likeliestTargets(logits, Uint8Array.of(1, 0), 4, 9).map((targets) => [...targets]),
    [
      [3, 1],
      [2, 2],
      [0, 3],
    ],
  );
  assert.equal(likeliestTargets(logits, Uint8Array.of(1, 0), 4, 2).length, 2);
});

test("ratios refuse networks with too few outputs", () => {
  assert.throws(() => logitsRatio(Uint8Array.of(0), 2), /needs 3 outputs, not 2/);
  assert.throws(() => targetedLogitsRatio(Uint8Array.of(0), Uint8Array.of(1), 3), /needs 4 outputs, not 3/);
});
