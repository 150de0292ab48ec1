/** Who wants to know what a run does: progress events, metrics, the log. */
import type { StepMetric } from "../../shared/results.js";
import type { TaskRecord } from "../../shared/records/task.js";
import type { TaskStanding } from "../evaluation/evaluation-job.js";
import type { CommittedStep } from "../training/training-types.js";

export interface RunObserver {
  phase(name: "training" | "evaluating", detail: string): void;
  committed(step: CommittedStep, total: number): void;
  /** An exclusive lease is this far; its steps are not committed. */
  advanced(stepsDone: number, total: number, loss: number, accuracy: number): void;
  evaluating(progress: EvaluationProgress): void;
  /** Where the run begins or goes on, and the steps before. */
  opened(step: number, total: number, before: readonly StepMetric[]): void;
  /** On the clean test images, after so many steps. */
  accuracy(value: number, step: number): void;
  checkpoint(outcome: "written" | "failed", seconds: number, bytes: number): void;
  /** An evaluation of the weights with this hash begins; `known` was measured by an attempt before this one. */
  evaluationBegins(known: readonly TaskRecord[], checkpoint: string): void;
  tasks(standing: TaskStanding): void;
  taskRetried(reason: "failed" | "given_back"): void;
  measured(record: TaskRecord, seconds: number, checkpoint: string, traceId: string | undefined): void;
  note(level: "info" | "warning" | "error", message: string): void;
}

/** Images x strengths measured and in all, the share of the work behind that, and what is being measured. */
export interface EvaluationProgress {
  done: number;
  total: number;
  workDone: number;
  detail: string;
}
