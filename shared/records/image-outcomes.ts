/** What became of every image of one measurement, as workers tell it, the coordinator keeps it and reports read it. */

/** Arrays of one entry an image. */
export interface Answers {
  predictions: Uint8Array;
  /** The network's own confidence in its answer: RBF value, or softmax probability. */
  confidences: Float32Array;
  /** 1 where the answer counts as an error. */
  wrong: Uint8Array;
}

/** The answers at one strength. */
export interface ImageOutcomes extends Answers {
  strength: number;
  /**
   * Size of the change as measured on the images shown, in the measure's norm, on [0, 1] pixels; empty where a measure
   * bounds no change.
   */
  distances: Float32Array;
  /** How a wrong image came to be wrong (`ORIGINS`); empty where a measure keeps no account. */
  origins: Uint8Array;
}

/** As much as a curve needs. */
export type CurveOutcomes = Pick<ImageOutcomes, "strength" | "wrong" | "confidences">;
