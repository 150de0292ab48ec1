/** What a task of an evaluation is about. */
import type { Measure } from "../../shared/measures.js";
import type { ImageSet } from "../core/training-images.js";
import type { Program } from "../engine/program.js";

/** What is measured: a network with its parameters loaded, and the images to show it. */
export interface Subject {
  program: Program;
  test: ImageSet;
  /** Mean training image, pixels 0..255. */
  mean: Float32Array;
  /** A second network, its parameters loaded, for attacks that craft elsewhere; its inputs are the same. */
  source?: Program | undefined;
}

export interface EvaluationTask {
  measure: Measure;
  /** Rising. */
  strengths: readonly number[];
  firstImage: number;
  imageCount: number;
  seed: number;
  /** The first so many images of the task come back as pictures. */
  sampleCount: number;
  /** Bytes of another data set's images, where the measure shows those. */
  pictures?: Uint8Array | undefined;
}
