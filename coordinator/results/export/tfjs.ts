/**
 * A TensorFlow.js layers model: model.json and weights in shards, for `tf.loadLayersModel` of TensorFlow.js 4 without any
 * code of ours. No stock layer is a symmetric activation, so they are composed:
 * max(0, 1 − |x|) = min(relu(1 − x), relu(1 + x)), and exp(−x²) = elu(−x²) + 1, for elu(u) = exp(u) − 1 where u <= 0; an
 * activation's width stands in the factors of x and x².
 * Input [n, height, width, channels] in 0..255; outputs `logits` and `confidences`, as in the ONNX model.
 */
import { ClusterError } from "../../../shared/errors.js";
import { type Extent, type Layer, extents } from "../../../shared/networks/network.js";
import type { ExportFormat, ExportedModel, FolderContent } from "./export-format.js";
import { VARIANCE_EPSILON, shapeOf, valuesOf, varianceOf } from "./model-tensors.js";
import { at } from "../../../shared/core/at.js";

export const tfjsFormat: ExportFormat = {
  of: "model",
  makes: "folder",
  name: "tfjs",
  suffix: "-tfjs",
  owns: /^(model\.json|group1-shard\d+of\d+\.bin)$/,
  render: tfjsModel,
};

const SHARD_BYTES = 4 * 1024 * 1024;

interface Weight {
  name: string;
  shape: readonly number[];
  values: Float32Array;
}

/** Layers as the file lists them, each behind those whose outputs it takes, and their weights. */
class Topology {
  readonly layers: object[] = [];
  readonly weights: Weight[] = [];
  #made = 0;

  /** Returns the layer's name, `called` where it is given. `weights` are named "layer/part". */
  add(
    type: string,
    inputs: readonly string[],
    config: object,
    { called, weights = [] }: { called?: string; weights?: readonly Weight[] } = {},
  ): string {
    const name = called ?? `${type.toLowerCase()}_${++this.#made}`;
    this.layers.push({
      class_name: type,
      name,
      config: { name, trainable: true, dtype: "float32", ...config },
      inbound_nodes: inputs.length === 0 ? [] : [inputs.map((input) => [input, 0, 0, {}])],
    });
    this.weights.push(...weights.map((weight) => ({ ...weight, name: `${name}/${weight.name}` })));
    return name;
  }
}

function tfjsModel(model: ExportedModel): FolderContent {
  const { network, facts } = model;
  const { height, width, channels } = network.input;
  const topology = new Topology();
  const shape = [null, height, width, channels];
  const pixels = topology.add("InputLayer", [], { batch_input_shape: shape }, { called: "pixels" });
  let current = addMean(topology, model, pixels);
  const sizes = extents(network);
  network.layers.forEach((layer, i) => {
    current = addLayer(topology, model, layer, current, {
      input: at(sizes, i),
      output: at(sizes, i + 1),
    });
  });
  const outputs = addHead(topology, model, topology.add("Flatten", [current], {}));

  const shards = shardsOf(topology.weights);
  const names = shards.map((_, i) => `group1-shard${i + 1}of${shards.length}.bin`);
  const description = {
    format: "layers-model",
    generatedBy: `saf ${facts.saf_version}`,
    convertedBy: null,
    modelTopology: {
      class_name: "Model",
      config: {
        name: facts.model,
        layers: topology.layers,
        input_layers: [[pixels, 0, 0]],
        output_layers: outputs.map((output) => [output, 0, 0]),
      },
      keras_version: "tfjs-layers 4.22.0",
      backend: "tensor_flow.js",
    },
    weightsManifest: [
      {
        paths: names,
        weights: topology.weights.map(({ name, shape: extent }) => ({
          name,
          shape: extent,
          dtype: "float32",
        })),
      },
    ],
    userDefinedMetadata: facts,
  };
  return {
    ...Object.fromEntries(names.map((name, i) => [name, at(shards, i)])),
    "model.json": `${JSON.stringify(description)}\n`,
  };
}

/** Pixel by pixel: a batch norm over the flattened image, of variance 1, subtracts and nothing else. */
function addMean(topology: Topology, { network, mean }: ExportedModel, input: string): string {
  const { height, width, channels } = network.input;
  const flat = topology.add("Flatten", [input], {});
  const shape = [mean.length];
  const centred = topology.add(
    "BatchNormalization",
    [flat],
    { axis: -1, epsilon: 0, center: false, scale: false },
    {
      called: "mean_image",
      weights: [
        { name: "moving_mean", shape, values: mean },
        { name: "moving_variance", shape, values: new Float32Array(mean.length).fill(1) },
      ],
    },
  );
  return topology.add("Reshape", [centred], { target_shape: [height, width, channels] });
}

function addLayer(
  topology: Topology,
  model: ExportedModel,
  layer: Layer,
  input: string,
  size: { input: Extent; output: Extent },
): string {
  switch (layer.kind) {
    case "convolution":
      return addConvolution(topology, model, layer, input);
    case "batch-norm": {
      const part = (name: string, values: Float32Array): Weight => ({ name, shape: [values.length], values });
      return topology.add(
        "BatchNormalization",
        [input],
        { axis: -1, epsilon: VARIANCE_EPSILON, center: true, scale: true },
        {
          called: layer.name,
          weights: [
            part("gamma", valuesOf(model, `${layer.name}/scale`)),
            part("beta", valuesOf(model, `${layer.name}/shift`)),
            part("moving_mean", valuesOf(model, `${layer.name}/mean`)),
            part("moving_variance", varianceOf(model, layer.name)),
          ],
        },
      );
    }
    case "activation":
      return addActivation(topology, layer, input);
    case "max-pool":
    case "average-pool":
      return topology.add(layer.kind === "max-pool" ? "MaxPooling2D" : "AveragePooling2D", [input], {
        pool_size: [layer.size, layer.size],
        strides: [layer.stride, layer.stride],
        padding: poolPadding(layer, size),
        data_format: "channels_last",
      });
  }
}

function addConvolution(
  topology: Topology,
  model: ExportedModel,
  layer: Extract<Layer, { kind: "convolution" }>,
  input: string,
): string {
  const { name, kernel, channels, padding } = layer;
  const [top, bottom, left, right] = padding;
  const padded = padding.every((extent) => extent === 0)
    ? input
    : topology.add("ZeroPadding2D", [input], {
        padding: [
          [top, bottom],
          [left, right],
        ],
        data_format: "channels_last",
      });
  return topology.add(
    "Conv2D",
    [padded],
    {
      filters: channels,
      kernel_size: kernel,
      strides: [1, 1],
      padding: "valid",
      data_format: "channels_last",
      activation: "linear",
      use_bias: true,
    },
    {
      called: name,
      weights: [
        {
          name: "kernel",
          shape: shapeOf(model, `${name}/weight`),
          values: valuesOf(model, `${name}/weight`),
        },
        { name: "bias", shape: [channels], values: valuesOf(model, `${name}/bias`) },
      ],
    },
  );
}

/**
 * "valid", or "same" where that puts the padding where the network has it: of an odd number of rows, the greater half at
 * the end. Throws ClusterError("config") for a padding that is neither.
 */
function poolPadding(
  layer: Extract<Layer, { kind: "max-pool" | "average-pool" }>,
  { input, output }: { input: Extent; output: Extent },
): "valid" | "same" {
  if (layer.padding.every((extent) => extent === 0)) return "valid";
  const split = (before: number, after: number): [number, number] => {
    const total = Math.max(0, (after - 1) * layer.stride + layer.size - before);
    return [Math.floor(total / 2), Math.ceil(total / 2)];
  };
  const same = [...split(input.height, output.height), ...split(input.width, output.width)];
  const isSame =
    output.height === Math.ceil(input.height / layer.stride) && same.join() === layer.padding.join();
  if (isSame) return "same";
  throw new ClusterError(
    "config",
    `Cannot export to tfjs: no stock layer is a ${layer.kind} with padding [${layer.padding.join(", ")}]`,
    { hint: "export to onnx, which has any padding" },
  );
}

function addActivation(
  topology: Topology,
  { activation, width = 1 }: Extract<Layer, { kind: "activation" }>,
  input: string,
): string {
  const scaled = (from: string, scale: number, offset: number): string =>
    topology.add("Rescaling", [from], { scale, offset });
  switch (activation) {
    case "relu":
      return topology.add("ReLU", [input], {});
    case "mrelu": {
      const falling = topology.add("ReLU", [scaled(input, -1 / width, 1)], {});
      const rising = topology.add("ReLU", [scaled(input, 1 / width, 1)], {});
      return topology.add("Minimum", [falling, rising], {});
    }
    case "rbf": {
      const negative = scaled(topology.add("Multiply", [input, input], {}), -1 / width ** 2, 0);
      return scaled(topology.add("ELU", [negative], { alpha: 1 }), 1, 1);
    }
  }
}

/** Returns the names of the two outputs. */
function addHead(topology: Topology, { network }: ExportedModel, z: string): string[] {
  if (network.head.kind === "softmax") {
    const logits = topology.add("Activation", [z], { activation: "linear" }, { called: "logits" });
    return [logits, topology.add("Softmax", [logits], { axis: -1 }, { called: "confidences" })];
  }
  const square = topology.add("Multiply", [z, z], {});
  const logits = topology.add("Rescaling", [square], { scale: -1, offset: 0 }, { called: "logits" });
  const exponential = topology.add("ELU", [logits], { alpha: 1 });
  const one = { scale: 1, offset: 1 };
  return [logits, topology.add("Rescaling", [exponential], one, { called: "confidences" })];
}

/** All values one after another, little-endian, cut into files of one size. */
function shardsOf(weights: readonly Weight[]): Uint8Array[] {
  const bytes = weights.map(
    ({ values }) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  );
  const all = Buffer.concat(bytes);
  const count = Math.max(1, Math.ceil(all.length / SHARD_BYTES));
  return Array.from({ length: count }, (_, i) => all.subarray(i * SHARD_BYTES, (i + 1) * SHARD_BYTES));
}
