/**
 * A mode of training: which units of work come next, what tells a worker of one, what becomes of what it sends, and what a
 * commit makes of it. trainer.ts carries any mode out; registry.ts lists them.
 */
import type { ChunkHeader } from "../../../shared/core/chunk.js";
import type { StepPlan } from "../../../shared/core/schedule.js";
import type { saf } from "../../../shared/messages.js";
import type { CommittedUnit, StretchProgress } from "../../leases/events.js";
import type { ChunkVerdict, GrantedLease, JobLeases, Verdict } from "../../leases/job.js";
import type { Commit, Unit, WorkPlan } from "../../leases/unit.js";
import type { TrainingEdges, TrainingOptions } from "../training-types.js";
import type { Versions } from "../versions.js";

/** From the step that is in work to the one before which the training stops. */
export interface Course {
  step: number;
  stopAt: number;
}

/** `Own`: the mode's units, with what it must know of each. All units that it is handed are of its own plans. */
export interface Mode<Own extends Unit = Unit> {
  /** Which units come next, and when they commit. */
  plan(course: Course): WorkPlan<Own>;
  /** What tells a worker of its lease; asked once for each. `head`: what every command of a lease begins with. */
  command(unit: Own, lease: GrantedLease, head: CommandHead): saf.v1.WorkerCommand.$Properties;
  /** Frames of what the unit begins with, where that is short. */
  opening?(unit: Own): readonly Uint8Array[];
  /**
   * A chunk of what a worker sends. The body may lie where its sender can change it: what was read counts only if `isIntact`
   * afterwards.
   */
  onChunk(workerId: string, header: ChunkHeader, body: Uint8Array, isIntact: () => boolean): ChunkVerdict;
  /** The end of a push. */
  onPushEnd(message: saf.v1.PushEnd): Verdict<saf.v1.PushReply.$Properties>;
  /** The plan says that these units make steps: it brings the versions on, and tells of each step. */
  commit(commit: Commit, units: readonly CommittedUnit<Own>[]): void;
  onProgress?(unit: Own, progress: StretchProgress): void;
  /** How the training is to end early. */
  pause(): Pause;
  /** Nothing of the work in hand is left. */
  giveUp(why: string): void;
}

export interface Pause {
  stopAt: number;
  /** Holders are to end early and send what they have. */
  recalls: boolean;
}

export type CommandHead = Required<
  Pick<saf.v1.BlockLease.$Properties, "leaseId" | "term" | "runId" | "attempt" | "recipe" | "patienceMs">
>;

/** What a mode works with. */
export interface ModeContext {
  options: TrainingOptions;
  edges: TrainingEdges;
  versions: Versions;
  leases: JobLeases;
}

/** Makes a mode for one training; it is kept as long as that, so that it knows from stop to stop what it has measured. */
export type MakeMode = (context: ModeContext) => Mode;

/** What of a training decides its units. */
export interface PlanSetting {
  plan: StepPlan;
  /** Shortest deadline of a lease. */
  floorMs: number;
}

/** A worker that has to load the engine's network and the images first gets this long. */
export const COLD_LEASE_MS = 60_000;
