import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  epochOrder,
  learningRate,
  slotImages,
  stepImages,
  type StepPlan,
  stepSamples,
  stepsPerEpoch,
  totalSteps,
} from "../../../shared/core/schedule.js";

const plans = fc.record({
  images: fc.integer({ min: 1, max: 700 }),
  batchSize: fc.integer({ min: 1, max: 120 }),
  slots: fc.integer({ min: 0, max: 4 }).map((power) => 2 ** power),
  epochs: fc.integer({ min: 1, max: 3 }),
});

test("over all steps and slots of each epoch every image is used exactly once", () => {
  fc.assert(
    fc.property(plans, fc.integer({ min: 0, max: 0xffffffff }), (plan, seed) => {
      const used = Array.from({ length: plan.epochs }, () => new Uint32Array(plan.images));
      for (let step = 0; step < totalSteps(plan); step++) {
        const { epoch } = stepImages(plan, step);
        const order = epochOrder(seed, epoch, plan.images);
        let samples = 0;
        for (let slot = 0; slot < plan.slots; slot++) {
          const images = slotImages(plan, order, step, slot);
          samples += images.length;
          for (const image of images) (used[epoch] as Uint32Array)[image]! += 1;
        }
        assert.equal(samples, stepSamples(plan, step));
        assert.ok(samples >= 1 && samples <= plan.batchSize);
      }
      for (const counts of used) assert.ok(counts.every((count) => count === 1));
    }),
  );
});

test("only the last step of an epoch is short", () => {
  const plan: StepPlan = { images: 250, batchSize: 100, slots: 4, epochs: 2 };
  assert.deepEqual(
    Array.from({ length: totalSteps(plan) }, (_, step) => stepImages(plan, step)),
    [
      { epoch: 0, first: 0, end: 100 },
      { epoch: 0, first: 100, end: 200 },
      { epoch: 0, first: 200, end: 250 },
      { epoch: 1, first: 0, end: 100 },
      { epoch: 1, first: 100, end: 200 },
      { epoch: 1, first: 200, end: 250 },
    ],
  );
  const order = Uint32Array.from({ length: 250 }, (_, i) => i);
  assert.deepEqual(
    [0, 1, 2, 3].map((slot) => slotImages(plan, order, 2, slot).length),
    [12, 13, 12, 13],
  );
});

test("every epoch has an order of its own, the same for whoever asks", () => {
  const first = epochOrder(1, 0, 1000);
  assert.deepEqual(epochOrder(1, 0, 1000), first);
  assert.notDeepEqual(epochOrder(1, 1, 1000), first);
  assert.notDeepEqual(epochOrder(2, 0, 1000), first);
});

test("a run has epochs times steps, fractions rounded, at least one and at most max_steps", () => {
  const plan: StepPlan = { images: 1000, batchSize: 100, slots: 1, epochs: 20 };
  assert.equal(stepsPerEpoch(plan), 10);
  assert.equal(totalSteps(plan), 200);
  assert.equal(totalSteps({ ...plan, epochs: 0.25 }), 3);
  assert.equal(totalSteps({ ...plan, epochs: 0.001 }), 1);
  assert.equal(totalSteps({ ...plan, maxSteps: 7 }), 7);
  assert.equal(totalSteps({ ...plan, maxSteps: 700 }), 200);
});

test("each learning-rate stage lasts its epochs, and the last goes on for ever", () => {
  const plan: StepPlan = { images: 50_000, batchSize: 100, slots: 1, epochs: 45 };
  const stages = [
    { rate: 0.05, epochs: 30 },
    { rate: 0.005, epochs: 10 },
    { rate: 0.0005, epochs: 5 },
  ];
  const at = (epoch: number, step = 0): number => learningRate(stages, plan, epoch * 500 + step);
  assert.deepEqual([at(0), at(29, 499)], [0.05, 0.05]);
  assert.deepEqual([at(30), at(39, 499)], [0.005, 0.005]);
  assert.deepEqual([at(40), at(44, 499), at(45), at(1000)], [0.0005, 0.0005, 0.0005, 0.0005]);
  assert.equal(
    learningRate(
      [
        { rate: 0.1, epochs: 0.5 },
        { rate: 0.2, epochs: 1 },
      ],
      plan,
      249,
    ),
    0.1,
  );
  assert.equal(
    learningRate(
      [
        { rate: 0.1, epochs: 0.5 },
        { rate: 0.2, epochs: 1 },
      ],
      plan,
      250,
    ),
    0.2,
  );
});
