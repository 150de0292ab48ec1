/** Every Prometheus metric once: name, type, labels, help. `shared/io/metrics-registry.ts` makes them real. */

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

const SHORT_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const LONG_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];

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
] as const;
export type Refusal = (typeof REFUSALS)[number];

const each = (label: string, values: readonly string[]): Record<string, string>[] =>
  values.map((value) => ({ [label]: value }));

export const METRICS = {
  buildInfo: {
    name: "saf_build_info",
    type: "gauge",
    help: "Always 1; the labels say what runs.",
    labels: ["version", "node"],
    roles: ["coordinator", "worker"],
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
    help: "Mean training loss of the newest committed step.",
    labels: ["run"],
    roles: ["coordinator"],
  },
  learningRate: {
    name: "saf_learning_rate",
    type: "gauge",
    help: "Learning rate of the step in work.",
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
  stepSeconds: {
    name: "saf_step_duration_seconds",
    type: "histogram",
    help: "Time from one committed step to the next.",
    labels: [],
    roles: ["coordinator"],
    buckets: SHORT_SECONDS,
  },
  barrierSeconds: {
    name: "saf_barrier_wait_seconds",
    type: "histogram",
    help: "Time between the first and the last finished block of a step: what the slowest worker costs.",
    labels: [],
    roles: ["coordinator"],
    buckets: SHORT_SECONDS,
  },
  workers: {
    name: "saf_workers",
    type: "gauge",
    help: "Workers of the pool by state.",
    labels: ["state"],
    roles: ["coordinator"],
    zeroes: each("state", ["idle", "busy", "quarantined", "lost"]),
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
    zeroes: each("reason", ["self_test", "protocol", "engine", "name"]),
  },
  quarantines: {
    name: "saf_worker_quarantines_total",
    type: "counter",
    help: "Times that a worker was given no work for a while, because its leases failed in a row.",
    labels: [],
    roles: ["coordinator"],
  },
  workerStepSeconds: {
    name: "saf_worker_step_seconds",
    type: "gauge",
    help: "Exponentially weighted time of this worker's leases.",
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
    help: "Evaluation tasks of the run by state.",
    labels: ["run", "state"],
    roles: ["coordinator"],
  },
  wireBytes: {
    name: "saf_wire_bytes_total",
    type: "counter",
    help: "Bulk bytes by direction, as this process sees it.",
    labels: ["direction", "kind"],
    roles: ["coordinator", "worker"],
    zeroes: ["in", "out"].flatMap((direction) =>
      ["gradient", "parameters"].map((kind) => ({ direction, kind })),
    ),
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
  checkpointSeconds: {
    name: "saf_checkpoint_duration_seconds",
    type: "histogram",
    help: "Time to write a checkpoint.",
    labels: [],
    roles: ["coordinator"],
    buckets: LONG_SECONDS,
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
    help: "When the last checkpoint was written, seconds since 1970.",
    labels: [],
    roles: ["coordinator"],
  },
  phaseSeconds: {
    name: "saf_worker_phase_duration_seconds",
    type: "histogram",
    help: "Where a worker's time goes: waiting for parameters, computing, pushing.",
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
  engineInfo: {
    name: "saf_worker_backend_info",
    type: "gauge",
    help: "Always 1; the label names the engine.",
    labels: ["backend"],
    roles: ["worker"],
  },
} as const satisfies Record<string, MetricDefinition>;

export type MetricKey = keyof typeof METRICS;
