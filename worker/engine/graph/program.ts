/** A network as one TensorFlow graph: a slot of training, or a pass, is one call of the library. */
import type { Tensor } from "@tensorflow/tfjs-core";
import { type Layout, tensorNamed } from "../../../shared/core/layout.js";
import type { VectorMemory } from "../../../shared/core/vectors/vector-memory.js";
import type { Network } from "../../../shared/networks/network.js";
import { slotLoss } from "../../core/losses/slot-loss.js";
import { LoadedParameters, ParameterPlaces } from "../eager/parameters.js";
import type { TensorFlow } from "../eager/tfjs.js";
import type { Pass, Program, PushSink, Statistics, SurrogateSlope } from "../program.js";
import { type CompiledNetwork, FEEDS, type PassCalls, parameterFed } from "./compile.js";
import type { GraphCall } from "./graph-builder.js";
import type { GraphSession } from "./session.js";

/** What a call is fed besides parameters. */
type Fed = Readonly<Record<string, Tensor>>;

/** A network that is compiled and loaded. */
export interface LoadedGraph {
  compiled: CompiledNetwork;
  session: GraphSession;
}

export interface GraphProgramOptions {
  /** Where parameters are kept, if the engine may read them in place. */
  memory?: VectorMemory | undefined;
  onDispose: () => void;
}

export class GraphProgram implements Program {
  readonly network: Network;
  readonly layout: Layout;
  readonly #tf: TensorFlow;
  readonly #graph: LoadedGraph;
  readonly #options: GraphProgramOptions;
  /** Where the tensors of the parameters lie, once some were loaded. */
  #places: ParameterPlaces | undefined;
  #parameters: LoadedParameters | undefined;
  /** Parameters with stored moments in them, once something asked for them. */
  #folded: Map<string, Tensor> | undefined;
  #isDisposed = false;

  constructor(
    tf: TensorFlow,
    network: Network,
    layout: Layout,
    graph: LoadedGraph,
    options: GraphProgramOptions,
  ) {
    this.network = network;
    this.layout = layout;
    this.#tf = tf;
    this.#graph = graph;
    this.#options = options;
  }

  load(vector: Float32Array): void {
    this.#forget();
    const { memory } = this.#options;
    if (memory !== undefined) this.#places ??= new ParameterPlaces(memory, this.layout);
    this.#parameters = new LoadedParameters(this.#tf, this.layout, vector, this.#places);
  }

  train(inputs: Float32Array, labels: Uint8Array, sink: PushSink): void {
    const { train, trained, still } = this.#graph.compiled;
    if (labels.length === 0) {
      // No image moves nothing; the library refuses some operations on nothing.
      sink.add(0, new Float32Array(this.layout.pushSize));
      return;
    }
    const classes = this.#tf.tensor1d(Int32Array.from(labels), "int32");
    const [z, ...values] = this.#call(train, {
      [FEEDS.images]: this.#images(inputs),
      [FEEDS.labels]: classes,
    });
    sink.add(this.layout.size, slotLoss(this.network, valuesOf(z!), labels).tail);
    values.forEach((tensor, i) => {
      const { offset } = tensorNamed(this.layout, trained[i]!);
      sink.add(offset, valuesOf(tensor));
    });
    for (const name of still) {
      const { offset, size } = tensorNamed(this.layout, name);
      sink.add(offset, new Float32Array(size));
    }
  }

  forward(inputs: Float32Array, statistics: Statistics): Pass {
    const calls = this.#graph.compiled.pass[statistics];
    const images = this.#images(inputs);
    const run = (call: GraphCall, fed: Fed): Tensor[] => this.#run(call, fed);
    return new GraphPass(this.#tf, calls, images, this.network.outputs, run);
  }

  predict(inputs: Float32Array): Float32Array {
    if (inputs.length === 0) return new Float32Array(0);
    const [z] = this.#call(this.#graph.compiled.predict, { [FEEDS.images]: this.#images(inputs) });
    return valuesOf(z!);
  }

  features(inputs: Float32Array): Float32Array[] {
    const { features } = this.#graph.compiled;
    // The library refuses to be asked for nothing.
    if (features.fetches.length === 0) return [];
    return this.#call(features, { [FEEDS.images]: this.#images(inputs) }).map(valuesOf);
  }

  dispose(): void {
    this.#forget();
    this.#places?.release();
    this.#places = undefined;
    if (!this.#isDisposed) this.#options.onDispose();
    this.#isDisposed = true;
  }

  #forget(): void {
    for (const tensor of this.#folded?.values() ?? []) tensor.dispose();
    this.#folded = undefined;
    this.#parameters?.dispose();
    this.#parameters = undefined;
  }

  /** The same as `#run`, and disposes what it is fed. */
  #call(call: GraphCall, fed: Fed): Tensor[] {
    try {
      return this.#run(call, fed);
    } finally {
      for (const tensor of Object.values(fed)) tensor.dispose();
    }
  }

  #run(call: GraphCall, fed: Fed): Tensor[] {
    const parameters = this.#loaded();
    return this.#graph.session.run(call, (name) => {
      const own = parameterFed(name);
      const tensor = own === undefined ? (fed[name] ?? this.#fold().get(name)) : parameters.get(own);
      if (tensor === undefined) throw new RangeError(`Nothing is fed as "${name}"`);
      return tensor;
    });
  }

  #fold(): Map<string, Tensor> {
    const { fold, folded } = this.#graph.compiled;
    if (this.#folded === undefined) {
      const tensors = this.#run(fold, {});
      this.#folded = new Map(folded.map((name, i) => [name, tensors[i]!]));
    }
    return this.#folded;
  }

  /** [images, height, width, channels] */
  #images(inputs: Float32Array): Tensor {
    const { height, width, channels } = this.network.input;
    const count = inputs.length / (height * width * channels);
    return this.#tf.tensor4d(inputs, [count, height, width, channels]);
  }

  #loaded(): LoadedParameters {
    if (this.#parameters === undefined) throw new RangeError("Load parameters before using the network");
    return this.#parameters;
  }
}

/** Its values; the tensor is disposed. */
function valuesOf(tensor: Tensor): Float32Array {
  const values = tensor.dataSync<"float32">();
  tensor.dispose();
  return values;
}

/** What a forward pass left in the library, until it is disposed. */
class GraphPass implements Pass {
  readonly outputs: Float32Array;
  readonly #tf: TensorFlow;
  readonly #calls: PassCalls;
  readonly #width: number;
  readonly #run: (call: GraphCall, fed: Fed) => Tensor[];
  readonly #held: Record<string, Tensor> = {};

  /** Takes `images` over. */
  constructor(
    tf: TensorFlow,
    calls: PassCalls,
    images: Tensor,
    width: number,
    run: (call: GraphCall, fed: Fed) => Tensor[],
  ) {
    this.#tf = tf;
    this.#calls = calls;
    this.#width = width;
    this.#run = run;
    this.#held[FEEDS.images] = images;
    const [z, ...held] = this.#first();
    calls.held.forEach((name, i) => (this.#held[name] = held[i]!));
    this.outputs = valuesOf(z!);
  }

  #first(): Tensor[] {
    try {
      return this.#run(this.#calls.forward, this.#held);
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  inputGradient(outputGradient: Float32Array, surrogate?: SurrogateSlope): Float32Array {
    const call = this.#calls.backward[surrogate?.kind ?? "true"];
    const fed = {
      [FEEDS.gradient]: this.#tf.tensor2d(outputGradient, [outputGradient.length / this.#width, this.#width]),
      [FEEDS.surrogate]: this.#tf.scalar(surrogate?.width ?? 1),
    };
    try {
      const [gradient] = this.#run(call, { ...this.#held, ...fed });
      return valuesOf(gradient!);
    } finally {
      for (const tensor of Object.values(fed)) tensor.dispose();
    }
  }

  dispose(): void {
    for (const tensor of Object.values(this.#held)) tensor.dispose();
  }
}
