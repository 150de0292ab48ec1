/** What is told of committed steps. */
import { TAIL } from "../../../../shared/core/layout.js";
import { type StepPlan, learningRate, stepImages, stepSamples } from "../../../../shared/core/schedule.js";
import type { ResolvedRun } from "../../../../shared/resolve.js";
import type { CommittedUnit } from "../../../leases/events.js";
import { blockOf } from "./plan.js";
import type { StepSum } from "../stretches/stretch-lengths.js";
import type { StepInWork } from "./step-in-work.js";
import type { CommittedStep } from "../../training-types.js";

/** Which run's steps they are. */
export interface Told {
  plan: StepPlan;
  run: ResolvedRun;
}

/** A step whose blocks came one by one. `tail`: its loss, hits and samples. */
export function committedStep(
  { plan, run }: Told,
  step: number,
  units: readonly CommittedUnit[],
  tail: Float32Array,
  { norms, openedMs, aggregateMs, traceId }: StepInWork,
  atMs: number,
): CommittedStep {
  const { epoch, first, end } = stepImages(plan, step);
  const ends = units.map((unit) => unit.atMs);
  return {
    step,
    epoch,
    firstImage: first,
    endImage: end,
    samples: tail[TAIL.samples] ?? 0,
    loss: (tail[TAIL.loss] ?? 0) / stepSamples(plan, step),
    hits: tail[TAIL.hits] ?? 0,
    learningRate: learningRate(run.train.stages, plan, step),
    blocks: units.map(({ unit, worker, attempt, ms }) => {
      const { first: slot, count } = blockOf(unit.id);
      return { first: slot, count, worker, attempt, ms };
    }),
    barrierMs: Math.max(...ends) - Math.min(...ends),
    aggregateMs,
    ...(norms === undefined
      ? {}
      : { norms: { gradient: Math.sqrt(norms.gradient), update: Math.sqrt(norms.update) } }),
    seconds: (atMs - openedMs) / 1000,
    atMs,
    ...(traceId === undefined ? {} : { traceId }),
  };
}

/** The steps of a stretch, each at the moment at which it probably was done. */
export function committedStretch(
  { plan, run }: Told,
  first: number,
  sums: readonly StepSum[],
  { worker, attempt, stepMs }: CommittedUnit,
  atMs: number,
): CommittedStep[] {
  return sums.map(({ loss, hits, samples }, i) => {
    const step = first + i;
    const images = stepImages(plan, step);
    return {
      step,
      epoch: images.epoch,
      firstImage: images.first,
      endImage: images.end,
      samples,
      loss: loss / samples,
      hits,
      learningRate: learningRate(run.train.stages, plan, step),
      blocks: [{ first: 0, count: plan.slots, worker, attempt, ms: stepMs }],
      barrierMs: 0,
      aggregateMs: 0,
      seconds: stepMs / 1000,
      atMs: atMs - (sums.length - 1 - i) * stepMs,
    };
  });
}
