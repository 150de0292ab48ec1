/** What is told of any committed step, whoever computed it. */
import { type StepPlan, learningRate, stepImages } from "../../../shared/core/schedule.js";
import type { ResolvedRun } from "../../../shared/resolve.js";
import type { CommittedStep } from "../training-types.js";

/** Which run's steps they are. */
export interface Told {
  plan: StepPlan;
  run: ResolvedRun;
}

/** Which images the step has, and how fast it learns. */
export function toldOf(
  { plan, run }: Told,
  step: number,
): Pick<CommittedStep, "step" | "epoch" | "firstImage" | "endImage" | "learningRate"> {
  const { epoch, first, end } = stepImages(plan, step);
  return {
    step,
    epoch,
    firstImage: first,
    endImage: end,
    learningRate: learningRate(run.train.stages, plan, step),
  };
}
