/** Runs a network that is described as data (shared/networks) on TensorFlow.js: forward, backward, parameters. */
import type { Layout } from "../../../shared/core/layout.js";
import { VectorMemory } from "../../../shared/core/vectors/vector-memory.js";
import { type Extent, type Layer, type Network, extents } from "../../../shared/networks/network.js";
import { activation } from "./layers/activation.js";
import { convolution } from "./layers/convolution.js";
import type {
  Emit,
  Operator,
  Parameters,
  Statistics,
  SurrogateSlope,
  TensorFlow,
} from "./layers/operator.js";
import { averagePool, maxPool } from "./layers/pool.js";
import type { Tensor } from "@tensorflow/tfjs-core";

/** A forward pass that can be walked back, more than once; `dispose` frees its tensors. */
export interface Pass {
  /** z of the last layer, [batch x outputs], row after row. */
  outputs: Float32Array;
  /**
   * Walks back from ∂L/∂z [batch x outputs]. With `emit`, weight gradients leave as they are ready, last layer first.
   * Returns ∂L/∂input [batch, height, width, channels] (the caller disposes it) when `wantInput`.
   */
  backward(
    gradient: Float32Array,
    options: { emit?: Emit; wantInput: boolean; surrogate?: SurrogateSlope | undefined },
  ): Tensor | undefined;
  dispose(): void;
}

export class NetworkEngine {
  readonly #tf: TensorFlow;
  readonly #network: Network;
  readonly #layout: Layout;
  readonly #operators: Operator[];
  /** Where the tensors of the parameters lie, by name, once some were loaded. */
  #places: Map<string, Float32Array> | undefined;
  #parameters: LoadedParameters | undefined;

  constructor(tf: TensorFlow, network: Network, layout: Layout) {
    this.#tf = tf;
    this.#network = network;
    this.#layout = layout;
    this.#operators = operatorsOf(tf, network);
  }

  /** Replaces the parameters. The vector's values are copied. */
  load(vector: Float32Array): void {
    this.#parameters?.dispose();
    this.#places ??= this.#newPlaces();
    this.#parameters = new LoadedParameters(this.#tf, this.#layout, vector, this.#places);
  }

  /** Input: [batch, height, width, channels], mean subtracted; copied. `emitMoment` receives batch moments. */
  forward(input: Float32Array, statistics: Statistics, emitMoment?: Emit): Pass {
    const tf = this.#tf;
    const parameters = this.#loaded();
    const { height, width, channels } = this.#network.input;
    const count = input.length / (height * width * channels);
    const records: { input: Tensor; output: Tensor; saved: readonly Tensor[]; statistics: Statistics }[] = [];
    const first = tf.tensor4d(input, [count, height, width, channels]);
    let current: Tensor = first;
    for (const operator of this.#operators) {
      const { output, saved } = operator.forward(parameters, current, statistics, emitMoment);
      records.push({ input: current, output, saved, statistics });
      current = output;
    }
    const outputs = current.dataSync<"float32">();
    const shape = [count, 1, 1, this.#network.outputs];

    return {
      outputs,
      backward: (gradient, { emit, wantInput, surrogate }) => {
        let flowing: Tensor = tf.tensor(gradient, shape);
        for (let i = records.length - 1; i >= 0; i--) {
          const operator = this.#operators[i] as Operator;
          const next = operator.backward(
            parameters,
            { ...(records[i] as (typeof records)[0]), surrogate },
            flowing,
            i > 0 || wantInput,
            emit,
          );
          flowing.dispose();
          if (next === undefined) return undefined;
          flowing = next;
        }
        return flowing;
      },
      dispose: () => {
        first.dispose();
        for (const record of records) {
          record.output.dispose();
          for (const tensor of record.saved) tensor.dispose();
        }
      },
    };
  }

  /** Outputs z alone, without keeping what backward would need: for measuring. Uses stored moments. */
  predict(input: Float32Array): Float32Array {
    const tf = this.#tf;
    const parameters = this.#loaded();
    const { height, width, channels } = this.#network.input;
    let current: Tensor = tf.tensor4d(input, [
      input.length / (height * width * channels),
      height,
      width,
      channels,
    ]);
    for (const operator of this.#operators) {
      const { output } = operator.forward(parameters, current, "stored", undefined);
      current.dispose();
      current = output;
    }
    const outputs = current.dataSync<"float32">();
    current.dispose();
    return outputs;
  }

  dispose(): void {
    this.#parameters?.dispose();
    this.#parameters = undefined;
    for (const place of this.#places?.values() ?? []) parameterMemory?.release(place);
    this.#places = undefined;
  }

  /** Memory for each tensor that is used again and again, and that TensorFlow reads in place. */
  #newPlaces(): Map<string, Float32Array> | undefined {
    // A GPU may still be reading what was loaded before.
    if ((this.#tf.backend() as { isUsingGpuDevice?: boolean }).isUsingGpuDevice === true) return undefined;
    const memory = (parameterMemory ??= new VectorMemory());
    return new Map(this.#layout.tensors.map(({ name, size }) => [name, memory.allocate(size)]));
  }

  #loaded(): LoadedParameters {
    if (this.#parameters === undefined) throw new RangeError("Load parameters before using the network");
    return this.#parameters;
  }
}

/** Batch norm belongs to the convolution in front of it; every other layer is an operator of its own. */
function operatorsOf(tf: TensorFlow, network: Network): Operator[] {
  const sizes = extents(network);
  const operators: Operator[] = [];
  network.layers.forEach((layer, i) => {
    if (layer.kind === "batch-norm") {
      if (network.layers[i - 1]?.kind !== "convolution")
        throw new RangeError("Batch norm must follow a convolution");
      return;
    }
    operators.push(operatorOf(tf, layer, sizes[i] as Extent, sizes[i + 1] as Extent, network.layers[i + 1]));
  });
  return operators;
}

function operatorOf(
  tf: TensorFlow,
  layer: Layer,
  input: Extent,
  output: Extent,
  next: Layer | undefined,
): Operator {
  switch (layer.kind) {
    case "convolution":
      return convolution(tf, {
        ...layer,
        input,
        output,
        batchNorm: next?.kind === "batch-norm" ? next.name : undefined,
      });
    case "activation":
      return activation(tf, layer.activation);
    case "max-pool":
      return maxPool(tf, layer);
    case "average-pool":
      return averagePool(tf, layer);
    case "batch-norm":
      throw new RangeError("Batch norm belongs to the convolution in front of it");
  }
}

/** Of all networks of this thread. */
let parameterMemory: VectorMemory | undefined;

class LoadedParameters implements Parameters {
  readonly #tensors = new Map<string, Tensor>();
  readonly #derived = new Map<string, Tensor>();
  readonly #tf: TensorFlow;

  constructor(
    tf: TensorFlow,
    layout: Layout,
    vector: Float32Array,
    places: ReadonlyMap<string, Float32Array> | undefined,
  ) {
    this.#tf = tf;
    for (const { name, offset, size, shape } of layout.tensors) {
      // Engines may read the array for as long as the tensor lives.
      const place = places?.get(name) ?? new Float32Array(size);
      place.set(vector.subarray(offset, offset + size));
      this.#tensors.set(name, tf.tensor(place, [...shape]));
    }
  }

  get(name: string): Tensor {
    const tensor = this.#tensors.get(name);
    if (tensor === undefined) throw new RangeError(`There is no parameter "${name}"`);
    return tensor;
  }

  derived(name: string, compute: () => Tensor): Tensor {
    let tensor = this.#derived.get(name);
    if (tensor === undefined) {
      tensor = this.#tf.keep(this.#tf.tidy(compute));
      this.#derived.set(name, tensor);
    }
    return tensor;
  }

  dispose(): void {
    for (const tensor of [...this.#tensors.values(), ...this.#derived.values()]) tensor.dispose();
    this.#tensors.clear();
    this.#derived.clear();
  }
}
