/** The parameter vector of one program as tensors. */
import type { Tensor } from "@tensorflow/tfjs-core";
import type { Layout } from "../../../shared/core/layout.js";
import type { VectorMemory } from "../../../shared/core/vectors/vector-memory.js";
import type { Parameters } from "./layers/operator.js";
import type { TensorFlow } from "./tfjs.js";

/** Memory for each tensor that is used again and again, and that TensorFlow reads in place. */
export class ParameterPlaces {
  readonly #memory: VectorMemory;
  readonly #places: Map<string, Float32Array>;

  constructor(memory: VectorMemory, layout: Layout) {
    this.#memory = memory;
    this.#places = new Map(layout.tensors.map(({ name, size }) => [name, memory.allocate(size)]));
  }

  of(name: string): Float32Array | undefined {
    return this.#places.get(name);
  }

  release(): void {
    for (const place of this.#places.values()) this.#memory.release(place);
    this.#places.clear();
  }
}

export class LoadedParameters implements Parameters {
  readonly #tensors = new Map<string, Tensor>();
  readonly #derived = new Map<string, Tensor>();
  readonly #tf: TensorFlow;

  /** The vector's values are copied. */
  constructor(tf: TensorFlow, layout: Layout, vector: Float32Array, places: ParameterPlaces | undefined) {
    this.#tf = tf;
    for (const { name, offset, size, shape } of layout.tensors) {
      // Engines may read the array for as long as the tensor lives.
      const place = places?.of(name) ?? new Float32Array(size);
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
