/** The last phase of a run: what stays of it. */
import type { ModelResult } from "../../shared/results.js";
import type { RunOutcome } from "./context.js";
import type { RunSetup } from "./setup.js";
import { writeStatus } from "./status.js";
import type { Weights } from "./weights.js";

/** Throws ClusterError("storage"). */
export async function finish(
  run: RunSetup,
  weights: Weights,
  result: ModelResult,
  isIncomplete: boolean,
): Promise<RunOutcome> {
  await run.storage.writeJson("result.json", result);
  await writeStatus(run, "done", weights.step, 0);
  return { name: run.resolved.name, weightsSha256: weights.sha256, result, isIncomplete };
}

/** The signal came first: the run can be resumed from its newest checkpoint. */
export async function interrupted(run: RunSetup, weights: Weights): Promise<RunOutcome> {
  await writeStatus(run, "interrupted", weights.step);
  return {
    name: run.resolved.name,
    weightsSha256: weights.sha256,
    result: undefined,
    isIncomplete: false,
  };
}
