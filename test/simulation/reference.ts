/** The one right course of a run: its weights after each step, and what each step and each evaluation came to. */
import { type Config, configSchema } from "../../shared/config/run.js";
import { type Layout, TAIL, initialParameters } from "../../shared/core/layout.js";
import { updateRange } from "../../shared/core/optimizer.js";
import {
  type StepPlan,
  epochOrder,
  learningRate,
  slotImages,
  stepImages,
  totalSteps,
} from "../../shared/core/schedule.js";
import { layoutOf } from "../../shared/networks/network.js";
import { type ResolvedRun, resolveRun, stepPlan } from "../../shared/resolve.js";
import { inputsOf, outputsFor, printOf, slotPush } from "./arithmetic.js";
import { TINY_DATA } from "./tiny-networks.js";

export interface StepSums {
  loss: number;
  hits: number;
  samples: number;
}

export class Reference {
  readonly config: Config;
  readonly run: ResolvedRun;
  readonly layout: Layout;
  readonly plan: StepPlan;
  readonly #weights: Float32Array[];
  readonly #sums: StepSums[] = [];
  readonly #velocity: Float32Array;

  constructor(config: Config) {
    this.config = configSchema.parse(config);
    this.run = resolveRun(config);
    this.layout = layoutOf(this.run.network);
    this.plan = stepPlan(config, this.run, TINY_DATA.dataset.train.labels.length);
    this.#weights = [initialParameters(this.layout, this.run.seed)];
    this.#velocity = new Float32Array(this.layout.size);
  }

  get steps(): number {
    return totalSteps(this.plan);
  }

  /** After so many steps. */
  weights(version: number): Float32Array {
    while (this.#weights.length <= version) this.#advance();
    return this.#weights[version] as Float32Array;
  }

  sums(step: number): StepSums {
    this.weights(step + 1);
    return this.#sums[step] as StepSums;
  }

  #advance(): void {
    const { plan, layout, run } = this;
    const step = this.#weights.length - 1;
    const current = this.#weights[step] as Float32Array;
    const { epoch } = stepImages(plan, step);
    const order = epochOrder(run.seed, epoch, plan.images);
    const { train } = TINY_DATA.dataset;
    const print = printOf(current);
    const sums = new Float32Array(layout.pushSize);
    for (let slot = 0; slot < plan.slots; slot++) {
      const indices = slotImages(plan, order, step, slot);
      const labels = Uint8Array.from(indices, (index) => train.labels[index] as number);
      const pushed = slotPush(layout, print, inputsOf(train.pixels, TINY_DATA.meanImage, indices), labels);
      for (let i = 0; i < pushed.length; i++) sums[i] = (sums[i] as number) + (pushed[i] as number);
    }
    const samples = sums[layout.size + TAIL.samples] as number;
    const rule = {
      learningRate: learningRate(run.train.stages, plan, step),
      momentum: run.train.momentum,
      weightDecay: run.train.weightDecay,
      samples,
    };
    const next = new Float32Array(layout.size);
    const [velocity, moved] = [this.#velocity, this.#velocity];
    updateRange(layout, rule, 0, { sums, current, velocity, next, moved });
    this.#weights.push(next);
    this.#sums.push({
      loss: sums[layout.size + TAIL.loss] as number,
      hits: sums[layout.size + TAIL.hits] as number,
      samples,
    });
  }

  /** What the network answers to a clean test image, with the weights of a version. */
  answer(version: number, image: number): number {
    const input = inputsOf(TINY_DATA.dataset.test.pixels, TINY_DATA.meanImage, [image]);
    const z = outputsFor(printOf(this.weights(version)), input, this.run.network.outputs);
    return z.indexOf(Math.max(...z));
  }
}
