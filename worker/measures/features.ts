/** Feature statistics of given weights: the values before each activation, on test images and on nonsense. */
import { type FeatureCounts, featureTaps } from "../../shared/features.js";
import type { Layout } from "../../shared/core/layout.js";
import { type Extent, type Network, extents } from "../../shared/networks/network.js";
import { PlaceCounter } from "../core/feature-statistics.js";
import { nonsenseImage } from "../core/nonsense-images.js";
import type { ImageSet } from "../core/training-images.js";
import type { TensorFlow } from "../engine/eager/layers/operator.js";
import { NetworkEngine } from "../engine/eager/program.js";

export interface FeatureTask {
  seed: number;
  /** The first so many test images, and as many nonsense images. */
  imageCount: number;
}

/** Images of one forward pass: the largest layer of CIFAR-10 has 32,768 values an image. */
const BATCH = 50;

/**
 * `parameters`: the whole network's vector, laid out by `layout`. Each place is reached by a network cut off in front
 * of it; tensors are named, so the whole network's layout serves all of them.
 */
export function measureFeatures(
  tf: TensorFlow,
  network: Network,
  layout: Layout,
  parameters: Float32Array,
  test: ImageSet,
  mean: Float32Array,
  { seed, imageCount }: FeatureTask,
): FeatureCounts {
  const images = Math.min(imageCount, test.count);
  const places = featureTaps(network).map((tap) => {
    const cut: Network = { ...network, layers: network.layers.slice(0, tap.depth) };
    const extent = extents(cut).at(-1) as Extent;
    const engine = new NetworkEngine(tf, cut, layout);
    engine.load(parameters);
    try {
      let counter: PlaceCounter | undefined;
      for (let first = 0; first < images; first += BATCH) {
        const count = Math.min(BATCH, images - first);
        const clean = engine.predict(cleanInputs(test, mean, first, count));
        const nonsense = engine.predict(nonsenseInputs(seed, mean, first, count));
        counter ??= new PlaceCounter(tap, clean.length / count, extent.channels, [clean, nonsense]);
        counter.add("clean", clean);
        counter.add("nonsense", nonsense);
      }
      return (counter as PlaceCounter).result();
    } finally {
      engine.dispose();
    }
  });
  return { images, places };
}

function cleanInputs(test: ImageSet, mean: Float32Array, first: number, count: number): Float32Array {
  const size = test.imageSize;
  const inputs = new Float32Array(count * size);
  for (let i = 0; i < inputs.length; i++)
    inputs[i] = (test.pixels[first * size + i] as number) - (mean[i % size] as number);
  return inputs;
}

/** The nonsense images that an evaluation starts from: METHOD.md 1.11. */
function nonsenseInputs(seed: number, mean: Float32Array, first: number, count: number): Float32Array {
  const size = mean.length;
  const inputs = new Float32Array(count * size);
  for (let i = 0; i < count; i++)
    nonsenseImage(seed, first + i, mean, inputs.subarray(i * size, (i + 1) * size));
  return inputs;
}
