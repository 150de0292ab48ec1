/** What goes in and out of a training. */
import type { MappedMemory } from "../../shared/bus.js";
import type { Layout } from "../../shared/core/layout.js";
import type { StepPlan } from "../../shared/core/schedule.js";
import type { ClusterError } from "../../shared/errors.js";
import type { EngineFingerprint } from "../../shared/fingerprint.js";
import type { saf } from "../../shared/messages.js";
import type { TrainingState } from "../../shared/records/checkpoint.js";
import type { TaskSpec } from "../../shared/records/task.js";
import type { ResolvedRun } from "../../shared/resolve.js";
import type { Tracer } from "../../shared/tracing.js";
import type { Account } from "../pool/fairness.js";
import type { MakeAggregation } from "./aggregation/aggregation.js";

/** What is known about a committed step. */
export interface CommittedStep {
  step: number;
  epoch: number;
  /** Positions [first, end) in the epoch's order. */
  firstImage: number;
  endImage: number;
  samples: number;
  /** Mean over the samples, before the update. */
  loss: number;
  hits: number;
  learningRate: number;
  blocks: {
    first: number;
    count: number;
    worker: string;
    engine: EngineFingerprint;
    attempt: number;
    ms: number;
  }[];
  /** Between the first and the last finished block. */
  barrierMs: number;
  /** Summing, updating and publishing; 0 where a worker did that by itself. */
  aggregateMs: number;
  /** Euclidean norms of mean gradient and update of the weights, where they were measured. */
  norms?: { gradient: number; update: number };
  /** From the step's first lease to its commit. */
  seconds: number;
  /** When it was done, by the coordinator's clock. */
  atMs: number;
  /** Where the step was traced. */
  traceId?: string;
}

/** What decides a training. */
export interface TrainingOptions {
  runId: string;
  /** In whose name it asks for workers. */
  account?: Account | undefined;
  /** Workers that may be lost at one unit before the training fails; any number when undefined. */
  mostLosses?: number | undefined;
  run: ResolvedRun;
  layout: Layout;
  plan: StepPlan;
  term: number;
  /** Shortest deadline of a lease, ms. */
  leaseFloorMs: number;
  spec: saf.v1.RunSpec.$Properties;
  state: TrainingState;
  /** How the gradients of a step become one sum. */
  aggregate: MakeAggregation;
  /** Measured behind the last step, by whoever makes it in a stretch. */
  behind?: readonly TaskSpec[];
}

export interface TrainingEdges {
  clock: () => number;
  /** Broadcasts one chunk frame of a shard's next version. */
  broadcast: (shard: number, frame: Uint8Array) => void;
  /** Where frames are broadcast from without a copy, if there is such a place. */
  mapped?: MappedMemory | undefined;
  onCommit: (step: CommittedStep) => void;
  /** How far a stretch in work is: not committed yet, and perhaps never. */
  onProgress?: (stepsDone: number, loss: number, accuracy: number) => void;
  /** What `behind` came to on the worker of the last stretch, in that order; untrusted. */
  onMeasured?: (worker: string, results: readonly saf.v1.TaskResult.$Properties[]) => void;
  fail: (error: ClusterError) => void;
  /** Without one nothing is traced. */
  tracer?: Tracer;
}
