/** Which step belongs to which epoch, which images it takes, and its learning rate. All of it is arithmetic. */
import { at } from "./at.js";
import type { Codec } from "./codec.js";
import { RandomStream, permutation } from "../random.js";
import { slotRange } from "./slots.js";

export interface LearningRateStage {
  rate: number;
  epochs: number;
}

export interface StepPlan {
  /** Images of one epoch, synthetic ones included. */
  images: number;
  batchSize: number;
  slots: number;
  /** Decides what of a step is rounded; fp32 where it is not said. */
  codec?: Codec | undefined;
  epochs: number;
  maxSteps?: number | undefined;
}

export function stepsPerEpoch(plan: StepPlan): number {
  return Math.ceil(plan.images / plan.batchSize);
}

export function totalSteps(plan: StepPlan): number {
  return Math.min(plan.maxSteps ?? Infinity, Math.max(1, Math.round(plan.epochs * stepsPerEpoch(plan))));
}

/** Images [first, end) of the epoch's order that make up a step; the last step of an epoch may be short. */
export function stepImages(plan: StepPlan, step: number): { epoch: number; first: number; end: number } {
  const perEpoch = stepsPerEpoch(plan);
  const first = (step % perEpoch) * plan.batchSize;
  return { epoch: Math.floor(step / perEpoch), first, end: Math.min(first + plan.batchSize, plan.images) };
}

export function stepSamples(plan: StepPlan, step: number): number {
  const { first, end } = stepImages(plan, step);
  return end - first;
}

/** The order of all images in an epoch. */
export function epochOrder(seed: number, epoch: number, images: number): Uint32Array {
  return permutation(images, new RandomStream(seed, "epoch-order", epoch));
}

/** The images of one slot of one step, as a view of the epoch's order. */
export function slotImages(plan: StepPlan, order: Uint32Array, step: number, slot: number): Uint32Array {
  const { first, end } = stepImages(plan, step);
  const range = slotRange(end - first, plan.slots, slot);
  return order.subarray(first + range.start, first + range.end);
}

/** Learning rate of a step: the stage in which it begins; the last stage goes on for ever. */
export function learningRate(stages: readonly LearningRateStage[], plan: StepPlan, step: number): number {
  const perEpoch = stepsPerEpoch(plan);
  let end = 0;
  for (const stage of stages) {
    end += stage.epochs * perEpoch;
    if (step < Math.round(end)) return stage.rate;
  }
  return at(stages, stages.length - 1).rate;
}
