/**
 * What is drawn anew for every step: the mirror coin (METHOD.md 1.7) and the random training of CIFAR-10 (1.8). The coins
 * are one a step, so all slots of a step share them; the noise of an image follows from seed, step and index.
 */
import type { Augmentation, Extent } from "../../shared/networks/network.js";
import { RandomStream } from "../../shared/random.js";

export interface StepDraw {
  seed: number;
  step: number;
}

/** Turns all images left to right, or none. Inputs: [images, height, width, channels]. */
export function mirrorStep(
  { mirror }: Augmentation,
  { seed, step }: StepDraw,
  { width, channels }: Extent,
  inputs: Float32Array,
): void {
  if (mirror === undefined || new RandomStream(seed, "mirror-coin", step).uniform() >= mirror.probability)
    return;
  const row = width * channels;
  for (let start = 0; start < inputs.length; start += row) {
    for (let left = 0, right = width - 1; left < right; left++, right--) {
      for (let channel = 0; channel < channels; channel++) {
        const a = start + left * channels + channel;
        const b = start + right * channels + channel;
        const value = inputs[a]!;
        inputs[a] = inputs[b]!;
        inputs[b] = value;
      }
    }
  }
}

/** Adds ±epsilon to every component of all images, or to none. `indices`: which images these are. */
export function addStepNoise(
  { random }: Augmentation,
  { seed, step }: StepDraw,
  indices: Uint32Array,
  inputs: Float32Array,
): void {
  if (random?.scope !== "batch") return;
  if (new RandomStream(seed, "step-noise-coin", step).uniform() >= random.probability) return;
  const size = inputs.length / indices.length;
  const signs = new Float32Array(size);
  indices.forEach((index, i) => {
    new RandomStream(seed, "step-noise", index, step).signs(signs);
    const start = i * size;
    for (let p = 0; p < size; p++) inputs[start + p] = inputs[start + p]! + random.epsilon * signs[p]!;
  });
}
