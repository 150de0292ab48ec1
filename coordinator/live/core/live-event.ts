/** What the live page is told, in the coordinator's own process: the events of the bus, and what only a viewer needs. */
import type { saf } from "../../../shared/messages.js";
import type { CurvePoint, SanityCheck } from "../../../shared/results.js";

/** At most one of the fields besides `timeMs` is there. Everything in it survives a structured clone. */
export interface LiveEvent extends saf.v1.Event.$Properties {
  opened?: RunOpened;
  learningRate?: LearningRate;
  testAccuracy?: TestAccuracy;
  measured?: Measured;
  result?: RunResult;
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
  /** Of the steps done before, thinned out. */
  samples: CurveSample[];
}

/** The training at one step: loss and accuracy are smoothed as in Progress. */
export interface CurveSample {
  step: number;
  loss: number;
  /** Share in [0, 1]. */
  accuracy: number;
}

export interface LearningRate {
  runId: string;
  rate: number;
}

export interface TestAccuracy {
  runId: string;
  step: number;
  /** Share in [0, 1] of the clean test images. */
  accuracy: number;
}

/** What an evaluation knows so far. */
export interface Measured {
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
