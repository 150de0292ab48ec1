/** What a run is handed: its settings and its storage, and what it shares with the coordinator's other runs. */
import type { MappedMemory } from "../../shared/bus.js";
import type { Clock } from "../../shared/clock.js";
import type { Config } from "../../shared/config/run.js";
import type { ModelResult } from "../../shared/results.js";
import type { Tracer } from "../../shared/tracing.js";
import type { Account } from "../pool/fairness.js";
import type { Job, JobDesk } from "../leases/job.js";
import type { RunObserver } from "./observer.js";
import type { RunStorage } from "./storage.js";
import type { Neighbour, RunData, Shelf, Surroundings } from "./surroundings.js";

/** The workers, as a run sees them: coordinator.ts. */
export interface JobPool {
  add(job: Job): void;
  remove(job: Job): void;
  /** What a job asks of the book of leases. */
  readonly desk: (jobId: string) => JobDesk;
  /** Resolves when there is nobody to finish the work in hand. */
  whenNobodyCanWork(): Promise<void>;
}

/** The same for all runs of a coordinator. */
export interface RunEdges {
  coordinator: JobPool;
  /** Fencing term of the coordinator. */
  term: number;
  /** Shortest deadline of a lease. */
  leaseFloorMs: number;
  /** First Ctrl-C: finish the step, checkpoint, stop. */
  signal: AbortSignal;
  clock: Clock;
  /** Milliseconds since 1970, for documents. */
  wallClock: () => number;
  /** Sends one frame of a shard's parameters to all workers. */
  broadcast: (shard: number, frame: Uint8Array) => void;
  mapped: MappedMemory | undefined;
  shelf: Shelf;
  surroundings: Surroundings;
  tracer?: Tracer | undefined;
}

export interface RunContext extends RunEdges {
  runId: string;
  /** In whose name its work asks for workers. */
  account?: Account | undefined;
  /** Workers that may be lost at one piece of its work before the run fails; any number when undefined. */
  mostLosses?: number | undefined;
  config: Config;
  storage: RunStorage;
  data: RunData;
  /** Whose newest state it begins with, while it has none of its own. */
  origin?: RunStorage | undefined;
  /** Test images of each kind and strength that are kept as pictures, for its report. */
  pictures: number;
  /** Measure the newest checkpoint as it is. */
  evaluateOnly: boolean;
  /** Runs that are conducted now, this one included. */
  runsSideBySide: () => number;
  /** The coordinator's run in this directory, if one is there or to come; this one is among them. */
  beside: (directory: string) => Neighbour | undefined;
  /** The run's weights are final. */
  onTrained: () => void;
  observer: RunObserver;
}

export interface RunOutcome {
  /** Of the run, or of its network: see resolveRun. */
  name: string;
  /** SHA-256 of the final weights. */
  weightsSha256: string;
  /** Undefined when the signal came first: the run can be resumed. */
  result: ModelResult | undefined;
  /** A network that it is to be attacked from is not trained yet: more can be measured once it is. */
  isIncomplete: boolean;
}
