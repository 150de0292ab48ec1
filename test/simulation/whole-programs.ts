/** Programs of whole numbers (arithmetic.ts): what the product's engine host computes with, in a simulated worker. */
import type { Layout } from "../../shared/core/layout.js";
import type { VectorStore } from "../../shared/core/vectors/vector-memory.js";
import type { Network } from "../../shared/networks/network.js";
import type { Pass, Program, Programs, PushSink } from "../../worker/engine/program.js";
import { inputGradientFor, outputsFor, printOf, slotPush } from "./arithmetic.js";

/** Who owns the engine. */
export interface WholeEngine {
  /** A slot is computed now. Returns what is made of its right values, which stay as they are. */
  slot(right: Float32Array, layout: Layout): Float32Array;
  /** So many images are shown now. */
  shown(images: number): void;
}

/** It takes no time, and spoils nothing. */
export const RIGHT_AT_ONCE: WholeEngine = { slot: (right) => right, shown: () => undefined };

export class WholePrograms implements Programs {
  readonly info = { name: "wasm", version: "simulated", device: "cpu" } as const;
  readonly #engine: WholeEngine;
  #living = 0;

  constructor(engine: WholeEngine) {
    this.#engine = engine;
  }

  selfTest(): ReturnType<Programs["selfTest"]> {
    return { passed: true, seconds: 0, checks: [] };
  }

  create(network: Network, layout: Layout): Program {
    this.#living++;
    return new WholeProgram(network, layout, this.#engine, () => this.#living--);
  }

  living(): ReturnType<Programs["living"]> {
    return { tensors: this.#living, tensorBytes: 0 };
  }
}

class WholeProgram implements Program {
  readonly network: Network;
  readonly layout: Layout;
  readonly dispose: () => void;
  readonly #engine: WholeEngine;
  readonly #imageSize: number;
  /** A fingerprint. */
  #weights: number | undefined;

  constructor(network: Network, layout: Layout, engine: WholeEngine, dispose: () => void) {
    const { height, width, channels } = network.input;
    this.network = network;
    this.layout = layout;
    this.dispose = dispose;
    this.#engine = engine;
    this.#imageSize = height * width * channels;
  }

  load(parameters: Float32Array): void {
    this.#weights = printOf(parameters);
  }

  train(inputs: Float32Array, labels: Uint8Array, sink: PushSink): void {
    const { layout } = this;
    const values = this.#engine.slot(slotPush(layout, this.#print, inputs, labels), layout);
    // As real ones do: what is known after the forward pass, then the gradients, last layer first.
    sink.add(layout.size, values.subarray(layout.size));
    for (const { offset, size } of [...layout.tensors].reverse())
      sink.add(offset, values.subarray(offset, offset + size));
  }

  predict(inputs: Float32Array): Float32Array {
    const { outputs } = this.network;
    const images = inputs.length / this.#imageSize;
    this.#engine.shown(images);
    const found = new Float32Array(images * outputs);
    for (let i = 0; i < images; i++) {
      const input = inputs.subarray(i * this.#imageSize, (i + 1) * this.#imageSize);
      found.set(outputsFor(this.#print, input, outputs), i * outputs);
    }
    return found;
  }

  forward(inputs: Float32Array): Pass {
    const outputs = this.predict(inputs);
    const print = this.#print;
    return {
      outputs,
      inputGradient: (outputGradient) => inputGradientFor(print, inputs, outputGradient),
      dispose: () => undefined,
    };
  }

  features(): Float32Array[] {
    throw new RangeError("The simulated engine knows no features");
  }

  get #print(): number {
    if (this.#weights === undefined) throw new RangeError("Load parameters before using the network");
    return this.#weights;
  }
}

/** Plain arrays: a WebAssembly memory for each of a thousand workers would take the address space. */
export const PLAIN_VECTORS: VectorStore = {
  allocate: (length) => new Float32Array(length),
  copyOf: (values) => values.slice(),
  release: () => undefined,
};
