/**
 * An engine that is made up: gradients are small whole numbers that follow from weights, images and labels, so sums of
 * them are exact in any order, and whoever uses the wrong weights or images gets other numbers.
 */
import { type Layout, TAIL } from "../../../shared/core/layout.js";
import { featureTaps } from "../../../shared/features.js";
import { type Network, extents } from "../../../shared/networks/network.js";
import type { Pass, Program, Programs, PushSink } from "../../../worker/engine/program.js";

/** A fingerprint of values, 32 bits. */
function printOf(values: Float32Array | Uint8Array, start = 17): number {
  let print = start;
  for (let i = 0; i < values.length; i++) {
    print = Math.imul(print ^ Math.round(4096 * (values[i] as number)), 0x01000193);
    // High bits go into low ones, or changes by powers of two would not be seen there.
    print ^= print >>> 13;
  }
  return print >>> 0;
}

/** From -8 to 7, or from so many below 0 to as many above. */
const small = (print: number, i: number, most = 8): number =>
  ((Math.imul(print ^ i, 0x9e3779b1) >>> 9) & (2 * most - 1)) - most;

/** So many small numbers, from place `first` on. */
function smalls(print: number, count: number, first = 0, most = 8): Float32Array {
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) values[i] = small(print, first + i, most);
  return values;
}

class IntegerProgram implements Program {
  readonly network: Network;
  readonly layout: Layout;
  readonly #living: { programs: number };
  readonly #most: number;
  #weights: number | undefined;

  constructor(network: Network, layout: Layout, living: { programs: number }, most: number) {
    this.#most = most;
    this.network = network;
    this.layout = layout;
    this.#living = living;
    living.programs++;
  }

  load(parameters: Float32Array): void {
    this.#weights = printOf(parameters);
  }

  train(inputs: Float32Array, labels: Uint8Array, sink: PushSink): void {
    const { tensors, size } = this.layout;
    const print = printOf(labels, printOf(inputs, this.#print()));
    const tail = new Float32Array(TAIL.length);
    [tail[TAIL.loss], tail[TAIL.hits], tail[TAIL.samples]] = [8 + small(print, -1), 0, labels.length];
    sink.add(size, tail);
    for (const { offset, size: count } of [...tensors].reverse())
      sink.add(offset, smalls(print, count, offset, this.#most));
  }

  predict(inputs: Float32Array): Float32Array {
    const { outputs, input } = this.network;
    const imageSize = input.height * input.width * input.channels;
    return Float32Array.from({ length: (inputs.length / imageSize) * outputs }, (_, k) => {
      const start = Math.floor(k / outputs) * imageSize;
      return small(printOf(inputs.subarray(start, start + imageSize), this.#print()), k % outputs);
    });
  }

  forward(inputs: Float32Array): Pass {
    const outputs = this.predict(inputs);
    const print = this.#print();
    return {
      outputs,
      inputGradient: () => smalls(print, inputs.length),
      dispose: () => undefined,
    };
  }

  features(inputs: Float32Array): Float32Array[] {
    const { input } = this.network;
    const images = inputs.length / (input.height * input.width * input.channels);
    const sizes = extents(this.network);
    const print = printOf(inputs, this.#print());
    return featureTaps(this.network).map(({ depth }) => {
      const { height, width, channels } = sizes[depth] as (typeof sizes)[number];
      return smalls(print, images * height * width * channels);
    });
  }

  dispose(): void {
    this.#living.programs--;
  }

  #print(): number {
    if (this.#weights === undefined) throw new RangeError("Load parameters before using the network");
    return this.#weights;
  }
}

export class IntegerPrograms implements Programs {
  readonly info = { name: "wasm", version: "whole numbers", device: "cpu" } as const;
  readonly #living = { programs: 0 };
  readonly #most: number;

  /** `most`: gradients lie between -most and most, a power of two. */
  constructor(most = 8) {
    this.#most = most;
  }

  selfTest(): ReturnType<Programs["selfTest"]> {
    return { passed: true, seconds: 0, checks: [] };
  }

  create(network: Network, layout: Layout): Program {
    return new IntegerProgram(network, layout, this.#living, this.#most);
  }

  living(): ReturnType<Programs["living"]> {
    return { tensors: this.#living.programs, tensorBytes: 0 };
  }
}
