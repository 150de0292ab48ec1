/** What an evaluation found: the shapes that the coordinator writes, the report draws and `--json` prints. */

/** What was done to the images before they were shown to the network. */
export type PerturbationKind = "clean" | "adversarial" | "nonsense" | "noisy";
export const PERTURBATION_KINDS: readonly PerturbationKind[] = ["clean", "adversarial", "nonsense", "noisy"];

/** One point of a curve. Rates are shares in [0, 1]; the interval is Wilson's at 95 %. */
export interface CurvePoint {
  kind: PerturbationKind;
  /** β: the size of the change in units of the full pixel range (0..1). */
  strength: number;
  /** Images measured. */
  n: number;
  /**
   * Share of wrong answers. On nonsense images an answer is wrong when the network claims to see a real class:
   * METHOD.md 1.11.
   */
  error: number;
  ci_low: number;
  ci_high: number;
  /** Mean over the images of the largest output. */
  mean_confidence: number;
}

/** A few images as the network saw them, for the report. */
export interface SampleImage {
  kind: PerturbationKind;
  strength: number;
  /** Index in the test set (for nonsense: of the noise image). */
  index: number;
  /** The true class, or null for a nonsense image. */
  label: number | null;
  prediction: number;
  confidence: number;
  /** Was the answer right? For nonsense: was it rejected? */
  right: boolean;
  height: number;
  width: number;
  channels: number;
  /** Pixels in 0..255, row by row, channels last, base64 of bytes (clipped for display only). */
  pixels: string;
}

/** Everything known about one trained network. */
export interface ModelResult {
  name: string;
  /** Share of right answers on the clean test images. */
  clean_accuracy: number;
  /** Test images behind `clean_accuracy`. */
  n: number;
  /** Training throughput over all workers, measured from the first to the last committed step. */
  samples_per_second: number;
  curves: CurvePoint[];
}

/** One line of `metrics.jsonl`: a committed step. */
export interface StepMetric {
  step: number;
  epoch: number;
  /** Mean loss over the step's samples. */
  loss: number;
  /** Share of the step's samples answered right, before the update. */
  accuracy: number;
  learning_rate: number;
  /** Seconds since the run began. */
  seconds: number;
}
