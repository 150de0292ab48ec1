/** What the coordinator needs from outside: the bus, time, data, and who hears of its work. */
import type { FarWorkers } from "./pool/far-workers.js";
import type { Bus } from "../shared/bus.js";
import type { Clock } from "../shared/clock.js";
import type { saf } from "../shared/messages.js";
import type { Refusal, Unheard } from "../shared/metrics.js";
import type { Subjects } from "../shared/subjects.js";
import type { EngineFingerprint } from "../shared/fingerprint.js";
import type { LeaseOutcome } from "./leases/events.js";
import type { MixedEngines } from "./pool/engines.js";
import type { QuarantineRule } from "./pool/standing.js";

export type LogLevel = "debug" | "info" | "warn" | "error";

export interface CoordinatorEdges {
  control: Bus;
  bulk: Bus;
  subjects: Subjects;
  clock: Clock;
  /** Fencing number: grows with every start of a coordinator. */
  term: number;
  heartbeatMs: number;
  quarantine: QuarantineRule;
  /** Deadlines that an engine may be silent for; 0: for ever. */
  hungAfter: number;
  mixedEngines: MixedEngines;
  /** Whose bits the runs have, as they were left. */
  committedEngines: readonly EngineFingerprint[];
  /** Engines whose workers may serve; by itself, the real ones. */
  engines?: readonly string[] | undefined;
  /** Learns who shares no memory with us; without it, nobody asks. */
  farWorkers?: FarWorkers | undefined;
  /** Answers a worker's request for a range of a data part. */
  dataRange: (request: saf.v1.DataRequest) => saf.v1.DataRange.$Properties;
  log: (level: LogLevel, message: string, fields?: Record<string, unknown>) => void;
  metrics: CoordinatorMetrics;
  /** A newer coordinator leads the pool, with this term: ours is over. */
  superseded: (term: number) => void;
}

export interface CoordinatorMetrics {
  gradient(outcome: "accepted" | Refusal): void;
  nonfinite(runId: string, where: "gradient" | "state"): void;
  lease(outcome: LeaseOutcome): void;
  /** A worker has held a lease for so long; `account`: pool/fairness.ts. */
  held(account: string, ms: number): void;
  workerRefused(label: string): void;
  workers(counts: { idle: number; busy: number; straggling: number; quarantined: number }): void;
  workerLost(): void;
  quarantined(): void;
  workerJoined(worker: string): void;
  workerGone(worker: string): void;
  reconnected(): void;
  /** A worker's message, or an answer to it, came to nothing. */
  unheard(why: Unheard): void;
}
