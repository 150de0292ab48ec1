/** How the optimizer goes from one version to the next. */
import type { UpdateRule } from "../../shared/core/optimizer.js";
import { type StepPlan, learningRate, stepSamples } from "../../shared/core/schedule.js";
import type { ResolvedRun } from "../../shared/resolve.js";

/** From the gradient sum of this step. */
export function updateRule({ run, plan }: { run: ResolvedRun; plan: StepPlan }, step: number): UpdateRule {
  return {
    learningRate: learningRate(run.train.stages, plan, step),
    momentum: run.train.momentum,
    weightDecay: run.train.weightDecay,
    samples: stepSamples(plan, step),
  };
}
