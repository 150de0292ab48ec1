/**
 * How a sweep stands, as its coordinator tells it: to the terminal and the live page, and to metrics. Its message stays
 * small however many trials there are: the best ones by name, the others as counts, long texts cut.
 */
import { z } from "zod";
import type { SettingValue } from "./config/sweep.js";
import type { saf } from "./messages.js";
import {
  type DecisionLine,
  type MetricValues,
  TRIAL_STATES,
  type TrialRow,
  type TrialState,
  type Values,
} from "./records/sweep-line.js";

/** cancelled: nothing more begins, by hand; done: nothing is left to do; interrupted: its process ends, and it can go on. */
export const SWEEP_STATES = ["running", "cancelled", "done", "interrupted"] as const;
export type SweepState = (typeof SWEEP_STATES)[number];

export interface SweepProgress {
  name: string;
  title: string;
  state: SweepState;
  counts: Readonly<Record<TrialState, number>>;
  /** The lowest first. */
  rungs: readonly SweepRung[];
  /** Trials in the end; undefined while nobody can say. */
  planned: number | undefined;
  /** Training images, over all trials. */
  samplesSeen: number;
  samplesPerSecond: number;
  objectives: readonly SweepObjective[];
  /** The best first. */
  best: readonly SweepTrial[];
  /** Since the sweep was opened first. */
  seconds: number;
  etaSeconds: number | undefined;
  /** The newest first. */
  decisions: readonly SweepDecision[];
}

export interface SweepRung {
  rung: number;
  /** Training images that a trial has seen there. */
  samples: number;
  /** Trials whose newest result is from there. */
  count: number;
}

export interface SweepObjective {
  metric: string;
  goal: "maximize" | "minimize";
}

export interface SweepTrial {
  id: string;
  number: number;
  state: TrialState;
  /** Of its newest result. */
  rung: number;
  values: Values;
  metrics: MetricValues;
  /** SHA-256; empty while there is no result. */
  weights: string;
  /** Why it must not be believed, or is not ranked; empty when nothing is to be said. */
  note: string;
}

export interface SweepDecision extends Pick<DecisionLine, "rung" | "decision" | "reason" | "time"> {
  /** The trial's number. */
  trial: number;
  /** The trial's. */
  id: string;
}

/** A trial's row as progress shows it. `note`: what else is to be said of it, as that it misses a constraint. */
export function shownTrial(row: TrialRow, note = (row.unreliable ?? []).join("; ")): SweepTrial {
  const { trial: id, number, state, values, metrics, weights = "" } = row;
  return { id, number, state, rung: row.rungs.at(-1)?.rung ?? 0, values, metrics, weights, note };
}

// ---- Bounds of a message --------------------------------------------------------------------------------------

export const MOST_BEST_TRIALS = 100;
export const MOST_DECISIONS = 12;
/** Of the trials' texts in one message; trials that are beyond it are left out, the worst first. */
export const MOST_TRIAL_BYTES = 96 * 1024;
const MOST_RUNGS = 32;
const MOST_OBJECTIVES = 4;
const MOST_VALUES = 24;
const MOST_METRICS = 12;
const LONGEST_VALUE = 80;
const LONGEST_TEXT = 300;
/** What a trial's other fields and the tags of all come to at most. */
const TRIAL_OVERHEAD_BYTES = 160;

const DIGITS = 6;

/** What a metric sums up decides whether it is shown: first the objectives, then these, then what else there is room for. */
const SUMMARIES = [/^clean$/, /^loss$/, /^area\(/, /^worst\(/];

// ---- To a message and back ------------------------------------------------------------------------------------

export type SweepMessage = saf.v1.SweepProgress.$Properties;

export function sweepMessage(progress: SweepProgress): SweepMessage {
  const { name, title, state, counts, planned, samplesSeen, samplesPerSecond, seconds } = progress;
  const objectives = progress.objectives.slice(0, MOST_OBJECTIVES);
  return {
    name,
    title: cut(title, LONGEST_TEXT),
    state,
    counts: { ...counts },
    rungs: progress.rungs.slice(0, MOST_RUNGS).map((rung) => ({ ...rung })),
    planned: planned ?? 0,
    samplesSeen,
    samplesPerSecond,
    objectives: objectives.map(({ metric, goal }) => ({ metric, minimize: goal === "minimize" })),
    best: trialMessages(
      progress.best,
      objectives.map(({ metric }) => metric),
    ),
    seconds,
    etaSeconds: progress.etaSeconds ?? -1,
    decisions: progress.decisions
      .slice(0, MOST_DECISIONS)
      .map((decision) => ({ ...decision, reason: cut(decision.reason, LONGEST_TEXT) })),
  };
}

function trialMessages(
  best: readonly SweepTrial[],
  objectives: readonly string[],
): saf.v1.SweepTrial.$Properties[] {
  const messages: saf.v1.SweepTrial.$Properties[] = [];
  let bytes = 0;
  for (const { values, metrics, note, ...trial } of best.slice(0, MOST_BEST_TRIALS)) {
    const texts = {
      valuesJson: JSON.stringify(shownValues(values)),
      metricsJson: JSON.stringify(shownMetrics(metrics, objectives)),
      note: cut(note, LONGEST_TEXT),
    };
    bytes += TRIAL_OVERHEAD_BYTES + utf8Bytes(texts.valuesJson + texts.metricsJson + texts.note);
    if (bytes > MOST_TRIAL_BYTES) break;
    messages.push({ ...trial, ...texts });
  }
  return messages;
}

function shownValues(values: Values): Values {
  const shown = Object.entries(values).slice(0, MOST_VALUES);
  return Object.fromEntries(shown.map(([path, value]) => [path, shownValue(value)]));
}

function shownValue(value: SettingValue): SettingValue {
  if (typeof value === "number") return rounded(value);
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > LONGEST_VALUE ? cut(text, LONGEST_VALUE) : value;
}

function shownMetrics(metrics: MetricValues, objectives: readonly string[]): MetricValues {
  const place = (name: string): number => {
    const objective = objectives.indexOf(name);
    if (objective >= 0) return objective;
    const summary = SUMMARIES.findIndex((pattern) => pattern.test(name));
    return MOST_OBJECTIVES + (summary < 0 ? SUMMARIES.length : summary);
  };
  // Whoever sees the accuracy sees the error.
  const isTold = (name: string): boolean => {
    const accuracy = name.replace(/^error\(/, "accuracy(");
    return name === accuracy || objectives.includes(name) || !Object.hasOwn(metrics, accuracy);
  };
  const known = Object.entries(metrics).filter(([name, value]) => Number.isFinite(value) && isTold(name));
  known.sort(([a], [b]) => place(a) - place(b));
  return Object.fromEntries(known.slice(0, MOST_METRICS).map(([name, value]) => [name, rounded(value)]));
}

/** Enough for a picture; results have all digits. */
function rounded(value: number): number {
  return Number.isInteger(value) ? value : Number(value.toPrecision(DIGITS));
}

function cut(text: string, longest: number): string {
  return text.length > longest ? `${text.slice(0, longest - 2)} …` : text;
}

function utf8Bytes(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** From whoever: what cannot be read is left out. */
export function sweepOf(message: SweepMessage): SweepProgress {
  const { planned, etaSeconds } = message;
  return {
    name: message.name ?? "",
    title: message.title ?? "",
    state: SWEEP_STATES.find((state) => state === message.state) ?? "running",
    counts: countsOf(message.counts ?? {}),
    rungs: (message.rungs ?? []).map(({ rung, samples, count }) => ({
      rung: rung ?? 0,
      samples: samples ?? 0,
      count: count ?? 0,
    })),
    planned: planned == null || planned === 0 ? undefined : planned,
    samplesSeen: message.samplesSeen ?? 0,
    samplesPerSecond: message.samplesPerSecond ?? 0,
    objectives: (message.objectives ?? []).map(({ metric, minimize }) => ({
      metric: metric ?? "",
      goal: minimize === true ? "minimize" : "maximize",
    })),
    best: (message.best ?? []).map(trialOf),
    seconds: message.seconds ?? 0,
    etaSeconds: etaSeconds == null || !(etaSeconds >= 0) ? undefined : etaSeconds,
    decisions: (message.decisions ?? []).flatMap(decisionOf),
  };
}

function countsOf(counts: saf.v1.TrialCounts.$Properties): Record<TrialState, number> {
  const { running, waiting, done, stopped, failed } = counts;
  return {
    running: running ?? 0,
    waiting: waiting ?? 0,
    done: done ?? 0,
    stopped: stopped ?? 0,
    failed: failed ?? 0,
  };
}

function trialOf(message: saf.v1.SweepTrial.$Properties): SweepTrial {
  const { id, number, state, rung, valuesJson, metricsJson, weights, note } = message;
  return {
    id: id ?? "",
    number: number ?? 0,
    state: TRIAL_STATES.find((known) => known === state) ?? "running",
    rung: rung ?? 0,
    values: parsed(z.record(z.string(), z.json()), valuesJson) ?? {},
    metrics: parsed(z.record(z.string(), z.number()), metricsJson) ?? {},
    weights: weights ?? "",
    note: note ?? "",
  };
}

const DECISIONS: readonly DecisionLine["decision"][] = ["go on", "stop"];

function decisionOf(message: saf.v1.SweepDecision.$Properties): SweepDecision[] {
  const decision = DECISIONS.find((known) => known === message.decision);
  if (decision === undefined) return [];
  const { trial, id, rung, reason, time } = message;
  return [
    { trial: trial ?? 0, id: id ?? "", rung: rung ?? 0, decision, reason: reason ?? "", time: time ?? 0 },
  ];
}

function parsed<Value>(schema: z.ZodType<Value>, json: string | null | undefined): Value | undefined {
  try {
    return schema.safeParse(JSON.parse(json ?? "")).data;
  } catch {
    return undefined;
  }
}
