/** `status.json`: where a run stands, for whoever looks into its directory. */
import { stepsPerEpoch } from "../../shared/core/schedule.js";
import type { RunSetup } from "./setup.js";

export type RunState = "waiting" | "training" | "evaluating" | "done" | "interrupted" | "failed";

export interface RunStatus {
  state: RunState;
  step: number;
  steps: number;
  epoch: number;
  updated: string;
  exit_code: number | null;
}

/** A status that cannot be written costs nothing but itself. */
export async function writeStatus(
  { storage, plan, totalSteps, wallClock, observer }: RunSetup,
  state: RunState,
  step: number,
  exitCode: number | null = null,
): Promise<void> {
  const status: RunStatus = {
    state,
    step,
    steps: totalSteps,
    epoch: step / stepsPerEpoch(plan),
    updated: new Date(wallClock()).toISOString(),
    exit_code: exitCode,
  };
  await storage
    .writeJson("status.json", status)
    .catch((error: Error) => observer.note("warning", error.message));
}
