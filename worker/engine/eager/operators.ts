/** The operators of a network, in the order of its layers. */
import { type Extent, type Layer, type Network, extents } from "../../../shared/networks/network.js";
import { activation } from "./layers/activation.js";
import { convolution } from "./layers/convolution.js";
import type { Operator } from "./layers/operator.js";
import { averagePool, maxPool } from "./layers/pool.js";
import type { TensorFlow } from "./tfjs.js";

export interface PlacedOperator extends Operator {
  /** How many of the network's layers are done behind it. */
  depth: number;
}

/** Batch norm belongs to the convolution in front of it; every other layer is an operator of its own. */
export function operatorsOf(tf: TensorFlow, network: Network): PlacedOperator[] {
  const sizes = extents(network);
  return network.layers.flatMap((layer, i) => {
    if (layer.kind === "batch-norm") {
      if (network.layers[i - 1]?.kind !== "convolution")
        throw new RangeError("Batch norm must follow a convolution");
      return [];
    }
    const next = network.layers[i + 1];
    const depth = next?.kind === "batch-norm" ? i + 2 : i + 1;
    return [{ ...operatorOf(tf, layer, sizes[i]!, sizes[i + 1]!, next), depth }];
  });
}

function operatorOf(
  tf: TensorFlow,
  layer: Exclude<Layer, { kind: "batch-norm" }>,
  input: Extent,
  output: Extent,
  next: Layer | undefined,
): Operator {
  switch (layer.kind) {
    case "convolution": {
      const batchNorm = next?.kind === "batch-norm" ? next.name : undefined;
      return convolution(tf, { ...layer, input, output, batchNorm });
    }
    case "activation":
      return activation(tf, layer.activation, layer.width);
    case "max-pool":
      return maxPool(tf, layer);
    case "average-pool":
      return averagePool(tf, layer);
  }
}
