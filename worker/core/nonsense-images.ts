/** The images and directions that an evaluation draws; image i is a pure function of (seed, i): METHOD.md 1.11. */
import { RandomStream } from "../../shared/random.js";

/** Gaussian noise rescaled by its own extremes to exactly [0, 255], mean image subtracted. */
export function nonsenseImage(seed: number, index: number, mean: Float32Array, out: Float32Array): void {
  const stream = new RandomStream(seed, "nonsense", index);
  let low = Infinity;
  let high = -Infinity;
  for (let p = 0; p < out.length; p++) {
    const value = Math.fround(stream.normal()); // as it is stored, or the extremes would miss 0 and 255
    out[p] = value;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const scale = 255 / (high - low);
  for (let p = 0; p < out.length; p++) out[p] = (out[p]! - low) * scale - mean[p]!;
}

/** Images `first` to `first + count` of a seed, one after another. */
export function nonsenseImages(seed: number, mean: Float32Array, first: number, count: number): Float32Array {
  const size = mean.length;
  const images = new Float32Array(count * size);
  for (let i = 0; i < count; i++)
    nonsenseImage(seed, first + i, mean, images.subarray(i * size, (i + 1) * size));
  return images;
}

/** The sign of Gaussian noise, ±1 a pixel: the direction of the `noisy` kind. */
export function noiseSigns(seed: number, index: number, out: Float32Array): void {
  new RandomStream(seed, "noisy", index).signs(out);
}
