/** A network that is described as data (shared/networks) on TensorFlow.js, operation by operation. */
import type { Tensor, Tensor4D } from "@tensorflow/tfjs-core";
import { type Layout, tensorNamed } from "../../../shared/core/layout.js";
import type { VectorMemory } from "../../../shared/core/vectors/vector-memory.js";
import { featureTaps } from "../../../shared/features.js";
import type { Network } from "../../../shared/networks/network.js";
import { slotLoss } from "../../core/losses/slot-loss.js";
import type { Program, PushSink, Statistics } from "../program.js";
import type { Emit } from "./layers/operator.js";
import { type PlacedOperator, operatorsOf } from "./operators.js";
import { LoadedParameters, ParameterPlaces } from "./parameters.js";
import { EagerPass } from "./pass.js";
import type { TensorFlow } from "./tfjs.js";

export class EagerProgram implements Program {
  readonly network: Network;
  readonly layout: Layout;
  readonly #tf: TensorFlow;
  readonly #operators: PlacedOperator[];
  readonly #memory: VectorMemory | undefined;
  /** Where the tensors of the parameters lie, once some were loaded. */
  #places: ParameterPlaces | undefined;
  #parameters: LoadedParameters | undefined;

  /** `memory`: where parameters are kept, if the engine may read them in place. */
  constructor(tf: TensorFlow, network: Network, layout: Layout, memory?: VectorMemory) {
    this.network = network;
    this.layout = layout;
    this.#tf = tf;
    this.#operators = operatorsOf(tf, network);
    this.#memory = memory;
  }

  load(vector: Float32Array): void {
    this.#parameters?.dispose();
    if (this.#memory !== undefined) this.#places ??= new ParameterPlaces(this.#memory, this.layout);
    this.#parameters = new LoadedParameters(this.#tf, this.layout, vector, this.#places);
  }

  train(inputs: Float32Array, labels: Uint8Array, sink: PushSink): void {
    const emit: Emit = (name, values) =>
      sink.add(tensorNamed(this.layout, name).offset, values.dataSync<"float32">());
    const pass = this.forward(inputs, "batch", emit);
    try {
      const { tail, gradient } = slotLoss(this.network, pass.outputs, labels);
      sink.add(this.layout.size, tail);
      pass.backward(gradient, { emit, wantInput: false });
    } finally {
      pass.dispose();
    }
  }

  /** `emitMoment` receives batch moments. */
  forward(inputs: Float32Array, statistics: Statistics, emitMoment?: Emit): EagerPass {
    const parameters = this.#loaded();
    return new EagerPass(this.#tf, this.#operators, parameters, this.#images(inputs), statistics, emitMoment);
  }

  predict(inputs: Float32Array): Float32Array {
    const [outputs] = this.#valuesAt(inputs, [this.network.layers.length]);
    return outputs!;
  }

  features(inputs: Float32Array): Float32Array[] {
    return this.#valuesAt(
      inputs,
      featureTaps(this.network).map(({ depth }) => depth),
    );
  }

  dispose(): void {
    this.#parameters?.dispose();
    this.#parameters = undefined;
    this.#places?.release();
    this.#places = undefined;
  }

  /** What stands behind so many layers (rising), with stored statistics; keeps nothing that backward would need. */
  #valuesAt(inputs: Float32Array, depths: readonly number[]): Float32Array[] {
    const parameters = this.#loaded();
    const last = depths.at(-1) ?? 0;
    const found: Float32Array[] = [];
    let current: Tensor = this.#images(inputs);
    for (const operator of this.#operators) {
      if (operator.depth > last) break;
      const { output } = operator.forward(parameters, current, "stored", undefined);
      current.dispose();
      current = output;
      if (depths.includes(operator.depth)) found.push(current.dataSync<"float32">());
    }
    current.dispose();
    return found;
  }

  /** [images, height, width, channels]; the array is copied. */
  #images(inputs: Float32Array): Tensor4D {
    const { height, width, channels } = this.network.input;
    const count = inputs.length / (height * width * channels);
    return this.#tf.tensor4d(inputs, [count, height, width, channels]);
  }

  #loaded(): LoadedParameters {
    if (this.#parameters === undefined) throw new RangeError("Load parameters before using the network");
    return this.#parameters;
  }
}
