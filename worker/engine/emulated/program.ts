/** A network on the emulated engine: of the weights it keeps a fingerprint, of the images it needs their indices alone. */
import type { Layout } from "../../../shared/core/layout.js";
import { featureTaps } from "../../../shared/features.js";
import { type Network, extents } from "../../../shared/networks/network.js";
import type { Pass, Program, PushSink, SlotIdentity } from "../program.js";
import { outputsFor, printOf, pushSlot, slotPrint, wholeNumbers } from "./arithmetic.js";

/** How the engine takes its time. */
export interface Pace {
  /** For one slot, in milliseconds. */
  slotMs: number;
  now: () => number;
  /** Blocks for so many milliseconds and leaves the processor to others. */
  wait: (ms: number) => void;
}

export class EmulatedProgram implements Program {
  readonly network: Network;
  readonly layout: Layout;
  readonly #pace: Pace;
  readonly #imageSize: number;
  #weights: number | undefined;

  constructor(network: Network, layout: Layout, pace: Pace) {
    this.network = network;
    this.layout = layout;
    this.#pace = pace;
    const { height, width, channels } = network.input;
    this.#imageSize = height * width * channels;
  }

  load(parameters: Float32Array): void {
    this.#weights = printOf(parameters);
  }

  train(inputs: Float32Array, labels: Uint8Array, sink: PushSink): void {
    this.#push(printOf(labels, printOf(inputs, this.#loaded())), labels.length, sink);
  }

  trainUnseen(slot: SlotIdentity, sink: PushSink): void {
    this.#push(slotPrint(this.#loaded(), slot), slot.indices.length, sink);
  }

  /** The time passes before anything is known: what is pushed while an engine computes would be too early. */
  #push(print: number, images: number, sink: PushSink): void {
    const { slotMs, now, wait } = this.#pace;
    const due = now() + slotMs;
    for (let left = slotMs; left > 0; left = due - now()) wait(left);
    pushSlot(this.layout, print, images, sink);
  }

  predict(inputs: Float32Array): Float32Array {
    const { outputs } = this.network;
    const found = new Float32Array((inputs.length / this.#imageSize) * outputs);
    this.#prints(inputs).forEach((print, i) => found.set(outputsFor(print, outputs), i * outputs));
    return found;
  }

  forward(inputs: Float32Array): Pass {
    const { outputs } = this.network;
    const prints = this.#prints(inputs);
    const imageSize = this.#imageSize;
    return {
      outputs: this.predict(inputs),
      inputGradient(outputGradient) {
        const found = new Float32Array(prints.length * imageSize);
        prints.forEach((print, i) => {
          const slope = printOf(outputGradient.subarray(i * outputs, (i + 1) * outputs), print);
          found.set(wholeNumbers(slope, imageSize), i * imageSize);
        });
        return found;
      },
      dispose: () => undefined,
    };
  }

  features(inputs: Float32Array): Float32Array[] {
    const sizes = extents(this.network);
    const prints = this.#prints(inputs);
    return featureTaps(this.network).map(({ depth }) => {
      const { height, width, channels } = sizes[depth]!;
      const units = height * width * channels;
      const found = new Float32Array(prints.length * units);
      prints.forEach((print, i) => found.set(wholeNumbers(print ^ depth, units), i * units));
      return found;
    });
  }

  dispose(): void {
    this.#weights = undefined;
  }

  /** Of each image by itself: who shares its batch does not matter. */
  #prints(inputs: Float32Array): number[] {
    const weights = this.#loaded();
    const size = this.#imageSize;
    return Array.from({ length: inputs.length / size }, (_, i) =>
      printOf(inputs.subarray(i * size, (i + 1) * size), weights),
    );
  }

  #loaded(): number {
    if (this.#weights === undefined) throw new RangeError("Load parameters before using the network");
    return this.#weights;
  }
}
