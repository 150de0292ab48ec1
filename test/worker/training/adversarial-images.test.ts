import assert from "node:assert/strict";
import { test } from "node:test";
import { initialParameters } from "../../../shared/core/layout.js";
import type { StepPlan } from "../../../shared/core/schedule.js";
import { type Augmentation, type Network, layoutOf } from "../../../shared/networks/network.js";
import { networkNamed } from "../../../shared/networks/registry.js";
import { RandomStream } from "../../../shared/random.js";
import { lossOf } from "../../../worker/core/losses/registry.js";
import { fastGradientSign, projectedGradientAscent } from "../../../worker/training/adversarial-images.js";
import type { Program } from "../../../worker/engine/program.js";
import { startPrograms } from "../../../worker/engine/start.js";
import { slotInputs } from "../../../worker/training/slot-inputs.js";
import { loadedProgram } from "../../support/programs.js";
import type { StepContext } from "../../../worker/training/step-context.js";

const programs = await startPrograms("wasm");
const SIZE = 28 * 28;
const stream = new RandomStream(3, "attack");
const mean = Float32Array.from({ length: SIZE }, () => 30 + 10 * stream.uniform());
const pixels = Uint8Array.from({ length: 40 * SIZE }, () => stream.below(256));
const labels = Uint8Array.from({ length: 40 }, (_, i) => i % 10);
const inputsOf = (count: number): Float32Array =>
  Float32Array.from({ length: count * SIZE }, (_, p) => (pixels[p] as number) - (mean[p % SIZE] as number));

/** z = W·x: what its loss does is known in closed form. */
function linearNetwork(): Network {
  return {
    ...networkNamed("mnist", "plain"),
    layers: [
      {
        kind: "convolution",
        name: "fc",
        kernel: [28, 28],
        channels: 10,
        padding: [0, 0, 0, 0],
        rates: { weight: 1, bias: 1 },
        deviation: 0.001,
      },
    ],
  };
}

function programOf(network: Network, seed = 1): { program: Program; vector: Float32Array } {
  const vector = initialParameters(layoutOf(network), seed);
  return { program: loadedProgram(programs, network, vector), vector };
}

function lossOfImages(program: Program, inputs: Float32Array, count: number): number {
  const { network } = program;
  const z = program.predict(inputs);
  const loss = lossOf(network.head);
  let sum = 0;
  for (let i = 0; i < count; i++)
    sum += loss.value(z, i * network.outputs, network.outputs, labels[i] as number);
  return sum;
}

test("one step on a linear net goes by the sign of W·(softmax − target), within the pixel range", () => {
  const tensors = programs.living().tensors;
  const network = linearNetwork();
  const { program, vector } = programOf(network);
  const clean = inputsOf(4);
  const moved = clean.slice();
  const z = program.predict(clean);
  fastGradientSign({ program, mean }, moved, labels.subarray(0, 4), 63.75);
  for (let i = 0; i < 4; i++) {
    const row = [...z.subarray(i * 10, i * 10 + 10)].map(Math.exp);
    const sum = row.reduce((total, value) => total + value, 0);
    const slopes = row.map((value, k) => value / sum - (k === labels[i] ? 1 : 0));
    for (let p = 0; p < SIZE; p++) {
      const gradient = slopes.reduce((total, slope, k) => total + slope * (vector[p * 10 + k] as number), 0);
      if (Math.abs(gradient) < 1e-8) continue; // float32 may see either sign
      const pixel = pixels[i * SIZE + p] as number;
      const expected = Math.min(255, Math.max(0, pixel + 63.75 * Math.sign(gradient)));
      const found = (moved[i * SIZE + p] as number) + (mean[p] as number);
      assert.ok(Math.abs(found - expected) < 1e-3, `image ${i}, pixel ${p}: ${found}, expected ${expected}`);
    }
  }
  program.dispose();
  assert.equal(programs.living().tensors, tensors);
});

test("PGD stays in ball and pixel range, never loses to its start, and reaches a linear net's worst corner", () => {
  const tensors = programs.living().tensors;
  for (const network of [linearNetwork(), networkNamed("mnist", "mrelu-pgd")]) {
    const { program } = programOf(network);
    const clean = inputsOf(4);
    const noise = new RandomStream(5, "attack");
    const start = Float32Array.from(clean, () => 2 * noise.uniform() - 1);
    const options = { epsilon: 76.5, stepSize: 19.125, steps: 10 };
    const begun = clean.slice();
    projectedGradientAscent({ program, mean }, begun, labels.subarray(0, 4), start, {
      ...options,
      steps: 0,
    });
    const ended = clean.slice();
    projectedGradientAscent({ program, mean }, ended, labels.subarray(0, 4), start, options);
    for (const images of [begun, ended]) {
      images.forEach((value, p) => {
        assert.ok(Math.abs(value - (clean[p] as number)) <= 76.5 + 1e-3);
        const pixel = value + (mean[p % SIZE] as number);
        assert.ok(pixel >= -1e-3 && pixel <= 255 + 1e-3);
      });
    }
    assert.ok(lossOfImages(program, ended, 4) >= lossOfImages(program, begun, 4));
    if (network.layers.length === 1) {
      // The worst point is a corner of ball and box; ten steps of a quarter of the way reach it. The loss there is found
      // by one step of the whole way, for the gradient's signs hardly change.
      const corner = clean.slice();
      fastGradientSign({ program, mean }, corner, labels.subarray(0, 4), 76.5);
      const ratio = lossOfImages(program, ended, 4) / lossOfImages(program, corner, 4);
      assert.ok(ratio > 0.99, `${ratio} of the corner's loss`);
    }
    program.dispose();
  }
  assert.equal(programs.living().tensors, tensors);
});

const plan: StepPlan = { images: 40, batchSize: 20, slots: 1, epochs: 4 };

function contextOf(augmentation: Augmentation, anchorSeed = 2): StepContext & { dispose: () => void } {
  const network: Network = { ...networkNamed("mnist", "plain"), augmentation };
  const { program } = programOf(network, 1);
  const { program: anchor } = programOf(network, anchorSeed);
  return {
    program,
    anchor,
    plan,
    images: {
      seed: 9,
      images: { pixels, labels, count: 40, imageSize: SIZE },
      realCount: 36,
      realClasses: 10,
      mean,
      augmentation,
    },
    dispose: () => {
      program.dispose();
      anchor.dispose();
    },
  };
}

/** Places of images that differ. */
function changed(a: Float32Array, b: Float32Array): number[] {
  return Array.from({ length: a.length / SIZE }, (_, i) => i).filter((i) =>
    a.subarray(i * SIZE, (i + 1) * SIZE).some((value, p) => value !== b[i * SIZE + p]),
  );
}

test("flag A changes half of the real images from the second epoch on, others in each round, by ±ε", () => {
  const context = contextOf({ adversarial: { epsilon: 20, share: 0.5 } });
  const indices = Uint32Array.from({ length: 36 }, (_, i) => i);
  const clean = slotInputs(context, 0, indices).inputs;
  assert.deepEqual(changed(slotInputs(context, 1, indices).inputs, clean), [], "the first epoch is clean");
  const rounds = [2, 3, 4].map((step) => {
    const { inputs } = slotInputs(context, step, indices);
    const places = changed(inputs, clean);
    assert.ok(places.length >= 8 && places.length <= 28, `${places.length} of 36 are changed`);
    inputs.forEach((value, p) => {
      const moved = Math.abs(value - (clean[p] as number));
      assert.ok(moved <= 20 + 1e-3, `moved by ${moved}`);
    });
    return places;
  });
  assert.deepEqual(rounds[0], rounds[1], "all steps of an epoch choose alike");
  assert.notDeepEqual(rounds[0], rounds[2], "the next epoch chooses anew");
  context.dispose();
});

test("flag A attacks the kept weights, not those of the step; synthetic images stay as they are", () => {
  const augmentation: Augmentation = {
    adversarial: { epsilon: 20, share: 1 },
    mean: { copies: 2, copyScale: 255, noise: 2, noiseDeviation: 127.5 },
  };
  const indices = Uint32Array.of(0, 36, 38, 1);
  const one = contextOf(augmentation);
  const other = contextOf(augmentation, 7);
  const clean = slotInputs(one, 0, indices).inputs;
  const a = slotInputs(one, 2, indices).inputs;
  assert.deepEqual(changed(a, clean), [0, 3]);
  one.program.load(initialParameters(one.program.layout, 5));
  assert.deepEqual(slotInputs(one, 2, indices).inputs, a);
  assert.deepEqual(changed(slotInputs(other, 2, indices).inputs, a), [0, 3]);
  assert.throws(() => slotInputs({ ...one, anchor: undefined }, 2, indices), RangeError);
  one.dispose();
  other.dispose();
});

test("PGD training changes every real image on the step's own weights, anew in each step", () => {
  const context = contextOf({ pgd: { epsilon: 8, stepSize: 2, steps: 3 } });
  const indices = Uint32Array.from({ length: 6 }, (_, i) => i);
  const first = slotInputs(context, 0, indices).inputs;

  const clean = inputsOf(6);
  assert.deepEqual(changed(first, clean), [0, 1, 2, 3, 4, 5]);
  first.forEach((value, p) => assert.ok(Math.abs(value - (clean[p] as number)) <= 8 + 1e-3));
  assert.deepEqual(slotInputs(context, 0, indices).inputs, first);
  assert.deepEqual(changed(slotInputs(context, 1, indices).inputs, first), [0, 1, 2, 3, 4, 5]);
  context.program.load(initialParameters(context.program.layout, 5));
  assert.deepEqual(changed(slotInputs(context, 0, indices).inputs, first), [0, 1, 2, 3, 4, 5]);
  context.dispose();
});
