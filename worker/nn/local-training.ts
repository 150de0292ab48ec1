/**
 * The whole training step in one process: the same slots, the same sums, the same update as the cluster, without the
 * bus between them. Gives the same weights to the bit; the benchmark's yardstick.
 */
import { anchorOf } from "../../shared/core/anchor.js";
import type { Layout } from "../../shared/core/layout.js";
import { TAIL } from "../../shared/core/layout.js";
import { updateRange } from "../../shared/core/optimizer.js";
import {
  epochOrder,
  learningRate,
  stepImages,
  stepSamples,
  type LearningRateStage,
} from "../../shared/core/schedule.js";
import { GradientAssembler } from "../core/gradient-assembler.js";
import { type StepContext, computeBlock } from "./train-step.js";

export interface LocalRule {
  seed: number;
  stages: readonly LearningRateStage[];
  momentum: number;
  weightDecay: number;
}

export class LocalTraining {
  readonly #context: StepContext;
  readonly #rule: LocalRule;
  readonly #velocity: Float32Array;
  readonly #sums: Float32Array;
  #order: { epoch: number; images: Uint32Array } = { epoch: -1, images: new Uint32Array() };
  readonly parameters: Float32Array;
  step = 0;

  /** `parameters` is changed in place. */
  constructor(context: StepContext, layout: Layout, parameters: Float32Array, rule: LocalRule) {
    this.#context = context;
    this.#rule = rule;
    this.#velocity = new Float32Array(layout.size);
    this.#sums = new Float32Array(layout.pushSize);
    this.parameters = parameters;
    context.engine.load(parameters);
  }

  /** Commits one step. Returns the mean loss and the share of right answers before the update. */
  advance(): { loss: number; accuracy: number } {
    const { plan, layout, engine, network, anchor } = this.#context;
    if (anchorOf(plan, network.augmentation, this.step)?.version === this.step) anchor?.load(this.parameters);
    const { epoch } = stepImages(plan, this.step);
    if (this.#order.epoch !== epoch)
      this.#order = { epoch, images: epochOrder(this.#rule.seed, epoch, plan.images) };
    const sink = new GradientAssembler(plan.slots, [this.#sums], () => undefined);
    computeBlock(this.#context, this.#order.images, this.step, { first: 0, count: plan.slots }, sink);
    const samples = stepSamples(plan, this.step);
    const rule = {
      learningRate: learningRate(this.#rule.stages, plan, this.step),
      momentum: this.#rule.momentum,
      weightDecay: this.#rule.weightDecay,
      samples,
    };
    updateRange(layout, rule, 0, this.#sums, this.parameters, this.#velocity, this.parameters);
    engine.load(this.parameters);
    this.step++;
    return {
      loss: (this.#sums[layout.size + TAIL.loss] as number) / samples,
      accuracy: (this.#sums[layout.size + TAIL.hits] as number) / samples,
    };
  }
}
