/** A network's layers as operators with their sizes: batch norm belongs to the convolution in front of it, every other stands alone. */
import { at } from "../../shared/core/at.js";
import {
  type Extent,
  type Layer,
  type Network,
  type Padding,
  extents,
} from "../../shared/networks/network.js";

export interface PlacedLayer {
  layer: Exclude<Layer, { kind: "batch-norm" }>;
  input: Extent;
  output: Extent;
  /** Name of the batch norm that follows, if one does. */
  batchNorm: string | undefined;
  /** How many of the network's layers are done behind it. */
  depth: number;
}

/** A convolution and its place. */
export interface PlacedConvolution {
  name: string;
  kernel: readonly [number, number];
  channels: number;
  padding: Padding;
  input: Extent;
  output: Extent;
}

/** Throws RangeError for a batch norm that follows anything else. */
export function placedLayers(network: Network): PlacedLayer[] {
  const sizes = extents(network);
  return network.layers.flatMap((layer, i) => {
    if (layer.kind === "batch-norm") {
      if (network.layers[i - 1]?.kind !== "convolution")
        throw new RangeError("Batch norm must follow a convolution");
      return [];
    }
    const next = network.layers[i + 1];
    const batchNorm = next?.kind === "batch-norm" ? next.name : undefined;
    const depth = batchNorm === undefined ? i + 1 : i + 2;
    return [{ layer, input: at(sizes, i), output: at(sizes, i + 1), batchNorm, depth }];
  });
}
