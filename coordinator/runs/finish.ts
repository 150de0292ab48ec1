/** The last phase of a run: what stays of it. */
import type { ModelResult } from "../../shared/results.js";
import { hashOf } from "../io/checkpoints.js";
import type { TrainingState } from "../training/step-training.js";
import type { RunOutcome } from "./context.js";
import type { RunSetup } from "./setup.js";
import { writeStatus } from "./status.js";

/** Throws ClusterError("storage"). */
export async function finish(
  run: RunSetup,
  state: TrainingState,
  result: ModelResult,
  isIncomplete: boolean,
): Promise<RunOutcome> {
  await run.storage.writeJson("result.json", result);
  await writeStatus(run, "done", state.step, 0);
  return { name: run.resolved.name, weightsSha256: hashOf(state.parameters), result, isIncomplete };
}

/** The signal came first: the run can be resumed from its newest checkpoint. */
export async function interrupted(run: RunSetup, state: TrainingState): Promise<RunOutcome> {
  await writeStatus(run, "interrupted", state.step);
  return {
    name: run.resolved.name,
    weightsSha256: hashOf(state.parameters),
    result: undefined,
    isIncomplete: false,
  };
}
