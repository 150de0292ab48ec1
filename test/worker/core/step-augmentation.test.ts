import assert from "node:assert/strict";
import { test } from "node:test";
import { addStepNoise, mirrorStep } from "../../../worker/core/step-augmentation.js";

const EXTENT = { height: 2, width: 3, channels: 2 };
const SIZE = 12;
const STEPS = 2000;
/** Five standard deviations of a fair coin's count. */
const SPREAD = 5 * Math.sqrt(STEPS / 4);

const ramp = (images: number): Float32Array => Float32Array.from({ length: images * SIZE }, (_, i) => i);
const mirrored = (step: number, images = 2, seed = 1): Float32Array => {
  const inputs = ramp(images);
  mirrorStep({ mirror: { probability: 0.5 } }, { seed, step }, EXTENT, inputs);
  return inputs;
};

test("a mirrored image has its columns turned, rows and channels as they were; all images of a step or none", () => {
  const turned = [4, 5, 2, 3, 0, 1, 10, 11, 8, 9, 6, 7];
  const expected = [...turned, ...turned.map((value) => value + SIZE)];
  const seen = new Set<string>();
  for (let step = 0; step < 20; step++) seen.add(mirrored(step).join());
  assert.deepEqual([...seen].sort(), [ramp(2).join(), expected.join()].sort());
});

test("the coin is fair, and one for all slots of a step", () => {
  let heads = 0;
  for (let step = 0; step < STEPS; step++) {
    const isTurned = mirrored(step)[0] !== 0;
    if (isTurned) heads++;
    // A slot of another size lands on the same side.
    assert.equal(mirrored(step, 1)[0] !== 0, isTurned);
  }
  assert.ok(Math.abs(heads - STEPS / 2) < SPREAD, `${heads} of ${STEPS} steps are mirrored`);
  assert.notDeepEqual(
    Array.from({ length: 64 }, (_, step) => mirrored(step, 1, 1)[0]),
    Array.from({ length: 64 }, (_, step) => mirrored(step, 1, 2)[0]),
  );
});

const RANDOM = { random: { epsilon: 38.25, probability: 0.5, scope: "batch" } } as const;
const noisy = (step: number, indices: number[], seed = 1): Float32Array => {
  const inputs = new Float32Array(indices.length * SIZE);
  addStepNoise(RANDOM, { seed, step }, Uint32Array.from(indices), inputs);
  return inputs;
};

test("a noisy step moves every component of every image by ±38.25, others nothing; half of the steps are noisy", () => {
  let steps = 0;
  let up = 0;
  for (let step = 0; step < STEPS; step++) {
    const change = noisy(step, [7, 60_000]);
    const isNoisy = change[0] !== 0;
    if (isNoisy) steps++;
    for (const value of change) {
      assert.equal(Math.abs(value), isNoisy ? 38.25 : 0);
      if (value > 0) up++;
    }
  }
  assert.ok(Math.abs(steps - STEPS / 2) < SPREAD, `${steps} of ${STEPS} steps are noisy`);
  const signs = steps * 2 * SIZE;
  assert.ok(Math.abs(up - signs / 2) < 5 * Math.sqrt(signs / 4), `${up} of ${signs} go up`);
});

test("an image's noise follows from seed, step and index, not from its slot, and is new in every step", () => {
  const step = [...new Array(20).keys()].find((candidate) => noisy(candidate, [3])[0] !== 0) as number;
  const together = noisy(step, [3, 9, 4]);
  assert.deepEqual(together.subarray(SIZE, 2 * SIZE), noisy(step, [9]));
  assert.deepEqual(together.subarray(2 * SIZE), noisy(step, [4]));
  assert.notDeepEqual(noisy(step, [9]), noisy(step, [4]));
  const next = [...new Array(20).keys()].find(
    (candidate) => candidate > step && noisy(candidate, [3])[0] !== 0,
  ) as number;
  assert.notDeepEqual(noisy(step, [3]), noisy(next, [3]));
});

test("without these augmentations, and with random training of the other kind, nothing changes", () => {
  for (let step = 0; step < 20; step++) {
    const inputs = ramp(2);
    mirrorStep({}, { seed: 1, step }, EXTENT, inputs);
    addStepNoise(
      { random: { epsilon: 127.5, probability: 1, scope: "image" } },
      { seed: 1, step },
      Uint32Array.of(0, 1),
      inputs,
    );
    assert.deepEqual(inputs, ramp(2));
  }
});
