/** How a run trains: the one place that lists modes and aggregations. */
import type { Config } from "../../shared/config/run.js";
import type { MakeAggregation } from "./aggregation/aggregation.js";
import { treeSums } from "./aggregation/tree-sum.js";
import type { MakeMode } from "./modes/mode.js";
import { stepByStep } from "./modes/step-by-step/step-by-step.js";
import { stretches } from "./modes/stretches/stretches.js";

type LeaseSetting = Config["train"]["lease"];

/** A mode's name is what `train.lease` calls it. */
export type ModeName = Exclude<LeaseSetting, "auto">;

export const MODES: Readonly<Record<ModeName, MakeMode>> = {
  step: stepByStep,
  exclusive: stretches,
};

/**
 * `runs`: how many train side by side now. With one slot a second worker has nothing to do anyway; with several runs
 * each worker is busy with one of its own, and need not wait for the others at every step.
 */
export function modeName(setting: LeaseSetting, slots: number, runs: number): ModeName {
  if (setting !== "auto") return setting;
  return slots === 1 || runs > 1 ? "exclusive" : "step";
}

/** The fixed tree: the sum is the same bits whoever computes what. */
export const AGGREGATION: MakeAggregation = treeSums;
