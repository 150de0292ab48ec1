/** The CIFAR-10 networks of the paper: METHOD.md 1.3 to 1.7. Robust ones put a SAF before each pooling. */
import type { Blueprint } from "./family.js";
import type { Layer, RateMultipliers, TrainingRecipe } from "./network.js";

/** MatConvNet's: the last window may reach one pixel over the bottom and the right edge. */
const POOL_PADDING = [0, 1, 0, 1] as const;
const maxPool: Layer = { kind: "max-pool", size: 3, stride: 2, padding: POOL_PADDING };
const averagePool: Layer = { kind: "average-pool", size: 3, stride: 2, padding: POOL_PADDING };
const relu: Layer = { kind: "activation", activation: "relu" };

const PLAIN_RATES: RateMultipliers = { weight: 0.1, bias: 2 };
const ROBUST_RATES: RateMultipliers = { weight: 0.1, bias: 0.1 };

const PLAIN_RECIPE: TrainingRecipe = {
  epochs: 45,
  batchSize: 100,
  stages: [
    { rate: 0.05, epochs: 30 },
    { rate: 0.005, epochs: 10 },
    { rate: 0.0005, epochs: 5 },
  ],
  weightDecay: 1e-4,
};

const ROBUST_RECIPE: TrainingRecipe = {
  epochs: 90,
  batchSize: 50,
  stages: [
    { rate: 0.05, epochs: 60 },
    { rate: 0.005, epochs: 20 },
    { rate: 0.0005, epochs: 10 },
  ],
  weightDecay: 1e-4,
};

/** Families without a SAF are trained like the plain net, controls too: each differs from it in one thing. */
export const cifar10Blueprint: Blueprint = {
  name: "cifar10",
  hybridLoss: { alpha1: 1, alpha2: 1, alpha3: 1 / 9, power: 2 },
  augmentation: { mirror: { probability: 0.5 } },
  build({ activation, norm }, outputs) {
    const isPlain = activation === null;
    const convolution = (name: string, size: number, channels: number, pad: number): Layer => ({
      kind: "convolution",
      name,
      kernel: [size, size],
      channels,
      padding: [pad, pad, pad, pad],
      rates: isPlain ? PLAIN_RATES : ROBUST_RATES,
      deviation: isPlain && name !== "conv1" ? 0.05 : 0.01,
    });
    const normalise = (name: string): Layer[] => (norm ? [{ kind: "batch-norm", name }] : []);
    const activate: Layer = isPlain ? relu : { kind: "activation", activation };
    return {
      input: { height: 32, width: 32, channels: 3 },
      layers: [
        convolution("conv1", 5, 32, 2),
        ...normalise("bn1"),
        ...(isPlain ? [maxPool, relu] : [activate, maxPool]),
        convolution("conv2", 5, 32, 2),
        ...normalise("bn2"),
        activate,
        averagePool,
        convolution("conv3", 5, 64, 2),
        ...normalise("bn3"),
        activate,
        averagePool,
        convolution("conv4", 4, 64, 0),
        ...normalise("bn4"),
        relu,
        convolution("fc", 1, outputs, 0),
      ],
      recipe: isPlain ? PLAIN_RECIPE : ROBUST_RECIPE,
      strengths: [0, 0.01, 0.015, 0.02, 0.025, 0.03, 0.035, 0.04, 0.045, 0.05, 0.075, 0.1, 0.15],
    };
  },
};
