/** A data set and networks of a few values, under the names of MNIST's: the protocol does not know the difference. */
import { type Dataset, PartitionedDataset } from "../../coordinator/io/datasets/dataset.js";
import type { Family } from "../../shared/networks/family.js";
import { mnistBlueprint } from "../../shared/networks/mnist.js";
import type { Layer } from "../../shared/networks/network.js";

const SIDE = 2;
const CLASSES = 10;
const TRAIN_IMAGES = 24;
const TEST_IMAGES = 12;

/** With the channels of "rbf" a push takes two chunks, with others one. */
const channelsOf = ({ name }: Family): number => (name === "rbf" ? 4375 : 5);

function layersOf(family: Family, outputs: number): Layer[] {
  const convolution = (name: string, size: number, channels: number): Layer => ({
    kind: "convolution",
    ...{ name, channels, kernel: [size, size], padding: [0, 0, 0, 0] },
    ...{ rates: { weight: 1, bias: 1 }, deviation: 0.01 },
  });
  return [
    convolution("conv1", SIDE, channelsOf(family)),
    ...(family.name === "mrelu" ? [{ kind: "batch-norm", name: "bn1" } as const] : []),
    { kind: "activation", activation: "relu" },
    convolution("fc", 1, outputs),
  ];
}

/** From now on MNIST's networks are tiny, in this process. */
export function shrinkNetworks(): void {
  mnistBlueprint.build = (family, outputs) => ({
    input: { height: SIDE, width: SIDE, channels: 1 },
    layers: layersOf(family, outputs),
    recipe: { epochs: 2, batchSize: 8, stages: [{ rate: 0.001, epochs: 2 }], weightDecay: 5e-4 },
    strengths: [0, 0.1],
  });
}

export const FAMILIES = ["plain", "mrelu", "rbf"] as const;

/** Images that all differ. */
function splitOf(count: number, from: number): Dataset["train"] {
  const pixels = new Uint8Array(count * SIDE * SIDE);
  for (let i = 0; i < pixels.length; i++) pixels[i] = (37 * (from + i) + 11 * (i % 4)) % 256;
  return { pixels, labels: Uint8Array.from({ length: count }, (_, i) => (from + i) % CLASSES) };
}

export const TINY_DATA = new PartitionedDataset({
  ...{ name: "mnist", height: SIDE, width: SIDE, channels: 1, classes: CLASSES },
  train: splitOf(TRAIN_IMAGES, 0),
  test: splitOf(TEST_IMAGES, TRAIN_IMAGES),
});
