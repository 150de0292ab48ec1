/** What a run's settings come to, worked out once. */
import { type Layout } from "../../shared/core/layout.js";
import { type StepPlan, totalSteps } from "../../shared/core/schedule.js";
import type { saf } from "../../shared/messages.js";
import { layoutOf } from "../../shared/networks/network.js";
import { type ResolvedRun, resolveRun, stepPlan } from "../../shared/resolve.js";
import type { RunContext } from "./context.js";
import { runIdentity } from "./identity.js";
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
}

/** Throws ClusterError("config"). */
export function setUp(context: RunContext): RunSetup {
  const { config, data, storage, runId } = context;
  const resolved = resolveRun(config);
  const layout = layoutOf(resolved.network);
  const plan = stepPlan(config, resolved, data.dataset.train.labels.length);
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
  };
}
