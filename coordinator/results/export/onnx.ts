/**
 * ONNX, opset 17, from stock operators only. Input `pixels` [n, height, width, channels] in 0..255; the mean is
 * subtracted inside. Outputs [n, classes]: `logits` (z, or −z² behind an RBF head), and `confidences` (softmax of z, or
 * exp(−z²)). Operators and numbers: the ONNX specification.
 */
import type { Layer, Padding } from "../../../shared/networks/network.js";
import { onnx } from "../../../shared/proto/generated/onnx.js";
import type { ExportFormat, ExportedModel } from "./export-format.js";
import { VARIANCE_EPSILON, shapeOf, valuesOf, varianceOf } from "./model-tensors.js";
import { at } from "../../../shared/core/at.js";

export const onnxFormat: ExportFormat = {
  of: "model",
  makes: "file",
  name: "onnx",
  suffix: ".onnx",
  render: onnxModel,
};

const OPSET = 17;
/** The version of the file format that came with opset 17. */
const IR_VERSION = 8;
const FLOAT = 1;
const ATTRIBUTE = { float: 1, integer: 2, integers: 7 } as const;

type Node = onnx.NodeProto.$Properties;
type Attributes = Record<string, onnx.AttributeProto.$Properties>;

const integer = (i: number): onnx.AttributeProto.$Properties => ({ i, type: ATTRIBUTE.integer });
const integers = (ints: readonly number[]): onnx.AttributeProto.$Properties => ({
  ints: [...ints],
  type: ATTRIBUTE.integers,
});

/** Nodes and constants in the order in which they were asked for. */
class Graph {
  readonly nodes: Node[] = [];
  readonly constants: onnx.TensorProto.$Properties[] = [];
  #made = 0;

  /** Returns the name of the node's one output, `output` where it is given. */
  node(type: string, input: readonly string[], attributes: Attributes = {}, output?: string): string {
    const name = output ?? `${type.toLowerCase()}_${++this.#made}`;
    this.nodes.push({
      opType: type,
      name,
      input: [...input],
      output: [name],
      attribute: Object.entries(attributes).map(([key, attribute]) => ({ ...attribute, name: key })),
    });
    return name;
  }

  /** Returns `name`; a constant of that name is kept once. */
  constant(name: string, dims: readonly number[], values: Float32Array): string {
    if (!this.constants.some((constant) => constant.name === name)) {
      const rawData = new Uint8Array(Float32Array.from(values).buffer);
      this.constants.push({ name, dims: [...dims], dataType: FLOAT, rawData });
    }
    return name;
  }
}

function onnxModel(model: ExportedModel): Uint8Array {
  const { network, mean, facts } = model;
  const { height, width, channels } = network.input;
  const graph = new Graph();
  const centred = graph.node("Sub", [
    "pixels",
    graph.constant("mean_image", [height, width, channels], mean),
  ]);
  let current = graph.node("Transpose", [centred], { perm: integers([0, 3, 1, 2]) });
  for (const layer of network.layers) current = addLayer(graph, model, layer, current);
  addHead(graph, model, graph.node("Flatten", [current], { axis: integer(1) }));

  const file: onnx.ModelProto.$Properties = {
    irVersion: IR_VERSION,
    opsetImport: [{ domain: "", version: OPSET }],
    producerName: "saf",
    producerVersion: facts.saf_version,
    docString: `${facts.model} on ${facts.dataset}; pixels 0..255 in, channels last`,
    metadataProps: Object.entries<string>({ ...facts }).map(([key, value]) => ({ key, value })),
    graph: {
      name: facts.model,
      node: graph.nodes,
      initializer: graph.constants,
      input: [value("pixels", ["n", height, width, channels], "pixel values 0..255, channels last")],
      output: [
        value("logits", ["n", network.outputs], "their softmax is the normalised confidence"),
        value("confidences", ["n", network.outputs], "the network's own confidence in each class"),
      ],
    },
  };
  return onnx.ModelProto.encode(file).finish();
}

function addLayer(graph: Graph, model: ExportedModel, layer: Layer, input: string): string {
  switch (layer.kind) {
    case "convolution": {
      const weight = `${layer.name}/weight`;
      const [rows = 0, columns = 0, ins = 0, outs = 0] = shapeOf(model, weight);
      const filter = filterFirst(valuesOf(model, weight), [rows, columns, ins, outs]);
      return graph.node(
        "Conv",
        [
          input,
          graph.constant(weight, [outs, ins, rows, columns], filter),
          graph.constant(`${layer.name}/bias`, [outs], valuesOf(model, `${layer.name}/bias`)),
        ],
        { kernel_shape: integers(layer.kernel), pads: pads(layer.padding) },
      );
    }
    case "batch-norm": {
      const { name } = layer;
      const part = (what: string, values: Float32Array): string =>
        graph.constant(`${name}/${what}`, [values.length], values);
      return graph.node(
        "BatchNormalization",
        [
          input,
          ...["scale", "shift", "mean"].map((what) => part(what, valuesOf(model, `${name}/${what}`))),
          part("variance", varianceOf(model, name)),
        ],
        { epsilon: { f: VARIANCE_EPSILON, type: ATTRIBUTE.float } },
      );
    }
    case "activation":
      return addActivation(graph, layer, input);
    case "max-pool":
      return graph.node("MaxPool", [input], window(layer));
    case "average-pool":
      // An average counts the pixels inside the image alone: METHOD.md 1.5.
      return graph.node("AveragePool", [input], { ...window(layer), count_include_pad: integer(0) });
  }
}

function addActivation(
  graph: Graph,
  { activation, width = 1 }: Extract<Layer, { kind: "activation" }>,
  input: string,
): string {
  if (activation === "relu") return graph.node("Relu", [input]);
  const scaled =
    width === 1
      ? input
      : graph.node("Div", [input, graph.constant("activation_width", [], Float32Array.of(width))]);
  switch (activation) {
    case "mrelu": {
      const one = graph.constant("one", [], Float32Array.of(1));
      return graph.node("Relu", [graph.node("Sub", [one, graph.node("Abs", [scaled])])]);
    }
    case "rbf":
      return graph.node("Exp", [graph.node("Neg", [graph.node("Mul", [scaled, scaled])])]);
  }
}

function addHead(graph: Graph, { network }: ExportedModel, z: string): void {
  if (network.head.kind === "softmax") {
    graph.node("Identity", [z], {}, "logits");
    graph.node("Softmax", ["logits"], { axis: integer(1) }, "confidences");
  } else {
    graph.node("Neg", [graph.node("Mul", [z, z])], {}, "logits");
    graph.node("Exp", ["logits"], {}, "confidences");
  }
}

/** ONNX wants both beginnings, then both ends; ours is top, bottom, left, right. */
function pads([top, bottom, left, right]: Padding): onnx.AttributeProto.$Properties {
  return integers([top, left, bottom, right]);
}

function window(layer: { size: number; stride: number; padding: Padding }): Attributes {
  const { size, stride, padding } = layer;
  return {
    kernel_shape: integers([size, size]),
    strides: integers([stride, stride]),
    pads: pads(padding),
  };
}

/** [rows, columns, in, out] to [out, in, rows, columns]. */
function filterFirst(
  values: Float32Array,
  [rows, columns, ins, outs]: readonly [number, number, number, number],
): Float32Array {
  const moved = new Float32Array(values.length);
  for (let cell = 0; cell < rows * columns; cell++) {
    for (let i = 0; i < ins; i++) {
      for (let o = 0; o < outs; o++) {
        moved[(o * ins + i) * rows * columns + cell] = at(values, (cell * ins + i) * outs + o);
      }
    }
  }
  return moved;
}

function value(
  name: string,
  extents: readonly (number | string)[],
  docString: string,
): onnx.ValueInfoProto.$Properties {
  const dim = extents.map((extent) =>
    typeof extent === "string" ? { dimParam: extent } : { dimValue: extent },
  );
  return { name, docString, type: { tensorType: { elemType: FLOAT, shape: { dim } } } };
}
