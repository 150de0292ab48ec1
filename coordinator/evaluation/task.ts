/** An evaluation task, and what became of its images. */
import type { Measure } from "../../shared/measures.js";
import type { PerturbationKind, SeriesLabel } from "../../shared/results.js";

/** The smallest evaluation work: one measure, all its strengths, one range of images. */
export interface TaskSpec extends SeriesLabel {
  id: string;
  kind: PerturbationKind;
  measure: Measure;
  strengths: readonly number[];
  firstImage: number;
  imageCount: number;
  sampleCount: number;
  /** Longest a worker may take while nothing is known about tasks of this series, in milliseconds. */
  patienceMs: number;
  /** Its cost in forward passes of one image. */
  passes: number;
}

/** Outcome per image of one task at one strength: arrays of one entry an image. */
export interface TaskOutcome {
  strength: number;
  predictions: Uint8Array;
  confidences: Float32Array;
  wrong: Uint8Array;
  /** Size of the change as the worker measured it, in the measure's norm; empty where a measure has no such size. */
  distances: Float32Array;
  /** How a wrong image came to be wrong: see `ORIGINS`; empty where a measure keeps no account. */
  origins: Uint8Array;
}
