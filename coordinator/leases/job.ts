/** What the coordinator asks of a job (a training, an evaluation), and what it hands in. Who holds what, the book knows. */
import type { ChunkHeader } from "../../shared/core/chunk.js";
import type { saf } from "../../shared/messages.js";
import type { Refusal } from "../../shared/metrics.js";
import type { Account } from "../pool/fairness.js";
import type { UnitRecord } from "./book.js";
import type { CommittedUnit, ReopenReason, StretchProgress } from "./events.js";
import type { Commit, Unit, WorkPlan } from "./unit.js";

/** A lease as its command tells it. */
export interface GrantedLease {
  leaseId: number;
  term: number;
  worker: string;
  attempt: number;
  atMs: number;
  /** An engine that has not answered for this long hangs; 0: never. */
  hungMs: number;
  /** Of the workers of its host, the one that passes parameters on; empty: it has no mates. */
  relay: string;
}

/** The result of a unit is complete. `toldMs`: how long its worker says it took. */
export interface CompletedUnit {
  unitId: string;
  steps: number;
  toldMs: number | undefined;
}

/** A worker is through with its lease, and nothing new came of it. */
export interface SettledLease {
  unitId?: string;
  outcome: "done" | "refused" | "failed" | "spoiled";
  reason: string;
  told?: { series: string; ms: number };
}

/** The same of a unit that a chunk completed. */
export interface UnitOf extends CompletedUnit {
  worker: string;
}

/** What becomes of a chunk: counted, or why not; and which units it completed. */
export interface ChunkVerdict {
  fate: "accepted" | Refusal;
  completed?: readonly UnitOf[];
}

/** What a message about a lease comes to; neither of the two: the worker goes on with it. */
export interface Verdict<Reply> {
  reply: Reply;
  completed?: CompletedUnit;
  settled?: SettledLease;
}

/** Where one frame of a version lies. */
export interface FrameRequest {
  shard: number;
  version: number;
  chunk: number;
  /** As a run in bf16 trains with them; otherwise as they are kept. */
  rounded?: boolean | undefined;
}

/** One frame of a version, or the latest version when that one is gone. */
export interface FrameAnswer {
  frame: Uint8Array | undefined;
  latest: number;
}

export interface Job {
  /** Unique among the jobs of a coordinator. */
  readonly id: string;
  readonly runId: string;
  readonly runHash: string;
  /** In whose name it asks for workers; without one, in that of all runs. */
  readonly account?: Account | undefined;
  /** What is wanted now. */
  readonly plan: WorkPlan;
  /** What tells a worker of its lease; asked once for each. */
  command(unit: Unit, lease: GrantedLease): saf.v1.WorkerCommand.$Properties;
  /** Frames of what the unit begins with, where that is short. */
  opening?(unit: Unit): readonly Uint8Array[];
  /**
   * A chunk of a gradient or a state. The body may lie where its sender can change it: what was read counts only if
   * `isIntact` afterwards.
   */
  onChunk?(workerId: string, header: ChunkHeader, body: Uint8Array, isIntact: () => boolean): ChunkVerdict;
  /** The end of a push. */
  onPushEnd?(message: saf.v1.PushEnd): Verdict<saf.v1.PushReply.$Properties>;
  /** The result of an evaluation task. */
  onResult?(message: saf.v1.TaskResult): Verdict<saf.v1.TaskReply.$Properties>;
  /** The plan says that these units make steps. */
  onCommit?(commit: Commit, units: readonly CommittedUnit[]): void;
  onProgress?(unit: Unit, progress: StretchProgress): void;
  /** A unit is offered again. */
  onReopened?(unit: Unit, leaseId: number, why: ReopenReason): void;
  /** A unit's values are not finite, whoever computes it. `attempts`: by worker. */
  onDiverged?(unit: Unit, attempts: ReadonlyMap<string, number>): void;
  /** Something changed about who holds which unit, or what is done. */
  onUnits?(): void;
  parameterFrame(request: FrameRequest): FrameAnswer;
  /** The same of the optimizer's velocity, where workers hold exclusive leases. */
  velocityFrame?(request: FrameRequest): FrameAnswer;
  /** The description that workers ask for. */
  describe(): saf.v1.RunSpec.$Properties;
}

/** The book, as one job may read it. */
export interface JobLeases {
  record(unitId: string): UnitRecord | undefined;
  /** The units in work and those that are done, in the plan's order. */
  records(): readonly UnitRecord[];
  /** Somebody holds one of them. */
  readonly isHeld: boolean;
  /** One of them was leased at least once. */
  readonly hasBegun: boolean;
}

/** A job's way to the coordinator. */
export interface JobDesk {
  readonly leases: JobLeases;
  /** The job wants something else done. `isFresh`: what is in work is given up, as if it had never begun. */
  replan(how?: { isFresh: boolean }): void;
  /** Holders are to end early and send what they have. */
  recall(): void;
}
