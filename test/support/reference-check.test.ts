import assert from "node:assert/strict";
import { test } from "node:test";

import { loadAttackReference, loadStepReference, relativeErrors } from "./reference-check.js";
import {
  hash,
  image,
  initialTensor,
  labels,
  meanImage,
  networkInputs,
  samplePositions,
  signsOf,
  tensorSpecs,
} from "./reference-inputs.js";

const reference = loadStepReference();
const vectors = reference.inputs;
const sum = (values: Iterable<number>): number =>
  Array.from(values).reduce((total, value) => total + value, 0);

test("the hash gives the same numbers as in Python", () => {
  for (const [stream, index, value] of vectors.hash) assert.equal(hash(stream, index), value);
});

test("weights, scales, shifts and moments are the same bits as in Python", () => {
  for (const { name } of tensorSpecs(12)) {
    const expected = vectors.tensorsOfSeed3[name];
    assert.ok(expected, name);
    const values = initialTensor(name, { outputs: 12, seed: 3, biased: true, usedMoments: true });
    assert.deepEqual(Array.from(values.slice(0, 3)), expected.first, name);
    // Every element is a multiple of 2^-23 or coarser, so the sum is exact in double.
    assert.equal(sum(values), expected.sum, name);
  }
});

test("tensors have the names, the order and the shapes of the reference", () => {
  assert.deepEqual(tensorSpecs(10), reference.tensors);
});

test("images, mean image and labels are the same as in Python", () => {
  assert.deepEqual(
    [0, 1, 2, 3].map((n) => sum(image(n))),
    vectors.imageSums,
  );
  assert.deepEqual(Array.from(image(1).slice(14 * 28, 15 * 28)), vectors.imageRow14);
  assert.deepEqual(Array.from(meanImage().slice(3 * 28, 4 * 28)), vectors.meanRow3);
  assert.equal(sum(meanImage()), vectors.meanSum);
  assert.equal(sum(networkInputs(1, 2)), vectors.imageSums[1]! + vectors.imageSums[2]! - 2 * vectors.meanSum);
  assert.deepEqual(Array.from(labels(0, 64, 10)), vectors.labels10);
  assert.deepEqual(Array.from(labels(0, 64, 12)), vectors.labels12);
});

test("sample positions and signs are the same as in Python", () => {
  const name = "conv2/weight";
  assert.deepEqual(Array.from(samplePositions(name, 25_000).slice(0, 6)), vectors.positions[name]);
  assert.equal(signsOf(name)(5), vectors.signsOfElement5[name]);
});

test("an update that is the reference's own has no error", () => {
  // bn1/mean has 20 elements, all of them stored.
  for (const { steps } of reference.cases) {
    for (const step of steps) {
      const errors = relativeErrors(step, "bn1/mean", Float64Array.from(step.tensors["bn1/mean"]!.sampled));
      assert.ok(Math.max(errors.sampled, errors.projected, errors.norm) < 1e-7, JSON.stringify(errors));
    }
  }
});

test("one wrong element among many is measured, though it is not among the stored ones", () => {
  // 500 elements of which 128 positions are stored; the reference here is the zero update, of scale 1.
  const name = "bn3/mean";
  const size = 500;
  const stored = new Set(samplePositions(name, size));
  const wrong = Array.from({ length: size }, (_, i) => i).find((i) => !stored.has(i))!;
  const tensor = {
    norm: 0,
    scale: 1,
    float32: 0,
    rounding: 0,
    sampled: new Array<number>(128).fill(0),
    projected: new Array<number>(16).fill(0),
  };
  const step = { step: 1, lossSum: 0, hits: 0, z: [], confidences: [], tensors: { [name]: tensor } };
  const update = new Float32Array(size);
  update[wrong] = 0.25;

  assert.deepEqual(relativeErrors(step, name, update), { sampled: 0, projected: 0.25, norm: 0.25 });
});

test("a step that was not taken is an error of about one in every tensor that should move", () => {
  const { steps } = reference.cases[0]!;
  for (const { name, shape } of reference.tensors) {
    const expected = steps[1]!.tensors[name]!;
    const size = shape.reduce((product, n) => product * n, 1);
    const errors = relativeErrors(steps[1]!, name, new Float64Array(size));
    if (expected.norm === 0) {
      assert.deepEqual(errors, { sampled: 0, projected: 0, norm: 0 }, name);
    } else {
      assert.equal(errors.norm, 1, name);
      // 16 random signs: between 0.57 and 1.47 with probability 99%, and the reference is fixed.
      assert.ok(errors.projected > 0.5 && errors.projected < 1.6, `${name}: ${errors.projected}`);
    }
  }
});

test("a tensor of another size is refused", () => {
  assert.throws(() => relativeErrors(reference.cases[0]!.steps[0]!, "bn1/mean", new Float32Array(21)), /21/);
});

test("the attacked images are those of the formulas, and every class but the true one was tried", () => {
  for (const { net, modes } of loadAttackReference().nets) {
    for (const [mode, { images }] of Object.entries(modes)) {
      assert.deepEqual(
        images.map(({ label }) => label),
        Array.from(labels(0, 8, 10)),
      );
      for (const { label, target, norms, positive, negative, zero } of images) {
        const tried = norms.map((value, t) => (value === null ? -1 : t)).filter((t) => t >= 0);
        assert.deepEqual(
          tried,
          [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].filter((t) => t !== label),
        );
        assert.equal(norms[target], Math.max(...norms.map(Number)), `${net} ${mode}`);
        assert.equal(positive + negative + zero, 784);
      }
    }
  }
});
