/** Every Prometheus metric once: name, type, labels, help. `shared/io/metrics-registry.ts` makes them real. */

import { keysOf } from "./core/keys.js";
import { EXIT_CODES } from "./errors.js";

export type ProcessRole = "coordinator" | "worker";

export interface MetricDefinition {
  name: string;
  type: "counter" | "gauge" | "histogram";
  help: string;
  labels: readonly string[];
  /** Who exports it. */
  roles: readonly ProcessRole[];
  buckets?: readonly number[];
  /** Label values to show at zero from the start: a counter that is absent breaks rates and alerts. */
  zeroes?: readonly Readonly<Record<string, string>>[];
}

/** Of steps and requests. */
const SHORT_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
/** Of checkpoints. */
const LONG_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
/** Of evaluation tasks: powers of about 2.5. */
const TASK_SECONDS = [0.1, 0.25, 0.6, 1.5, 4, 10, 25, 60, 150, 400, 1000, 1800];
/** Of a trial from one rung to the next: powers of about 2.5. */
const TRIAL_SECONDS = [0.1, 0.5, 1, 2.5, 6, 15, 40, 100, 250, 600, 1500, 4000, 10_000];
const STALE_STEPS = [0, 1, 2, 3, 5, 8, 13, 21, 34];

/** Why a pushed chunk or push was not counted. */
export const REFUSALS = [
  "truncated",
  "magic",
  "version",
  "size",
  "checksum",
  "run",
  "nonfinite",
  "duplicate",
  "stale",
  "fenced",
  "node",
  "count",
] as const;
export type Refusal = (typeof REFUSALS)[number];

/** Why a worker's message came to nothing. */
export const UNHEARD = ["failed", "inbox", "size", "busy"] as const;
export type Unheard = (typeof UNHEARD)[number];

/** Where a run stands; exactly one is 1. */
export const RUN_STATES = [
  "waiting_for_workers",
  "pending",
  "training",
  "evaluating",
  "finished",
  "interrupted",
  "failed",
] as const;
export type RunStateLabel = (typeof RUN_STATES)[number];

/** Where an evaluation task stands. */
export const TASK_STATES = ["pending", "running", "done"] as const;
export type TaskState = (typeof TASK_STATES)[number];

/** What a message on the bus carries. */
export const TRAFFIC_KINDS = ["gradient", "parameters", "data", "evaluation", "control"] as const;
export type TrafficKind = (typeof TRAFFIC_KINDS)[number];

/** Requests that a worker makes. */
export const REQUESTS = ["join", "run", "data", "parameters", "push", "result"] as const;
export type RequestOperation = (typeof REQUESTS)[number];

/** Why an attempt of a trial came to nothing: the error's code, or what ended it from outside. */
export const TRIAL_FAILURES = [...keysOf(EXIT_CODES), "timeout", "worker"] as const;
export type TrialFailure = (typeof TRIAL_FAILURES)[number];

/** What a worker does with its time. */
export const WORKER_PHASES = ["wait", "compute", "push", "evaluate"] as const;
export type WorkerPhase = (typeof WORKER_PHASES)[number];

/** Series of `saf_evaluation_accuracy_ratio` in one process; a larger grid is not exported, and the log says so. */
export const MOST_ACCURACY_SERIES = 500;
/** Attacks that have a histogram of their own; the others share the label "other". */
export const MOST_ATTACK_LABELS = 24;

const each = (label: string, values: readonly string[]): Record<string, string>[] =>
  values.map((value) => ({ [label]: value }));

const TRAFFIC = ["in", "out"].flatMap((direction) => TRAFFIC_KINDS.map((kind) => ({ direction, kind })));

export const METRICS = {
  buildInfo: {
    name: "saf_build_info",
    type: "gauge",
    help: "Always 1; the labels say what runs.",
    labels: ["version", "node"],
    roles: ["coordinator", "worker"],
  },
  runInfo: {
    name: "saf_run_info",
    type: "gauge",
    help: "Always 1; the labels say what is trained, on what, and how.",
    labels: ["run", "model", "dataset", "mode", "optimizer"],
    roles: ["coordinator"],
  },
  runState: {
    name: "saf_run_state",
    type: "gauge",
    help: "1 for the state that the run is in, 0 for the others.",
    labels: ["run", "state"],
    roles: ["coordinator"],
  },
  runsEnded: {
    name: "saf_runs_ended_total",
    type: "counter",
    help: "Runs that this coordinator is done with, by how they ended.",
    labels: ["outcome"],
    roles: ["coordinator"],
    zeroes: each("outcome", ["finished", "interrupted", "failed"]),
  },
  runsPending: {
    name: "saf_runs_pending",
    type: "gauge",
    help: "Runs that this coordinator knows of and has not begun; they have no series of their own yet.",
    labels: [],
    roles: ["coordinator"],
  },
  runProgress: {
    name: "saf_run_progress_ratio",
    type: "gauge",
    help: "Share of the run's steps that are committed.",
    labels: ["run"],
    roles: ["coordinator"],
  },
  steps: {
    name: "saf_optimizer_steps_total",
    type: "counter",
    help: "Committed optimizer steps.",
    labels: ["run"],
    roles: ["coordinator"],
  },
  samples: {
    name: "saf_samples_processed_total",
    type: "counter",
    help: "Training images that ended up in committed steps.",
    labels: ["run"],
    roles: ["coordinator"],
  },
  parameterVersion: {
    name: "saf_parameter_version",
    type: "gauge",
    help: "Version of the parameters being trained.",
    labels: ["run"],
    roles: ["coordinator"],
  },
  loss: {
    name: "saf_train_loss",
    type: "gauge",
    help: "Training loss, an exponentially weighted mean over the last steps.",
    labels: ["run"],
    roles: ["coordinator"],
  },
  gradientNorm: {
    name: "saf_gradient_norm",
    type: "gauge",
    help: "Euclidean norm of the mean gradient of a step, measured about once a second; absent with exclusive leases.",
    labels: ["run"],
    roles: ["coordinator"],
  },
  updateNorm: {
    name: "saf_update_norm",
    type: "gauge",
    help: "Euclidean norm of what the same step changed in the weights.",
    labels: ["run"],
    roles: ["coordinator"],
  },
  learningRate: {
    name: "saf_learning_rate",
    type: "gauge",
    help: "Learning rate of the newest committed step.",
    labels: ["run"],
    roles: ["coordinator"],
  },
  accuracy: {
    name: "saf_eval_accuracy_ratio",
    type: "gauge",
    help: "Clean accuracy on the test images, last measured.",
    labels: ["run"],
    roles: ["coordinator"],
  },
  gradients: {
    name: "saf_gradients_received_total",
    type: "counter",
    help: "Gradient chunks that came in, by what became of them.",
    labels: ["outcome"],
    roles: ["coordinator"],
    zeroes: each("outcome", ["accepted", ...REFUSALS]),
  },
  staleness: {
    name: "saf_gradient_staleness_steps",
    type: "histogram",
    help: "Versions between the parameters that a step's gradients were computed from and those they changed; 0 in synchronous mode.",
    labels: ["run"],
    roles: ["coordinator"],
    buckets: STALE_STEPS,
  },
  nonfinite: {
    name: "saf_nonfinite_total",
    type: "counter",
    help: "Chunks refused because values in them were not finite, by what they were part of.",
    labels: ["run", "where"],
    roles: ["coordinator"],
  },
  stepSeconds: {
    name: "saf_step_duration_seconds",
    type: "histogram",
    help: "Time from a step's first lease to its commit.",
    labels: ["run"],
    roles: ["coordinator"],
    buckets: SHORT_SECONDS,
  },
  barrierSeconds: {
    name: "saf_barrier_wait_seconds",
    type: "histogram",
    help: "Time between the first and the last finished block of a step: what the slowest worker costs.",
    labels: ["run"],
    roles: ["coordinator"],
    buckets: SHORT_SECONDS,
  },
  aggregateSeconds: {
    name: "saf_aggregate_duration_seconds",
    type: "histogram",
    help: "Time that summing a step's gradients, updating the parameters and publishing them took.",
    labels: ["run"],
    roles: ["coordinator"],
    buckets: SHORT_SECONDS,
  },
  workers: {
    name: "saf_workers",
    type: "gauge",
    help: "Workers of the pool by state; straggling ones hold a lease that is overdue.",
    labels: ["state"],
    roles: ["coordinator"],
    zeroes: each("state", ["idle", "busy", "straggling", "quarantined"]),
  },
  workersLost: {
    name: "saf_workers_lost_total",
    type: "counter",
    help: "Workers that fell silent without taking their leave.",
    labels: [],
    roles: ["coordinator"],
  },
  leases: {
    name: "saf_leases_total",
    type: "counter",
    help: "Leases by how they ended.",
    labels: ["outcome"],
    roles: ["coordinator"],
    zeroes: each("outcome", ["done", "expired", "returned", "lost"]),
  },
  refusedWorkers: {
    name: "saf_workers_refused_total",
    type: "counter",
    help: "Workers that were not taken in, by reason.",
    labels: ["reason"],
    roles: ["coordinator"],
    zeroes: each("reason", ["self_test", "protocol", "engine", "bits", "name"]),
  },
  leaseSeconds: {
    name: "saf_lease_seconds_total",
    type: "counter",
    help: "Time that workers have held leases, by whose work it was: runs, or a sweep.",
    labels: ["account"],
    roles: ["coordinator"],
  },
  quarantines: {
    name: "saf_worker_quarantines_total",
    type: "counter",
    help: "Times that a worker was given no work for a while, because its leases failed in a row.",
    labels: [],
    roles: ["coordinator"],
  },
  workerLastSeen: {
    name: "saf_worker_last_seen_timestamp_seconds",
    type: "gauge",
    help: "When the worker was last heard of, seconds since 1970.",
    labels: ["worker"],
    roles: ["coordinator"],
  },
  workerStepSeconds: {
    name: "saf_worker_step_seconds",
    type: "gauge",
    help: "Exponentially weighted time of this worker's part of a step, from lease to result.",
    labels: ["worker"],
    roles: ["coordinator"],
  },
  workerSamples: {
    name: "saf_worker_samples_total",
    type: "counter",
    help: "Training images of this worker that were counted.",
    labels: ["worker"],
    roles: ["coordinator"],
  },
  evaluationTasks: {
    name: "saf_evaluation_tasks",
    type: "gauge",
    help: "Tasks of the run's evaluation in work, by state: the queue that more workers would shorten.",
    labels: ["run", "state"],
    roles: ["coordinator"],
  },
  evaluationTaskSeconds: {
    name: "saf_evaluation_task_duration_seconds",
    type: "histogram",
    help: "Time from an evaluation task's lease to its result, by attack.",
    labels: ["attack"],
    roles: ["coordinator"],
    buckets: TASK_SECONDS,
  },
  evaluationRetries: {
    name: "saf_evaluation_task_retries_total",
    type: "counter",
    help: "Evaluation tasks that had to be given out again: their worker could not compute them, or was lost or late.",
    labels: ["reason"],
    roles: ["coordinator"],
    zeroes: each("reason", ["failed", "given_back"]),
  },
  evaluationSamples: {
    name: "saf_evaluation_samples_total",
    type: "counter",
    help: "Images measured, each counted at every strength.",
    labels: ["run"],
    roles: ["coordinator"],
  },
  evaluationAccuracy: {
    name: "saf_evaluation_accuracy_ratio",
    type: "gauge",
    help: `Accuracy against strength, over the images measured so far; on nonsense the share not taken for real. At most ${MOST_ACCURACY_SERIES} series, the log says when there would be more.`,
    labels: ["run", "protocol", "kind", "attack", "norm", "strength"],
    roles: ["coordinator"],
  },
  sweepTrials: {
    name: "saf_sweep_trials",
    type: "gauge",
    help: "Trials of a sweep by state: a worker computes at running ones; waiting ones have none yet, or are at a rung where others decide whether they go on.",
    labels: ["sweep", "state"],
    roles: ["coordinator"],
  },
  sweepPlanned: {
    name: "saf_sweep_planned_trials",
    type: "gauge",
    help: "Trials that the sweep has in the end; absent while nobody can say.",
    labels: ["sweep"],
    roles: ["coordinator"],
  },
  sweepRungTrials: {
    name: "saf_sweep_rung_trials",
    type: "gauge",
    help: "Trials by the rung of their newest result.",
    labels: ["sweep", "rung"],
    roles: ["coordinator"],
  },
  sweepBest: {
    name: "saf_sweep_best_objective",
    type: "gauge",
    help: "The best value of each objective among the trials that are ranked; shares lie in [0, 1].",
    labels: ["sweep", "objective"],
    roles: ["coordinator"],
  },
  sweepTrialSeconds: {
    name: "saf_sweep_trial_seconds",
    type: "histogram",
    help: "Time that training and measuring took for each result of a trial, one at every rung.",
    labels: ["sweep"],
    roles: ["coordinator"],
    buckets: TRIAL_SECONDS,
  },
  sweepFailures: {
    name: "saf_sweep_trial_failures_total",
    type: "counter",
    help: "Attempts of trials that came to nothing, by the error's code; `timeout` exceeded its time, `worker` ended its workers.",
    labels: ["sweep", "code"],
    roles: ["coordinator"],
  },
  sweepSamples: {
    name: "saf_sweep_samples_total",
    type: "counter",
    help: "Training images behind the results of a sweep, since this coordinator began with it.",
    labels: ["sweep"],
    roles: ["coordinator"],
  },
  sweepEta: {
    name: "saf_sweep_eta_seconds",
    type: "gauge",
    help: "Time that the rest of the sweep is likely to take; absent while nobody can say.",
    labels: ["sweep"],
    roles: ["coordinator"],
  },
  wireBytes: {
    name: "saf_wire_bytes_total",
    type: "counter",
    help: "Bytes of messages on the bus by direction, as this process sees it; large ones may have gone through shared memory.",
    labels: ["direction", "kind"],
    roles: ["coordinator", "worker"],
    zeroes: TRAFFIC,
  },
  wireMessages: {
    name: "saf_wire_messages_total",
    type: "counter",
    help: "Messages on the bus by direction, as this process sees it.",
    labels: ["direction", "kind"],
    roles: ["coordinator", "worker"],
    zeroes: TRAFFIC,
  },
  requestSeconds: {
    name: "saf_nats_request_duration_seconds",
    type: "histogram",
    help: "Time from a request to its answer, or to the end of patience.",
    labels: ["operation"],
    roles: ["worker"],
    buckets: SHORT_SECONDS,
  },
  reconnects: {
    name: "saf_nats_reconnects_total",
    type: "counter",
    help: "Times that a connection to NATS came back.",
    labels: [],
    roles: ["coordinator", "worker"],
  },
  natsRefusals: {
    name: "saf_nats_permission_errors_total",
    type: "counter",
    help: "Subjects that NATS did not let this process publish or subscribe to: wrong credentials, or a bug.",
    labels: [],
    roles: ["coordinator", "worker"],
  },
  unheard: {
    name: "saf_messages_unheard_total",
    type: "counter",
    help: "Messages that came to nothing: whoever heard them `failed` over them; or, at the coordinator, an answer wanted in another's `inbox`, of a `size` that NATS does not take, or more questions than are answered, or messages than are heard, at a time (`busy`).",
    labels: ["reason"],
    roles: ["coordinator", "worker"],
    zeroes: UNHEARD.map((reason) => ({ reason })),
  },
  pendingBytes: {
    name: "saf_nats_pending_bytes",
    type: "gauge",
    help: "Bytes published to NATS that the operating system has not taken yet: a server or network that does not keep up.",
    labels: [],
    roles: ["coordinator", "worker"],
  },
  checkpointSeconds: {
    name: "saf_checkpoint_duration_seconds",
    type: "histogram",
    help: "Time to write a checkpoint.",
    labels: [],
    roles: ["coordinator"],
    buckets: LONG_SECONDS,
  },
  checkpointBytes: {
    name: "saf_checkpoint_size_bytes",
    type: "gauge",
    help: "Size of the run's last checkpoint.",
    labels: ["run"],
    roles: ["coordinator"],
  },
  checkpoints: {
    name: "saf_checkpoints_total",
    type: "counter",
    help: "Checkpoints by outcome.",
    labels: ["outcome"],
    roles: ["coordinator"],
    zeroes: each("outcome", ["written", "failed"]),
  },
  checkpointTime: {
    name: "saf_checkpoint_last_success_timestamp_seconds",
    type: "gauge",
    help: "When the run's last checkpoint was written, seconds since 1970.",
    labels: ["run"],
    roles: ["coordinator"],
  },
  phaseSeconds: {
    name: "saf_worker_phase_duration_seconds",
    type: "histogram",
    help: "Where a worker's time goes: waiting for parameters, computing gradients, pushing them, evaluating.",
    labels: ["phase"],
    roles: ["worker"],
    buckets: SHORT_SECONDS,
  },
  tensors: {
    name: "saf_worker_tensors",
    type: "gauge",
    help: "Live tensors in the engine; a rising number is a leak.",
    labels: [],
    roles: ["worker"],
  },
  tensorBytes: {
    name: "saf_worker_tensor_memory_bytes",
    type: "gauge",
    help: "Memory of the live tensors.",
    labels: [],
    roles: ["worker"],
  },
  engineInfo: {
    name: "saf_worker_backend_info",
    type: "gauge",
    help: "Always 1; the labels name the engine and its version.",
    labels: ["backend", "version"],
    roles: ["worker"],
  },
} as const satisfies Record<string, MetricDefinition>;

export type MetricKey = keyof typeof METRICS;
