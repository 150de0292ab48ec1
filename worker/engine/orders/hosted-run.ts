/** What the engine holds of one run: its networks with the weights last loaded, its images, what was made in advance. */
import type { Codec } from "../../../shared/core/codec.js";
import { epochOrder } from "../../../shared/core/schedule.js";
import { layoutOf } from "../../../shared/networks/network.js";
import type { VectorStore } from "../../../shared/core/vectors/vector-memory.js";
import type { ImageSet } from "../../core/training-images.js";
import type { LocalTraining } from "../../training/local-training.js";
import type { SlotInputs } from "../../training/slot-inputs.js";
import type { StepContext } from "../../training/step-context.js";
import type { SharedImages } from "../messages.js";
import type { Program, Programs } from "../program.js";
import type { OrderOf } from "./order.js";

/** What the weights of a version are called. `codec`: as steps are computed with them. */
export function weightsName(term: number, version: number, codec: Codec = "fp32"): string {
  return codec === "fp32" ? `${term} ${version}` : `${term} ${version} ${codec}`;
}

/** A program, and the name of the weights that it holds. */
export class Weights {
  readonly program: Program;
  #held: string | undefined;

  constructor(program: Program) {
    this.program = program;
  }

  /** `name` says which weights these are; what is held already is not loaded again. */
  load(name: string, parameters: SharedArrayBuffer): void {
    if (this.#held === name) return;
    this.program.load(new Float32Array(parameters));
    this.#held = name;
  }

  /** Somebody else loads weights into the program. */
  forget(): void {
    this.#held = undefined;
  }
}

export class HostedRun {
  readonly described: OrderOf<"run">;
  readonly weights: Weights;
  /** Flag A's second set of weights. */
  readonly anchor: Weights | undefined;
  /** Inputs of slots of a step that may be asked for next. */
  ready: { step: number; slots: ReadonlyMap<number, SlotInputs> } | undefined;
  /** Where exclusive leases compute, and blocks in bf16: V8 counts none of it, so it is given back when the run is forgotten. */
  readonly vectors: VectorStore;
  /** What exclusive leases have come to. */
  local: LocalTraining | undefined;
  #blockSums: Float32Array | undefined;
  readonly #programs: Programs;
  readonly #images: { train?: ImageSet; test?: ImageSet } = {};
  /** The second network of transfer attacks, by what it is and the hash of its weights. */
  #source: { key: string; program: Program } | undefined;
  #order: { epoch: number; images: Uint32Array } | undefined;

  constructor(programs: Programs, described: OrderOf<"run">, vectors: VectorStore) {
    this.vectors = vectors;
    this.described = described;
    this.#programs = programs;
    const { network } = described;
    const layout = layoutOf(network);
    this.weights = new Weights(programs.create(network, layout));
    if (network.augmentation.adversarial !== undefined)
      this.anchor = new Weights(programs.create(network, layout));
  }

  takeImages(split: "train" | "test", { pixels, labels, count }: SharedImages): void {
    const { height, width, channels } = this.described.network.input;
    this.#images[split] = {
      pixels: new Uint8Array(pixels),
      labels: new Uint8Array(labels),
      count,
      imageSize: height * width * channels,
    };
  }

  images(split: "train" | "test"): ImageSet {
    const images = this.#images[split];
    if (images === undefined)
      throw new RangeError(
        `Run ${this.described.runId} has no ${split === "train" ? "training" : "test"} images yet`,
      );
    return images;
  }

  /** What a training step works with. */
  context(): StepContext {
    const { network, plan, seed, realCount, mean } = this.described;
    const { realClasses, augmentation } = network;
    return {
      program: this.weights.program,
      anchor: this.anchor?.program,
      plan,
      images: { seed, images: this.images("train"), realCount, realClasses, mean, augmentation },
    };
  }

  /** Loads the weights that a step of flag A attacks, where the order brings any. */
  loadAnchor({ term, anchor }: Pick<OrderOf<"block">, "term" | "anchor">): void {
    if (anchor !== undefined) this.anchor?.load(`${term} ${anchor.version}`, anchor.parameters);
  }

  /** In which order an epoch takes its images; the last epoch asked for is kept. */
  epochOrder(epoch: number): Uint32Array {
    const { seed, plan } = this.described;
    if (this.#order?.epoch !== epoch) this.#order = { epoch, images: epochOrder(seed, epoch, plan.images) };
    return this.#order.images;
  }

  /** The network that a transfer attack crafts on; the last one asked for is kept. */
  source(told: OrderOf<"task">["source"]): Program | undefined {
    if (told === undefined) return undefined;
    const { network, sha256, parameters } = told;
    const key = `${JSON.stringify(network)} ${sha256}`;
    if (this.#source?.key === key) return this.#source.program;
    this.#source?.program.dispose();
    const program = this.#programs.create(network, layoutOf(network));
    this.#source = { key, program };
    program.load(new Float32Array(parameters));
    return program;
  }

  /** Where a block is summed before its chunks go into their frames. */
  blockSums(): Float32Array {
    return (this.#blockSums ??= this.vectors.allocate(this.weights.program.layout.pushSize));
  }

  dispose(): void {
    if (this.#blockSums !== undefined) this.vectors.release(this.#blockSums);
    this.weights.program.dispose();
    this.anchor?.program.dispose();
    this.#source?.program.dispose();
    this.local?.dispose();
  }
}
