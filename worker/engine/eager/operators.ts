/** The operators of a network, in the order of its layers. */
import type { Network } from "../../../shared/networks/network.js";
import { type PlacedLayer, placedLayers } from "../placed-layers.js";
import { activation } from "./layers/activation.js";
import { convolution } from "./layers/convolution.js";
import type { Operator } from "./layers/operator.js";
import { averagePool, maxPool } from "./layers/pool.js";
import type { TensorFlow } from "./tfjs.js";

export interface PlacedOperator extends Operator {
  /** How many of the network's layers are done behind it. */
  depth: number;
}

export function operatorsOf(tf: TensorFlow, network: Network): PlacedOperator[] {
  return placedLayers(network).map((placed) => ({ ...operatorOf(tf, placed), depth: placed.depth }));
}

function operatorOf(tf: TensorFlow, { layer, input, output, batchNorm }: PlacedLayer): Operator {
  switch (layer.kind) {
    case "convolution":
      return convolution(tf, { ...layer, input, output, batchNorm });
    case "activation":
      return activation(tf, layer.activation, layer.width);
    case "max-pool":
      return maxPool(tf, layer);
    case "average-pool":
      return averagePool(tf, layer);
  }
}
