/**
 * What a coordinator says of its progress: the `Event` of shared/proto/control.proto as plain interfaces, so that
 * decoded messages and plain objects both fit. A field that was not sent counts as zero or empty.
 */
export interface ProgressEvent {
  timeMs?: number | null;
  progress?: RunProgress | null;
  workers?: WorkerTable | null;
  note?: Note | null;
  phase?: Phase | null;
  finished?: Finished | null;
}

/** What a run, or the cluster as a whole (empty `runId`), does now. */
export interface Phase {
  runId?: string | null;
  model?: string | null;
  /** waiting, loading, training, evaluating, reporting. */
  name?: string | null;
  /** What is waited for, or worked on. */
  detail?: string | null;
}

export interface RunProgress {
  runId?: string | null;
  model?: string | null;
  /** training or evaluating. */
  phase?: string | null;
  /** Steps, or images x strengths. */
  done?: number | null;
  total?: number | null;
  epoch?: number | null;
  epochs?: number | null;
  /** Exponentially weighted. */
  loss?: number | null;
  /** Share in [0, 1]. */
  accuracy?: number | null;
  samplesPerSecond?: number | null;
  /** Negative while unknown. */
  etaSeconds?: number | null;
  detail?: string | null;
}

export interface WorkerTable {
  workers?: readonly WorkerRow[] | null;
}

export interface WorkerRow {
  workerId?: string | null;
  /** idle, busy, lost. */
  state?: string | null;
  engine?: string | null;
  /** Exponentially weighted time of a lease. */
  leaseMs?: number | null;
  samplesPerSecond?: number | null;
  samples?: number | null;
  rssBytes?: number | null;
  retries?: number | null;
}

export interface Note {
  /** info, warning, error. */
  level?: string | null;
  message?: string | null;
}

export interface Finished {
  runId?: string | null;
  ok?: boolean | null;
  message?: string | null;
  exitCode?: number | null;
  /** The error's code; "interrupted" when a signal came first. */
  code?: string | null;
}
