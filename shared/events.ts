/** What a coordinator tells of its work: to whoever listens on the bus, and to the live page in its own process. */
import type { saf } from "./messages.js";
import type { PoolView } from "./pool-view.js";
import type { CurvePoint, SanityCheck } from "./results.js";

/**
 * Published on events.<kind>; at most one of the fields besides `timeMs` is there. The message as it is decoded, or a
 * plain object: a field that was not sent counts as zero or empty.
 */
export type ProgressEvent = saf.v1.Event.$Properties;

export type Phase = saf.v1.Phase.$Properties;
export type Progress = saf.v1.Progress.$Properties;
export type WorkerRow = saf.v1.WorkerRow.$Properties;
export type Note = saf.v1.Note.$Properties;
export type Finished = saf.v1.Finished.$Properties;

/** `Phase.name`, in the order in which a run goes through them. */
export const PHASES = ["waiting", "loading", "training", "evaluating", "reporting"] as const;

/** `WorkerRow.state`. */
export const WORKER_STATES = ["idle", "busy", "quarantined"] as const;

/** `Note.level`. */
export const NOTE_LEVELS = ["info", "warning", "error"] as const;
export type NoteLevel = (typeof NOTE_LEVELS)[number];

/** Words of others are information unless they say that they are more. */
export function noteLevel(told: string | null | undefined): NoteLevel {
  return NOTE_LEVELS.find((level) => level === told) ?? "info";
}

/** What only a viewer needs is there too. Everything in it survives a structured clone. */
export interface LiveEvent extends ProgressEvent {
  opened?: RunOpened;
  learningRate?: LearningRate;
  testAccuracy?: TestAccuracy;
  measured?: EvaluationSoFar;
  result?: RunResult;
  /** Comes with `workers`. */
  pool?: PoolView;
}

/** A run begins, or goes on where it was. */
export interface RunOpened {
  runId: string;
  name: string;
  network: string;
  dataSet: string;
  seed: number;
  batchSize: number;
  done: number;
  total: number;
  epochs: number;
  /** Of the steps done before, thinned out to at most `MOST_SAMPLES`. */
  samples: CurveSample[];
}

/** Points that a shown training curve holds at most. Even, so that the points pair up. */
export const MOST_SAMPLES = 400;

/** The training at one step: loss and accuracy are smoothed as in Progress. */
export interface CurveSample {
  step: number;
  loss: number;
  /** Share in [0, 1]. */
  accuracy: number;
}

interface LearningRate {
  runId: string;
  rate: number;
}

interface TestAccuracy {
  runId: string;
  step: number;
  /** Share in [0, 1] of the clean test images. */
  accuracy: number;
}

/** What an evaluation knows so far. */
export interface EvaluationSoFar {
  runId: string;
  /** SHA-256 of the weights: points of other weights are forgotten. */
  checkpoint: string;
  points: CurvePoint[];
}

/** What an evaluation found in the end: points that must not be believed say so. */
export interface RunResult {
  runId: string;
  points: CurvePoint[];
  checks: SanityCheck[];
  unreliable: string[];
}
