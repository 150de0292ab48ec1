/**
 * `sweep.jsonl`: what happened in a sweep, line by line, and nothing is ever rewritten. Its lines in their order are the
 * sweep's state (coordinator/sweeps/book.ts): which trials there are, how far each is, and why one ended.
 */
import type { SettingValue } from "../config/sweep.js";
import type { ErrorCode } from "../errors.js";

/** What a trial sets over the base, by path. */
export type Values = Readonly<Record<string, SettingValue>>;

/** By canonical name, as in `area(adversarial)`: metrics.ts. Rates in [0, 1]. */
export type MetricValues = Readonly<Record<string, number>>;

/** Of the lines below; a journal of another version is refused. */
export const SWEEP_JOURNAL_VERSION = 1;

/** First line, and again whenever a process goes on with the sweep. */
export interface OpenedLine {
  kind: "opened";
  version: typeof SWEEP_JOURNAL_VERSION;
  name: string;
  /** SHA-256 of the spec. */
  spec: string;
  /** SHA-256 of what decides which trials the search makes: with another one it counts its draws from 0 again. */
  search: string;
  /** SHA-256 of where rungs lie and how is measured there: what was measured at others does not compare. */
  rungs: string;
  /** Version of the code that decides results; it is part of every trial's id. */
  code: string;
  /** Seconds since 1970. */
  time: number;
}

/** The search came upon a trial. Its first attempt begins. */
export interface TrialLine {
  kind: "trial";
  /** Hash of the settings that decide its numbers, and of the code. */
  trial: string;
  /** From 0 on, in the order of the journal. */
  number: number;
  /**
   * Which draw of the search it is; absent where the search did not make it (`parent`). Draws that came to a trial which was
   * there already have no line.
   */
  draw?: number;
  values: Values;
  /** Trials that differ only in what is repeated have the same. */
  group: string;
  time: number;
  /** population: it begins behind this rung of another trial, with its state there. */
  parent?: Parent;
}

export interface Parent {
  trial: string;
  rung: number;
  /** SHA-256. */
  weights: string;
}

/** A rung was reached and measured. Counts once: an attempt or a rung that is not the trial's present one is refused. */
export interface ResultLine {
  kind: "result";
  trial: string;
  attempt: number;
  rung: number;
  /** It was the last rung: the trial is done. */
  last: boolean;
  /** Training images seen since the trial began; with a parent, what that had seen at its rung is counted in. */
  samples: number;
  metrics: MetricValues;
  /** SHA-256. */
  weights: string;
  /** Of this rung's training and measuring. */
  seconds: number;
  /** Why its robustness must not be believed; absent when no check failed. */
  unreliable?: readonly string[];
  /** Test images behind the clean accuracy, for intervals. */
  images: number;
  /** Test images behind the other metrics, where these were fewer. */
  measuredImages?: number;
  time: number;
}

/** What becomes of a trial behind a rung below its last. Until there is one, it waits. */
export interface DecisionLine {
  kind: "decision";
  trial: string;
  rung: number;
  decision: "go on" | "stop";
  /** In words. */
  reason: string;
  time: number;
}

/** An attempt came to nothing. */
export interface FailedLine {
  kind: "failed";
  trial: string;
  attempt: number;
  rung: number;
  code: ErrorCode | "timeout" | "worker";
  reason: string;
  /** No further attempt follows by itself. */
  final: boolean;
  time: number;
}

/** By hand: a failed trial may try again; what was cancelled goes on. */
export interface RetryLine {
  kind: "retry";
  trial: string;
  time: number;
}

/** By hand: nothing more is begun; `saf sweep resume` takes it back. */
export interface CancelledLine {
  kind: "cancelled" | "resumed";
  time: number;
}

export type SweepLine =
  OpenedLine | TrialLine | ResultLine | DecisionLine | FailedLine | RetryLine | CancelledLine;

/** Fields that a line must have, by kind, with their types. */
const FIELDS: Readonly<
  Record<SweepLine["kind"], Readonly<Record<string, "string" | "number" | "boolean" | "object">>>
> = {
  opened: {
    version: "number",
    name: "string",
    spec: "string",
    search: "string",
    rungs: "string",
    code: "string",
    time: "number",
  },
  trial: { trial: "string", number: "number", values: "object", group: "string", time: "number" },
  result: {
    ...{ trial: "string", attempt: "number", rung: "number", last: "boolean", samples: "number" },
    ...{ metrics: "object", weights: "string", seconds: "number", images: "number", time: "number" },
  },
  decision: { trial: "string", rung: "number", decision: "string", reason: "string", time: "number" },
  failed: {
    ...{ trial: "string", attempt: "number", rung: "number", code: "string", reason: "string" },
    ...{ final: "boolean", time: "number" },
  },
  retry: { trial: "string", time: "number" },
  cancelled: { time: "number" },
  resumed: { time: "number" },
};

const isKind = (kind: unknown): kind is SweepLine["kind"] =>
  typeof kind === "string" && Object.hasOwn(FIELDS, kind);

/** A file may hold anything. */
export function isSweepLine(found: object): found is SweepLine {
  const record: Readonly<Record<string, unknown>> = { ...found };
  const { kind } = record;
  if (!isKind(kind)) return false;
  return Object.entries(FIELDS[kind]).every(
    ([field, type]) => typeof record[field] === type && record[field] !== null,
  );
}

export const TRIAL_STATES = ["running", "waiting", "done", "stopped", "failed"] as const;
/**
 * running: some attempt of it is under way, or to be begun again; waiting: at a rung, others decide whether it goes on;
 * done: it reached the last rung; stopped: it was not good enough; failed: no attempt is left.
 */
export type TrialState = (typeof TRIAL_STATES)[number];

/** A trial's state in words: where no process works on the sweep, none of its trials runs. */
export function stateWord(state: TrialState, isAtWork: boolean): TrialState | "interrupted" {
  return state === "running" && !isAtWork ? "interrupted" : state;
}

/** A trial as results show it. */
export interface TrialRow {
  trial: string;
  number: number;
  group: string;
  values: Values;
  state: TrialState;
  attempt: number;
  /** In their order. */
  rungs: readonly Omit<ResultLine, "kind" | "trial">[];
  /** Of its newest rung; empty while there is none. */
  metrics: MetricValues;
  samples: number;
  /** Of these, what the parent had seen; absent without one. */
  inherited?: number;
  seconds: number;
  /** Of its newest rung. */
  weights?: string;
  unreliable?: readonly string[];
  /** Why it was stopped or failed, or waits, or tries again. */
  reason?: string;
  parent?: Parent;
  /** Why the present spec does not make it: it is kept, but neither goes on nor is ranked. */
  outside?: string;
}

/** Training images that it has seen itself: what it took over counts for the trial that it is from. */
export function ownSamples({ rungs, samples, inherited = 0 }: TrialRow): number {
  return rungs.length === 0 ? 0 : samples - inherited;
}
