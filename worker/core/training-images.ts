/**
 * The images of training: real ones, perhaps with random training's ±ε (METHOD.md 1.8), and the synthetic pools of mean
 * training (1.9). Image i of a run is a pure function of (seed, i): any worker makes the same pixels.
 */
import type { Augmentation } from "../../shared/networks/network.js";
import { RandomStream } from "../../shared/random.js";

export interface ImageSet {
  /** Bytes 0..255, image after image. */
  pixels: Uint8Array;
  labels: Uint8Array;
  count: number;
  /** Values of one image: height x width x channels. */
  imageSize: number;
}

export interface TrainingImages {
  seed: number;
  images: ImageSet;
  /** Real images in use; indices from here on are synthetic. */
  realCount: number;
  realClasses: number;
  /** Mean of the training images, pixels 0..255. */
  mean: Float32Array;
  augmentation: Augmentation;
}

/** Writes the network's inputs (mean subtracted) for these indices into `inputs`, and the classes into `labels`. */
export function prepareTrainingImages(
  set: TrainingImages,
  indices: Uint32Array,
  inputs: Float32Array,
  labels: Uint8Array,
): void {
  const { imageSize } = set.images;
  indices.forEach((index, i) => {
    const out = inputs.subarray(i * imageSize, (i + 1) * imageSize);
    labels[i] = index < set.realCount ? realImage(set, index, out) : syntheticImage(set, index, out);
  });
}

function realImage(set: TrainingImages, index: number, out: Float32Array): number {
  const { pixels, imageSize, labels } = set.images;
  const start = index * imageSize;
  const { random } = set.augmentation;
  const noisy =
    random?.scope === "image" &&
    new RandomStream(set.seed, "random-training-choice", index).uniform() < random.probability;
  if (noisy) {
    new RandomStream(set.seed, "random-training", index).signs(out);
    for (let p = 0; p < imageSize; p++) {
      out[p] = pixels[start + p]! - set.mean[p]! + random.epsilon * out[p]!;
    }
  } else {
    for (let p = 0; p < imageSize; p++) out[p] = pixels[start + p]! - set.mean[p]!;
  }
  return labels[index]!;
}

/** A noisy copy of the mean image, or pure noise; each kind is a class behind the real ones. */
function syntheticImage(set: TrainingImages, index: number, out: Float32Array): number {
  const { mean } = set.augmentation;
  if (mean === undefined)
    throw new RangeError(`Training image ${index} is beyond the ${set.realCount} real ones`);
  const which = index - set.realCount;
  if (which < mean.copies) {
    const stream = new RandomStream(set.seed, "mean-copies", which);
    const scale = mean.copyScale * stream.uniform();
    for (let p = 0; p < out.length; p++) out[p] = scale * stream.normal();
    return set.realClasses;
  }
  if (which >= mean.copies + mean.noise)
    throw new RangeError(`Training image ${index} is beyond the last synthetic one`);
  const stream = new RandomStream(set.seed, "pure-noise", which - mean.copies);
  for (let p = 0; p < out.length; p++) out[p] = 127.5 + mean.noiseDeviation * stream.normal() - set.mean[p]!;
  return set.realClasses + 1;
}
