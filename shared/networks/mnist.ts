/** The MNIST networks of the paper: METHOD.md 1.5, 1.6. A LeNet; robust ones put a SAF before each pooling. */
import type { Blueprint } from "./family.js";
import type { Layer } from "./network.js";

const NO_PADDING = [0, 0, 0, 0] as const;

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
 * The plain net has no activation before the poolings, which are its only nonlinearity in front of the fully connected
 * layers. All have batch norm, the plain one too.
 */
export const mnistBlueprint: Blueprint = {
  name: "mnist",
  hybridLoss: { alpha1: 1, alpha2: 1, alpha3: 0, power: 2 },
  augmentation: {},
  build({ activation }, outputs) {
    const suppress: Layer[] = activation === null ? [] : [{ kind: "activation", activation }];
    return {
      input: { height: 28, width: 28, channels: 1 },
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
      recipe: { epochs: 20, batchSize: 100, stages: [{ rate: 0.001, epochs: 20 }], weightDecay: 5e-4 },
      strengths: [0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5],
    };
  },
};
