import assert from "node:assert/strict";
import { test } from "node:test";
import type { Augmentation } from "../../../shared/networks/network.js";
import { prepareTrainingImages, type TrainingImages } from "../../../worker/core/training-images.js";

const IMAGE_SIZE = 36;
const COUNT = 2000;
const RANDOM = { epsilon: 127.5, probability: 0.5, scope: "image" } as const;
const MEAN = { copies: 1500, copyScale: 255, noise: 1000, noiseDeviation: 127.5 };

const pixels = Uint8Array.from({ length: COUNT * IMAGE_SIZE }, (_, i) => (i * 31 + (i >> 5)) & 255);
const labels = Uint8Array.from({ length: COUNT }, (_, i) => i % 10);
const mean = Float32Array.from({ length: IMAGE_SIZE }, (_, p) => 10 + p / 3);

function imagesWith(augmentation: Augmentation, seed = 3, realCount = COUNT): TrainingImages {
  return {
    seed,
    images: { pixels, labels, count: COUNT, imageSize: IMAGE_SIZE },
    realCount,
    realClasses: 10,
    mean,
    augmentation,
  };
}

function prepare(
  set: TrainingImages,
  indices: readonly number[],
): { inputs: Float32Array; classes: Uint8Array } {
  const inputs = new Float32Array(indices.length * IMAGE_SIZE);
  const classes = new Uint8Array(indices.length);
  prepareTrainingImages(set, Uint32Array.from(indices), inputs, classes);
  return { inputs, classes };
}

const imageOf = (inputs: Float32Array, i: number): Float32Array =>
  inputs.subarray(i * IMAGE_SIZE, (i + 1) * IMAGE_SIZE);
const range = (first: number, count: number): number[] => Array.from({ length: count }, (_, i) => first + i);

test("without augmentation an input is the image's bytes less the mean image, under its label", () => {
  const { inputs, classes } = prepare(imagesWith({}), [7, 1999, 0]);
  [7, 1999, 0].forEach((index, i) => {
    assert.equal(classes[i], index % 10);
    imageOf(inputs, i).forEach((value, p) => {
      assert.equal(value, Math.fround((pixels[index * IMAGE_SIZE + p] as number) - (mean[p] as number)));
    });
  });
});

test("every kind of image is a pure function of seed and index, whatever else is in the batch", () => {
  const set = imagesWith({ random: RANDOM, mean: MEAN });
  const indices = [0, 1, 2, 3, COUNT, COUNT + 1, COUNT + MEAN.copies, COUNT + MEAN.copies + 1];
  const together = prepare(set, indices);
  const backwards = prepare(set, [...indices].reverse());
  indices.forEach((index, i) => {
    const alone = prepare(set, [index]);
    assert.deepEqual(imageOf(together.inputs, i), alone.inputs);
    assert.deepEqual(imageOf(backwards.inputs, indices.length - 1 - i), alone.inputs);
    assert.deepEqual([together.classes[i]], [...alone.classes]);
  });
  const otherSeed = prepare(imagesWith({ random: RANDOM, mean: MEAN }, 4), indices.slice(4));
  assert.notDeepEqual(imageOf(otherSeed.inputs, 0), imageOf(together.inputs, 4));
});

test("random training replaces half of the real images by themselves ±127.5, unclipped, label kept", () => {
  const { inputs, classes } = prepare(imagesWith({ random: RANDOM }), range(0, COUNT));
  let noisy = 0;
  let plus = 0;
  for (let index = 0; index < COUNT; index++) {
    assert.equal(classes[index], index % 10);
    const changes = [...imageOf(inputs, index)].map(
      (value, p) => value + (mean[p] as number) - (pixels[index * IMAGE_SIZE + p] as number),
    );
    if (changes.every((change) => Math.abs(change) < 1e-4)) continue;
    noisy++;
    for (const change of changes) {
      // float32 stores values up to about 400 to 3e-5.
      assert.ok(Math.abs(Math.abs(change) - 127.5) < 1e-4, `a change of ${change}`);
      if (change > 0) plus++;
    }
  }
  const pixelsChanged = noisy * IMAGE_SIZE;
  assert.ok(Math.abs(noisy - COUNT / 2) < 5 * Math.sqrt(COUNT / 4), `${noisy} of ${COUNT} images are noisy`);
  assert.ok(
    Math.abs(plus - pixelsChanged / 2) < 5 * Math.sqrt(pixelsChanged / 4),
    `${plus} of ${pixelsChanged} up`,
  );
});

test("noisy mean copies are class 10: mean image plus a Gaussian scaled by 255 and one uniform draw per image", () => {
  const { inputs, classes } = prepare(imagesWith({ mean: MEAN }), range(COUNT, MEAN.copies));
  assert.ok(classes.every((label) => label === 10));
  const n = MEAN.copies;
  const deviations: number[] = [];
  for (let i = 0; i < n; i++) {
    const squares = imageOf(inputs, i).reduce((sum, value) => sum + value ** 2, 0);
    deviations.push(Math.sqrt(squares / IMAGE_SIZE) / 255);
  }
  const average = (f: (value: number) => number): number =>
    deviations.reduce((sum, value) => sum + f(value), 0) / n;
  // s = u·sqrt(χ²/36): E s² = E u² = 1/3, E s⁴ = 1/5·(1 + 2/36), E s = 1/2·(1 - 1/144) to 1e-4.
  assert.ok(Math.abs(average((v) => v ** 2) - 1 / 3) < 5 * Math.sqrt((0.2111 - 1 / 9) / n));
  assert.ok(Math.abs(average((v) => v) - 0.4965) < 5 * Math.sqrt((1 / 3 - 0.2465) / n));
  // u is uniform: a tenth of the images is fainter than a tenth, give or take the χ² spread.
  const faint = deviations.filter((value) => value < 0.1).length / n;
  assert.ok(Math.abs(faint - 0.1) < 0.05, `${faint}`);
  assert.ok(
    inputs.some((value) => value > 300),
    "not clipped",
  );
});

test("pure noise is class 11, around 127.5 with deviation 127.5 before the mean is taken off", () => {
  const { inputs, classes } = prepare(imagesWith({ mean: MEAN }), range(COUNT + MEAN.copies, MEAN.noise));
  assert.ok(classes.every((label) => label === 11));
  const n = inputs.length;
  const original = inputs.map((value, i) => value + (mean[i % IMAGE_SIZE] as number));
  const average = original.reduce((sum, value) => sum + value, 0) / n;
  const variance = original.reduce((sum, value) => sum + (value - 127.5) ** 2, 0) / n;
  assert.ok(Math.abs(average - 127.5) < (5 * 127.5) / Math.sqrt(n), `mean ${average}`);
  assert.ok(Math.abs(variance / 127.5 ** 2 - 1) < 5 * Math.sqrt(2 / n), `variance ${variance}`);
  assert.ok(original.some((value) => value < 0) && original.some((value) => value > 255), "not clipped");
});

test("random training leaves the synthetic images alone", () => {
  const indices = [...range(COUNT, 50), ...range(COUNT + MEAN.copies, 50)];
  assert.deepEqual(
    prepare(imagesWith({ random: RANDOM, mean: MEAN }), indices).inputs,
    prepare(imagesWith({ mean: MEAN }), indices).inputs,
  );
});

test("with fewer real images in use the synthetic ones follow at once, and are the same", () => {
  const few = prepare(imagesWith({ mean: MEAN }, 3, 100), [99, 100, 100 + MEAN.copies]);
  const all = prepare(imagesWith({ mean: MEAN }), [99, COUNT, COUNT + MEAN.copies]);
  assert.deepEqual(few, all);
});

test("an index beyond the images is an error", () => {
  assert.throws(() => prepare(imagesWith({}), [COUNT]), RangeError);
  assert.throws(() => prepare(imagesWith({ mean: MEAN }), [COUNT + MEAN.copies + MEAN.noise]), RangeError);
});
