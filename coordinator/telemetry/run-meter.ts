/** What metrics are told of a run. RunTelemetry shows it under the run's name; of a sweep's trials it is only counted. */
import type { RunStateLabel } from "../../shared/metrics.js";
import type { TaskRecord } from "../../shared/records/task.js";
import type { TaskStanding } from "../evaluation/evaluation-job.js";
import type { CommittedStep } from "../training/training-types.js";

export interface RunMeter {
  state(now: RunStateLabel): void;
  committed(step: CommittedStep, total: number): void;
  checkpoint(outcome: "written" | "failed", seconds: number, bytes: number): void;
  accuracy(value: number): void;
  /** A checkpoint is going to be measured; `known` was found out before. */
  evaluating(known: readonly TaskRecord[]): void;
  tasks(standing: TaskStanding): void;
  taskRetried(reason: "failed" | "given_back"): void;
  /** `seconds`: from the task's lease to its result. */
  measured(record: TaskRecord, seconds: number, traceId?: string): void;
}
