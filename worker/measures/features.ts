/** Feature statistics of given weights: the values before each activation, on test images and on nonsense. */
import { type FeatureCounts, featureTaps } from "../../shared/features.js";
import { extents } from "../../shared/networks/network.js";
import { PlaceCounter } from "../core/feature-statistics.js";
import { nonsenseImages } from "../core/nonsense-images.js";
import type { ImageSet } from "../core/training-images.js";
import type { Program } from "../engine/program.js";
import { realImages } from "./paper.js";

export interface FeatureTask {
  seed: number;
  /** The first so many test images, and as many nonsense images. */
  imageCount: number;
}

/** Images of one forward pass: the largest layer of CIFAR-10 has 32,768 values an image. */
const BATCH = 50;

/** `program`: with its parameters loaded. */
export function measureFeatures(
  program: Program,
  test: ImageSet,
  mean: Float32Array,
  { seed, imageCount }: FeatureTask,
): FeatureCounts {
  const images = Math.min(imageCount, test.count);
  const taps = featureTaps(program.network);
  const sizes = extents(program.network);
  let counters: PlaceCounter[] | undefined;
  for (let firstImage = 0; firstImage < images; firstImage += BATCH) {
    const count = Math.min(BATCH, images - firstImage);
    const clean = program.features(realImages(test, mean, { firstImage, imageCount: count }));
    const nonsense = program.features(nonsenseImages(seed, mean, firstImage, count));
    // The first images choose the ranges of the histograms.
    counters ??= taps.map((tap, place) => {
      const values = [clean[place]!, nonsense[place]!];
      return new PlaceCounter(tap, values[0]!.length / count, sizes[tap.depth]!.channels, values);
    });
    counters.forEach((counter, place) => {
      counter.add("clean", clean[place]!);
      counter.add("nonsense", nonsense[place]!);
    });
  }
  return { images, places: (counters ?? []).map((counter) => counter.result()) };
}
