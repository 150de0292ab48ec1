import assert from "node:assert/strict";
import { test } from "node:test";
import { noiseSigns, nonsenseImage } from "../../../worker/core/nonsense-images.js";

const SIZE = 784;
const zero = new Float32Array(SIZE);
const image = (seed: number, index: number, mean = zero): Float32Array => {
  const out = new Float32Array(SIZE);
  nonsenseImage(seed, index, mean, out);
  return out;
};

test("each nonsense image spans exactly [0, 255]", () => {
  for (let index = 0; index < 200; index++) {
    const pixels = image(1, index);
    assert.deepEqual([Math.min(...pixels), Math.max(...pixels)], [0, 255], `image ${index}`);
    assert.equal(pixels.filter((value) => value === 0 || value === 255).length, 2);
  }
});

test("the mean image is subtracted after rescaling", () => {
  const mean = Float32Array.from({ length: SIZE }, (_, p) => p / 4);
  const plain = image(1, 5);
  image(1, 5, mean).forEach((value, p) => {
    // Once more rounded to float32 than the difference of the two.
    assert.ok(Math.abs(value - ((plain[p] as number) - p / 4)) < 3e-5);
  });
});

test("between the extremes a nonsense image is Gaussian", () => {
  // Standardised by its own moments: skewness 0 and kurtosis 3, averaged over images, within five standard errors.
  const images = 100;
  let skewness = 0;
  let kurtosis = 0;
  for (let index = 0; index < images; index++) {
    const pixels = image(2, index);
    const mean = pixels.reduce((sum, value) => sum + value, 0) / SIZE;
    const moment = (power: number): number =>
      pixels.reduce((sum, value) => sum + (value - mean) ** power, 0) / SIZE;
    skewness += moment(3) / moment(2) ** 1.5 / images;
    kurtosis += moment(4) / moment(2) ** 2 / images;
  }
  assert.ok(Math.abs(skewness) < 5 * Math.sqrt(6 / (SIZE * images)));
  assert.ok(Math.abs(kurtosis - 3) < 5 * Math.sqrt(24 / (SIZE * images)) + 6 / SIZE);
});

test("an image and a direction are pure functions of seed and index", () => {
  assert.deepEqual(image(1, 7), image(1, 7));
  assert.notDeepEqual(image(1, 7), image(1, 8));
  assert.notDeepEqual(image(1, 7), image(2, 7));
  const signs = (seed: number, index: number): Float32Array => {
    const out = new Float32Array(SIZE);
    noiseSigns(seed, index, out);
    return out;
  };
  assert.deepEqual(signs(1, 7), signs(1, 7));
  assert.notDeepEqual(signs(1, 7), signs(1, 8));
  assert.notDeepEqual(signs(1, 7), signs(2, 7));
});

test("noise directions are ±1, as often up as down at every pixel", () => {
  const images = 1000;
  const up = new Float64Array(SIZE);
  const out = new Float32Array(SIZE);
  for (let index = 0; index < images; index++) {
    noiseSigns(3, index, out);
    assert.ok(out.every((sign) => sign === 1 || sign === -1));
    out.forEach((sign, p) => (up[p] = (up[p] as number) + (sign > 0 ? 1 : 0)));
  }
  // The largest of 784 deviations of a binomial: five standard deviations are a chance of 4e-4.
  for (const count of up) assert.ok(Math.abs(count - images / 2) < 5 * Math.sqrt(images / 4), `${count}`);
});
