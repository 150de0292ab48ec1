/** A network as data: layers, head and training recipe. Worker engines run it, the coordinator derives its layout. */
import type { NetworkSettings } from "../config/network.js";
import { at } from "../core/at.js";
import { type Layout, type TensorDefinition, placeTensors } from "../core/layout.js";
import { ClusterError } from "../errors.js";

export type ActivationName = "relu" | "mrelu" | "rbf";
/** Rows and columns added around an image: top, bottom, left, right. */
export type Padding = readonly [number, number, number, number];

/** Learning-rate multipliers of a layer's weight and bias. */
export interface RateMultipliers {
  weight: number;
  bias: number;
}

export type Layer =
  | {
      kind: "convolution";
      name: string;
      kernel: readonly [number, number];
      channels: number;
      padding: Padding;
      rates: RateMultipliers;
      /** Standard deviation of the initial weights. */
      deviation: number;
    }
  | { kind: "batch-norm"; name: string }
  /** `width` w of a symmetric activation: f(x / w); where it is not said, 1. */
  | { kind: "activation"; activation: ActivationName; width?: number }
  | { kind: "max-pool" | "average-pool"; size: number; stride: number; padding: Padding };

/** What the last layer's outputs z mean: softmax(z), or RBF confidences exp(-z²) with the hybrid loss. */
export type Head = { kind: "softmax" } | { kind: "rbf"; loss: HybridWeights };

/** Weights and power of the hybrid loss: METHOD.md 1.3. */
export interface HybridWeights {
  alpha1: number;
  alpha2: number;
  alpha3: number;
  power: number;
}

/** What is done to the training images. Sizes of a change are in pixels, 0..255. */
export interface Augmentation {
  /**
   * Flag R, METHOD.md 1.8: image ± epsilon. Scope "image": each real image with this probability, once for the whole
   * training. Scope "batch": all images of a step with this probability, drawn anew for each step.
   */
  random?: { epsilon: number; probability: number; scope: "image" | "batch" };
  /** Flag M, METHOD.md 1.9: two pools of synthetic images, each a class of its own. */
  mean?: { copies: number; copyScale: number; noise: number; noiseDeviation: number };
  /** All images of a step are mirrored left to right with this probability: METHOD.md 1.7. */
  mirror?: { probability: number };
  /**
   * Flag A, METHOD.md 1.10: from the second epoch on, this share of the real images is moved by epsilon along the sign of
   * the loss gradient, taken on the weights with which the epoch began. `rounds`: how many epochs make them anew; later
   * ones keep the last weights. Without it, every epoch does.
   */
  adversarial?: { epsilon: number; share: number; rounds?: number };
  /** Every real image is replaced by the end of a PGD ascent on the current weights (Madry et al. 2018, arXiv:1706.06083). */
  pgd?: { epsilon: number; stepSize: number; steps: number };
}

export interface TrainingRecipe {
  epochs: number;
  batchSize: number;
  stages: { rate: number; epochs: number }[];
  weightDecay: number;
}

export interface Network {
  /** Canonical, as in "mrelu-r-m": family, then flags in the registry's order. */
  name: string;
  /** What makes it another network than the paper's of that name; undefined where nothing does. */
  settings?: NetworkSettings;
  dataset: string;
  input: { height: number; width: number; channels: number };
  /** Outputs: real classes, and two more with mean training. */
  outputs: number;
  realClasses: number;
  layers: readonly Layer[];
  head: Head;
  augmentation: Augmentation;
  recipe: TrainingRecipe;
  /** The paper's grid of strengths. */
  strengths: readonly number[];
}

export interface Extent {
  height: number;
  width: number;
  channels: number;
}

/** Size of a layer's output, [height, width, channels]. Throws ClusterError("shape-mismatch") where it would vanish. */
export function outputExtent(layer: Layer, input: Extent): Extent {
  if (layer.kind === "batch-norm" || layer.kind === "activation") return input;
  const [top, bottom, left, right] = layer.padding;
  const [kernelHeight, kernelWidth] = layer.kind === "convolution" ? layer.kernel : [layer.size, layer.size];
  const stride = layer.kind === "convolution" ? 1 : layer.stride;
  const height = Math.floor((input.height + top + bottom - kernelHeight) / stride) + 1;
  const width = Math.floor((input.width + left + right - kernelWidth) / stride) + 1;
  if (height < 1 || width < 1) {
    throw new ClusterError(
      "shape-mismatch",
      `Cannot build the network: a ${kernelHeight}x${kernelWidth} window does not fit an input of ${input.height}x${input.width}`,
    );
  }
  return { height, width, channels: layer.kind === "convolution" ? layer.channels : input.channels };
}

/** Input extents of every layer, and the network's output at the end. */
export function extents(network: Network): Extent[] {
  const found: Extent[] = [network.input];
  let input = network.input;
  for (const layer of network.layers) found.push((input = outputExtent(layer, input)));
  return found;
}

/** By network, which does not change. */
const layouts = new WeakMap<Network, Layout>();

/** The flat parameter vector of a network. */
export function layoutOf(network: Network): Layout {
  const layout = layouts.get(network) ?? placed(network);
  layouts.set(network, layout);
  return layout;
}

function placed(network: Network): Layout {
  const inputs = extents(network);
  const definitions: TensorDefinition[] = [];
  network.layers.forEach((layer, i) => {
    const { channels } = at(inputs, i);
    if (layer.kind === "convolution") {
      definitions.push(
        {
          name: `${layer.name}/weight`,
          shape: [...layer.kernel, channels, layer.channels],
          role: "weight",
          initial: { kind: "normal", deviation: layer.deviation },
          rateMultiplier: layer.rates.weight,
          decays: true,
        },
        {
          name: `${layer.name}/bias`,
          shape: [layer.channels],
          role: "weight",
          initial: { kind: "constant", value: 0 },
          rateMultiplier: layer.rates.bias,
          decays: true,
        },
      );
    } else if (layer.kind === "batch-norm") {
      const tensor = (part: string, role: "weight" | "moment", value: number): TensorDefinition => ({
        name: `${layer.name}/${part}`,
        shape: [channels],
        role,
        initial: { kind: "constant", value },
        rateMultiplier: 1,
        decays: false,
      });
      definitions.push(
        tensor("scale", "weight", 1),
        tensor("shift", "weight", 0),
        tensor("mean", "moment", 0),
        tensor("deviation", "moment", 1),
      );
    }
  });
  return placeTensors(definitions);
}
