/** What can happen to the book of leases, and what follows from it. */
import type { EngineFingerprint } from "../../shared/fingerprint.js";
import type { Account } from "../pool/fairness.js";
import type { LeaseBook } from "./book.js";
import type { Commit, Unit, WorkPlan } from "./unit.js";

/** How far a worker says it is with a stretch; nothing of it is committed. */
export interface StretchProgress {
  steps: number;
  loss: number;
  accuracy: number;
}

export type LeaseEvent =
  /** A worker was admitted: it is new, started again, or says again that it is there. */
  | {
      kind: "joined";
      worker: string;
      incarnation: number;
      engine: EngineFingerprint;
      pid: number;
      /** Equal for workers that share memory among themselves; without it, this one has no mates. */
      host?: string;
      /** What it works on; 0 when idle, FOREIGN_LEASE when another coordinator gave it. */
      leaseId: number;
    }
  /** Its heartbeat. `leaseId`: as above. */
  | {
      kind: "heard";
      worker: string;
      incarnation: number;
      isOurTerm: boolean;
      leaseId: number;
      rssBytes: number;
      progress: StretchProgress | undefined;
    }
  /** It gives a lease back unfinished. */
  | {
      kind: "returned";
      worker: string;
      incarnation: number;
      leaseId: number;
      reason: string;
      hasFailed: boolean;
    }
  | { kind: "left"; worker: string; incarnation: number; reason: string }
  /** Its process has ended, says whoever started it. */
  | { kind: "died"; worker: string; pid: number }
  /** NATS can be reached again, or no more. */
  | { kind: "connection"; isConnected: boolean }
  /** A newer coordinator leads the pool: nothing is leased any more. */
  | { kind: "superseded"; term: number }
  /** A worker says that it has joined a later coordinator, of this term. */
  | { kind: "follows"; worker: string; term: number }
  /** Time has passed. `lateMs`: by how much later we look than we meant to: nobody could be heard of meanwhile. */
  | { kind: "tick"; lateMs?: number }
  /** A job wants something else done. `isFresh`: what is in work is given up, as if it had never begun. */
  | { kind: "planned"; jobId: string; runId: string; account?: Account; plan: WorkPlan; isFresh: boolean }
  | { kind: "withdrawn"; jobId: string }
  /** Holders of the job's leases are to end early and send what they have. */
  | { kind: "recalled"; jobId: string }
  /** The result of a unit is here and was accepted: after `steps` steps, which its worker says took so long. */
  | {
      kind: "computed";
      jobId: string;
      unitId: string;
      worker: string;
      steps: number;
      toldMs: number | undefined;
      /** The lease that its worker is through with by this; undefined when the end of the push will say so. */
      leaseId?: number;
    }
  /**
   * Nothing else is left to decide: idle workers get work, `first` before the others, for what the next unit needs is in its
   * engine still. So nothing is leased before a job has answered to what happened.
   */
  | { kind: "serve"; first: string | undefined }
  /** A worker is through with a lease. `told`: the time that it says it took, for the series of its unit. */
  | {
      kind: "settled";
      jobId: string | undefined;
      unitId: string | undefined;
      worker: string;
      leaseId: number;
      outcome: "done" | "refused" | "failed" | "spoiled";
      reason: string;
      told: { series: string; ms: number } | undefined;
    };

export type EventOf<Kind extends LeaseEvent["kind"]> = Extract<LeaseEvent, { kind: Kind }>;

export type LeaseOutcome = "done" | "expired" | "returned" | "lost";

/** Why a unit is offered again: computing it failed, or its worker was lost, late or gave it back. */
export type ReopenReason = "failed" | "given_back";

export type Effect =
  | {
      kind: "lease";
      worker: string;
      jobId: string;
      unit: Unit;
      leaseId: number;
      attempt: number;
      atMs: number;
      /** An engine that has not answered for this long hangs; 0: never. */
      hungMs: number;
      /** Its worker has not served the run yet, or not lately. */
      isCold: boolean;
      /** Of the workers of its host, the one that passes parameters on; empty: it has no mates. */
      relay: string;
    }
  | { kind: "halt"; worker: string; leaseId: number }
  /** Nobody wants what the worker may have been told to do. */
  | { kind: "cancel"; worker: string; leaseId: number; reason: string }
  | { kind: "rejoin"; worker: string }
  /** The job's turn, in this order before any lease that follows from it. */
  | { kind: "commit"; jobId: string; commit: Commit; units: readonly CommittedUnit[] }
  | { kind: "reopened"; jobId: string; unit: Unit; leaseId: number; why: ReopenReason }
  | { kind: "diverged"; jobId: string; unit: Unit; attempts: ReadonlyMap<string, number> }
  | { kind: "progress"; jobId: string; unit: Unit; progress: StretchProgress }
  /** Something about the job's units changed. */
  | { kind: "units"; jobId: string }
  | { kind: "ended"; outcome: LeaseOutcome }
  /** A worker has held a lease for so long, in the name of this account. */
  | { kind: "held"; account: string; ms: number }
  | { kind: "member"; change: "joined" | "gone" | "lost" | "quarantined"; worker: string }
  /** Who can work changed. */
  | { kind: "able" }
  | { kind: "announce" }
  /** No worker is ours any more: they are a later coordinator's, of this term. */
  | { kind: "superseded"; term: number };

/** A unit of a commit, and who computed it. */
export interface CommittedUnit<Own extends Unit = Unit> {
  unit: Own;
  worker: string;
  /** Of its worker. */
  engine: EngineFingerprint;
  attempt: number;
  /** From its lease to its last byte. */
  ms: number;
  atMs: number;
  /** Time of one step of it, as its worker measured it if that can be true. */
  stepMs: number;
}

/** A decision in words. `worker`: whom it is about; a worker can cause such lines as often as it likes. */
export interface Reason {
  level: "debug" | "info" | "warn";
  text: string;
  worker?: string;
  fields?: Record<string, unknown>;
}

export interface Decision {
  book: LeaseBook;
  effects: readonly Effect[];
  reasons: readonly Reason[];
}
