/**
 * The whole training step in one process: the same slots, the same sums, the same update as the cluster, without the
 * bus between them. Gives the same weights to the bit: what a worker does with an exclusive lease, and the benchmark's
 * yardstick.
 */
import { type Codec, roundedWeights } from "../../shared/core/codec.js";
import { anchorOf } from "../../shared/core/anchor.js";
import { type Layout, TAIL } from "../../shared/core/layout.js";
import { updateRange } from "../../shared/core/optimizer.js";
import {
  epochOrder,
  learningRate,
  stepImages,
  stepSamples,
  type LearningRateStage,
} from "../../shared/core/schedule.js";
import { roundVector } from "../../shared/core/vectors/bf16.js";
import { VectorMemory, type VectorStore } from "../../shared/core/vectors/vector-memory.js";
import { GradientAssembler } from "../core/gradient-assembler.js";
import type { StepContext } from "./step-context.js";
import { computeSlots } from "./train-step.js";

export interface LocalRule {
  seed: number;
  stages: readonly LearningRateStage[];
  momentum: number;
  weightDecay: number;
}

/** Kept parameters as steps are computed with them: what is rounded is written to `place`. */
export function trainedWith(
  parameters: Float32Array,
  codec: Codec | undefined,
  layout: Layout,
  place: Float32Array = new Float32Array(parameters.length),
): Float32Array {
  const rounded = roundedWeights(codec, layout);
  if (rounded === undefined) return parameters;
  place.set(parameters);
  roundVector(place.subarray(0, rounded));
  return place;
}

export class LocalTraining {
  readonly #context: StepContext;
  readonly #rule: LocalRule;
  readonly #memory: VectorStore;
  readonly #sums: Float32Array;
  readonly #sink: GradientAssembler;
  /** Memory for the parameters as steps are computed with them, where that is rounded. */
  readonly #rounded: Float32Array | undefined;
  #order: { epoch: number; images: Uint32Array } = { epoch: -1, images: new Uint32Array() };
  readonly parameters: Float32Array;
  readonly velocity: Float32Array;
  step: number;

  /** `parameters` and the velocity are copied. `from`: steps done before; step 0 without it. */
  constructor(
    context: StepContext,
    parameters: Float32Array,
    rule: LocalRule,
    from: { step: number; velocity: Float32Array } = {
      step: 0,
      velocity: new Float32Array(context.program.layout.size),
    },
    memory: VectorStore = new VectorMemory(),
  ) {
    this.#context = context;
    this.#rule = rule;
    this.#memory = memory;
    this.#sums = memory.allocate(context.program.layout.pushSize);
    const { plan, program } = context;
    const rounded = roundedWeights(plan.codec, program.layout);
    this.#sink = new GradientAssembler(plan.slots, [this.#sums], () => undefined, memory, rounded);
    if (rounded !== undefined) this.#rounded = memory.copyOf(parameters);
    this.parameters = memory.copyOf(parameters);
    this.velocity = memory.copyOf(from.velocity);
    this.step = from.step;
    this.load();
  }

  /** Goes on from another state, in the same memory. */
  begin(parameters: Float32Array, { step, velocity }: { step: number; velocity: Float32Array }): void {
    this.parameters.set(parameters);
    this.velocity.set(velocity);
    this.step = step;
    this.load();
  }

  /** Gives its memory back; it is not used any more. */
  dispose(): void {
    this.#sink.dispose();
    for (const vector of [this.#sums, this.parameters, this.velocity]) this.#memory.release(vector);
    if (this.#rounded !== undefined) this.#memory.release(this.#rounded);
  }

  /** Gives the program the parameters that steps are computed with: needed after it has computed with others. */
  load(): void {
    this.#context.program.load(this.#trainedWith());
  }

  /** Gives the program the parameters as they are kept: these are measured. */
  loadKept(): void {
    if (this.#rounded !== undefined) this.#context.program.load(this.parameters);
  }

  /** As workers have them that compute one step at a time. */
  #trainedWith(): Float32Array {
    if (this.#rounded === undefined) return this.parameters;
    const { plan, program } = this.#context;
    return trainedWith(this.parameters, plan.codec, program.layout, this.#rounded);
  }

  /** The sum over the step's slots, tail included; valid until the next call. */
  sum(): Float32Array {
    const { plan, program, anchor } = this.#context;
    if (anchorOf(plan, program.network.augmentation, this.step)?.version === this.step)
      anchor?.load(this.#trainedWith());
    const { epoch } = stepImages(plan, this.step);
    if (this.#order.epoch !== epoch)
      this.#order = { epoch, images: epochOrder(this.#rule.seed, epoch, plan.images) };
    this.#sink.restart();
    computeSlots(this.#context, this.#order.images, this.step, { first: 0, count: plan.slots }, this.#sink);
    return this.#sums;
  }

  /** Commits the step of the last sum. */
  update(): void {
    const { plan, program } = this.#context;
    const rule = {
      learningRate: learningRate(this.#rule.stages, plan, this.step),
      momentum: this.#rule.momentum,
      weightDecay: this.#rule.weightDecay,
      samples: stepSamples(plan, this.step),
    };
    const [current, velocity] = [this.parameters, this.velocity];
    updateRange(program.layout, rule, 0, {
      sums: this.#sums,
      current,
      velocity,
      next: current,
      moved: velocity,
    });
    this.load();
    this.step++;
  }

  /** Commits one step. Returns the mean loss and the share of right answers before the update. */
  advance(): { loss: number; accuracy: number } {
    const { plan, program } = this.#context;
    const { size } = program.layout;
    const samples = stepSamples(plan, this.step);
    const sums = this.sum();
    this.update();
    return {
      loss: sums[size + TAIL.loss]! / samples,
      accuracy: sums[size + TAIL.hits]! / samples,
    };
  }
}
