/** The MNIST networks of the paper: METHOD.md 1.5, 1.6. A LeNet; robust ones put a SAF before each pooling. */
import type { ActivationName, Augmentation, Head, Layer, Network } from "./network.js";

const NO_PADDING = [0, 0, 0, 0] as const;
const PAPER_STRENGTHS = [0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5];

function convolution(name: string, size: number, channels: number): Layer {
  return {
    kind: "convolution",
    name,
    kernel: [size, size],
    channels,
    padding: NO_PADDING,
    rates: { weight: 1, bias: 1 },
    deviation: 0.01,
  };
}

const maxPool: Layer = { kind: "max-pool", size: 2, stride: 2, padding: NO_PADDING };

/**
 * `activation` is the symmetric activation before each pooling, or null for the plain net, which has none there:
 * pooling is its only nonlinearity in front of the fully connected layers.
 */
export function mnistNetwork(
  name: string,
  activation: ActivationName | null,
  head: Head,
  augmentation: Augmentation,
): Network {
  const suppress: Layer[] = activation === null ? [] : [{ kind: "activation", activation }];
  const outputs = augmentation.mean === undefined ? 10 : 12;
  return {
    name,
    dataset: "mnist",
    input: { height: 28, width: 28, channels: 1 },
    outputs,
    realClasses: 10,
    layers: [
      convolution("conv1", 5, 20),
      { kind: "batch-norm", name: "bn1" },
      ...suppress,
      maxPool,
      convolution("conv2", 5, 50),
      { kind: "batch-norm", name: "bn2" },
      ...suppress,
      maxPool,
      convolution("conv3", 4, 500),
      { kind: "batch-norm", name: "bn3" },
      { kind: "activation", activation: "relu" },
      convolution("fc", 1, outputs),
    ],
    head,
    augmentation,
    recipe: { epochs: 20, batchSize: 100, stages: [{ rate: 0.001, epochs: 20 }], weightDecay: 5e-4 },
    strengths: PAPER_STRENGTHS,
  };
}

/** Flag R on MNIST: METHOD.md 1.8. */
export const MNIST_RANDOM = { epsilon: 127.5, probability: 0.5 };
/** Flag M on MNIST: METHOD.md 1.9. */
export const MNIST_MEAN = { copies: 6000, copyScale: 255, noise: 6000, noiseDeviation: 127.5 };
/** Hybrid loss on MNIST: METHOD.md 1.3. */
export const MNIST_LOSS = { alpha1: 1, alpha2: 1, alpha3: 0, power: 2 };
