/** An evaluation task, and the record of its result. */
import type { Diagnostics } from "../diagnostics.js";
import type { Measure } from "../measures.js";
import type { PerturbationKind, SampleImage, SeriesLabel } from "../results.js";
import type { ImageOutcomes } from "./image-outcomes.js";

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

export interface TaskRecord {
  task: TaskSpec;
  worker: string;
  outcomes: ImageOutcomes[];
  samples: SampleImage[];
  diagnostics?: Diagnostics;
}
