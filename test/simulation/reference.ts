/** The one right course of a run: its weights after each step, and what each step and each evaluation came to. */
import { type Config, configSchema } from "../../shared/config/run.js";
import { type Rounded, roundedWeights } from "../../shared/core/codec.js";
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
import type { TaskSpec } from "../../shared/records/task.js";
import { type Findings, evaluateTask } from "../../worker/measures/evaluate.js";
import { roundedCopy } from "../support/bf16-reference.js";
import { inputsOf, printOf, slotPush } from "./arithmetic.js";
import { TINY_DATA } from "./tiny-networks.js";
import { RIGHT_AT_ONCE, WholePrograms } from "./whole-programs.js";

const { test } = TINY_DATA.dataset;
const TEST_IMAGES = { ...test, count: test.labels.length, imageSize: TINY_DATA.meanImage.length };

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
  /** Values that travel in two bytes each. */
  readonly rounded: Rounded;
  readonly #weights: Float32Array[];
  readonly #sums: StepSums[] = [];
  readonly #velocity: Float32Array;

  constructor(config: Config) {
    this.config = configSchema.parse(config);
    this.run = resolveRun(config);
    this.layout = layoutOf(this.run.network);
    this.plan = stepPlan(config, this.run, TINY_DATA.dataset.train.labels.length);
    this.rounded = roundedWeights(this.plan.codec, this.layout);
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

  /** The same as workers train with them. */
  trainedWith(version: number): Float32Array {
    return roundedCopy(this.weights(version), this.rounded ?? 0);
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
    const print = printOf(this.trainedWith(step));
    const sums = new Float32Array(layout.pushSize);
    for (let slot = 0; slot < plan.slots; slot++) {
      const indices = slotImages(plan, order, step, slot);
      const labels = Uint8Array.from(indices, (index) => train.labels[index] as number);
      const pushed = slotPush(layout, print, inputsOf(train.pixels, TINY_DATA.meanImage, indices), labels);
      roundedCopy(pushed, this.rounded ?? 0).forEach((value, i) => (sums[i] = (sums[i] as number) + value));
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

  /** What a task comes to with the weights of a version. */
  findings(version: number, task: TaskSpec): Findings {
    const { network, seed } = this.run;
    const program = new WholePrograms(RIGHT_AT_ONCE).create(network, this.layout);
    program.load(this.weights(version));
    const subject = { program, test: TEST_IMAGES, mean: TINY_DATA.meanImage };
    return evaluateTask(subject, { ...task, seed });
  }
}
