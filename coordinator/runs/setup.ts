/** What a run's settings come to, worked out once. */
import { type Layout } from "../../shared/core/layout.js";
import { type StepPlan, totalSteps } from "../../shared/core/schedule.js";
import type { saf } from "../../shared/messages.js";
import type { TaskSpec } from "../../shared/records/task.js";
import { planTasks } from "../evaluation/evaluation-job.js";
import { planMeasures, proceduresOf } from "../evaluation/plan/procedures.js";
import { layoutOf } from "../../shared/networks/network.js";
import { type ResolvedRun, resolveRun, stepPlan } from "../../shared/resolve.js";
import type { RunContext } from "./context.js";
import { runIdentity } from "./identity.js";
import { MeasuredBehind } from "./measured-behind.js";
import type { CheckpointStore } from "./storage.js";

export interface RunSetup extends RunContext {
  resolved: ResolvedRun;
  layout: Layout;
  plan: StepPlan;
  /** Steps of the whole training. */
  totalSteps: number;
  testImages: number;
  /** Checkpoints of another identity are not this run's. */
  identity: string;
  /** What workers are told of the run. */
  spec: saf.v1.RunSpec.$Properties;
  checkpoints: CheckpointStore;
  /** What is measured of the final weights behind the last step. */
  behind: MeasuredBehind;
}

/** Throws ClusterError("config"). */
export function setUp(context: RunContext): RunSetup {
  const { config, data, storage, runId } = context;
  const resolved = resolveRun(config);
  const layout = layoutOf(resolved.network);
  const plan = stepPlan(config, resolved, data.dataset.train.labels.length);
  const measured = wholePlan(context, resolved);
  return {
    ...context,
    resolved,
    layout,
    plan,
    totalSteps: totalSteps(plan),
    testImages: data.dataset.test.labels.length,
    identity: runIdentity(config, data.sha256),
    spec: {
      runId,
      configJson: JSON.stringify(config),
      data: data.manifest(),
      parameterCount: layout.size,
    },
    checkpoints: storage.openCheckpoints(layout, config.train.keep_checkpoints),
    behind: new MeasuredBehind(measured, resolved.network, data.dataset.test.labels),
  };
}

/** All tasks of the run's evaluation, where its settings alone say which; their ids wait for the weights. */
function wholePlan(
  { config, data, pictures }: RunContext,
  { network, strengths, seed }: ResolvedRun,
): TaskSpec[] {
  const { evaluate } = config;
  if (proceduresOf(evaluate).includes("modern")) return [];
  const testImages = data.dataset.test.labels.length;
  const measures = planMeasures({ config: evaluate, network, strengths, testImages, samples: pictures });
  const { settings } = network;
  return planTasks({ checkpoint: "", settings, dataset: data.sha256, seed, testImages }, measures);
}
