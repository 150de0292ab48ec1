/** How a training's steps become units of work. A mode is a plan (leases/unit.ts) that also says where it stands. */
import type { WorkPlan } from "../../leases/unit.js";
import type { StepPlan } from "../../../shared/core/schedule.js";

/** Blocks of one step to whoever is idle, or many steps to one worker. */
export type LeaseKind = "step" | "exclusive";

/** What of a training decides its units. */
export interface ModeSetting {
  plan: StepPlan;
  /** Shortest deadline of a lease. */
  floorMs: number;
}

/** A worker that has to load the engine's network and the images first gets this long. */
export const COLD_LEASE_MS = 60_000;

/** The series of a block's times (Patience.series): of one slot. */
export const BLOCK_SERIES = "block";

/** From the step that is in work to the one before which the training stops. */
export interface Course {
  step: number;
  stopAt: number;
}

export type Mode = WorkPlan & { readonly kind: LeaseKind };

/**
 * `runs`: how many train side by side now. With one slot a second worker has nothing to do anyway; with several runs
 * each worker is busy with one of its own, and need not wait for the others at every step.
 */
export function leaseKind(setting: LeaseKind | "auto", slots: number, runs: number): LeaseKind {
  if (setting !== "auto") return setting;
  return slots === 1 || runs > 1 ? "exclusive" : "step";
}
