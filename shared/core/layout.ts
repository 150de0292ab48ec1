/** Where each named tensor lies in the flat parameter vector that the cluster sends, sums and updates. */
import { RandomStream } from "../random.js";

/** How a tensor begins: METHOD.md 1.4 and 1.6. */
export type Initialisation = { kind: "normal"; deviation: number } | { kind: "constant"; value: number };

export interface TensorDefinition {
  /** "conv1/weight": layer, slash, part. */
  name: string;
  shape: readonly number[];
  /** A weight is trained; a moment is a running average of batch statistics. */
  role: "weight" | "moment";
  initial: Initialisation;
  /** Multiplies the learning rate. */
  rateMultiplier: number;
  /** Does weight decay apply? Never to batch norm. */
  decays: boolean;
}

export interface PlacedTensor extends TensorDefinition {
  /** Index of its first value in the vector. */
  offset: number;
  size: number;
}

export interface Layout {
  tensors: readonly PlacedTensor[];
  /** Values of the parameter vector: weights in network order, then moments. */
  size: number;
  /** Values of what a slot sends: the vector's gradients and moments, then loss sum, hits, samples. */
  pushSize: number;
}

/** Scalars behind the gradients in a push. */
export const TAIL = { loss: 0, hits: 1, samples: 2, length: 3 } as const;

/** Weights first, in the given order, then moments: the gradients that are ready last lie at the front. */
export function placeTensors(definitions: readonly TensorDefinition[]): Layout {
  const ordered = [
    ...definitions.filter((tensor) => tensor.role === "weight"),
    ...definitions.filter((tensor) => tensor.role === "moment"),
  ];
  let offset = 0;
  const tensors = ordered.map((tensor) => {
    const size = tensor.shape.reduce((product, extent) => product * extent, 1);
    const placed = { ...tensor, offset, size };
    offset += size;
    return placed;
  });
  return { tensors, size: offset, pushSize: offset + TAIL.length };
}

/** Values of the vector before the first moment. */
export function weightsEnd({ tensors, size }: Layout): number {
  return tensors.find(({ role }) => role === "moment")?.offset ?? size;
}

export function tensorNamed(layout: Layout, name: string): PlacedTensor {
  const tensor = layout.tensors.find((candidate) => candidate.name === name);
  if (tensor === undefined) throw new RangeError(`The layout has no tensor "${name}"`);
  return tensor;
}

/** The parameter vector before the first step: a pure function of the seed. */
export function initialParameters(layout: Layout, seed: number): Float32Array {
  const vector = new Float32Array(layout.size);
  layout.tensors.forEach((tensor, index) => {
    const part = vector.subarray(tensor.offset, tensor.offset + tensor.size);
    if (tensor.initial.kind === "constant") {
      part.fill(tensor.initial.value);
      return;
    }
    const stream = new RandomStream(seed, "initialisation", index);
    for (let i = 0; i < part.length; i++) part[i] = stream.normal() * tensor.initial.deviation;
  });
  return vector;
}
