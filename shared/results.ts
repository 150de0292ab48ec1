/** What an evaluation found: the shapes that the coordinator writes, the report draws and `--json` prints. */
import type { EMULATED } from "./engine.js";

/** What was done to the images before they were shown to the network. */
export const PERTURBATION_KINDS = ["clean", "adversarial", "nonsense", "noisy"] as const;
export type PerturbationKind = (typeof PERTURBATION_KINDS)[number];

/**
 * By what rules images were perturbed and answers scored: as the authors' code does it (METHOD.md 1.11), the same
 * without its defects, or with today's attacks (METHOD.md 4.3).
 */
export const PROCEDURES = ["paper", "corrected", "modern"] as const;
export type Procedure = (typeof PROCEDURES)[number];

/** How the size of a change is measured; strengths are in units of the full pixel range in both. */
export const NORMS = ["linf", "l2"] as const;
export type Norm = (typeof NORMS)[number];

/** What tells one curve from another of the same kind. Absent in results of older versions: then it is the paper's. */
export interface SeriesLabel {
  /** The procedure, under the name that the setting `evaluate.protocol` and every file give it. */
  protocol?: Procedure;
  /** Name of the measure: "paper-fgs", "pgd-40", "worst-case", "gaussian-blur"; the kind's own name where there is one only. */
  attack?: string;
  norm?: Norm;
}

/** One point of a curve. Rates are shares in [0, 1]; the interval is Wilson's at 95 %. */
export interface CurvePoint extends SeriesLabel {
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
  /** Why this number must not be believed: reasons from failed sanity checks. Absent when there is none. */
  unreliable?: string[];
}

/**
 * A sanity check of METHOD.md 4.4. "noted": it has something to show but nothing to fail; "not run": the series that
 * it would compare were not measured.
 */
export interface SanityCheck {
  /** Number in METHOD.md 4.4. */
  number: number;
  title: string;
  status: "passed" | "failed" | "noted" | "not run";
  /** The numbers behind the status, in words. */
  detail: string;
}

/** How well the largest real-class output tells real images from nonsense of one kind. */
export interface NonsenseScore extends SeriesLabel {
  strength: number;
  /** Real and nonsense images behind it. */
  n_real: number;
  n_nonsense: number;
  /** Area under the ROC curve of "is real": 1 tells all apart, 0.5 is chance. */
  auroc: number;
  /** Share of nonsense accepted at the threshold that accepts 95 % of the real images. */
  false_accept_at_95: number;
}

/** Smallest changes that a minimal-norm attack found, over the images that were right at first. */
export interface Distortion {
  attack: string;
  norm: Norm;
  n: number;
  /** Share of those images for which a change was found at all. */
  success: number;
  /** Median over the images; images without a change count as infinitely far. Null when that is the median. */
  median: number | null;
}

/** What an evaluation would have measured too. */
export interface NotMeasured {
  what: string;
  /** What was missing, and how to get it. */
  why: string;
}

/** A few images as the network saw them, for the report. */
export interface SampleImage extends SeriesLabel {
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
  /** Only where the gradients were made up: no number here says anything of the network. */
  engine?: typeof EMULATED;
  /** Share of right answers on the clean test images. */
  clean_accuracy: number;
  /** Test images behind `clean_accuracy`. */
  n: number;
  /** Training throughput over all workers, measured from the first to the last committed step. */
  samples_per_second: number;
  /** The paper's own curves first, then those of the other procedures; `protocol`, `attack` and `norm` tell them apart. */
  curves: CurvePoint[];
  /** All ten sanity checks, in their order; absent in results of older versions. */
  checks?: SanityCheck[];
  /** Why these robustness numbers must not be believed; absent or empty when no check failed. */
  unreliable?: string[];
  nonsense?: NonsenseScore[];
  /** Share of the clean images that are answered when the least sure answers are rejected, and accuracy among them. */
  coverage?: { coverage: number; accuracy: number }[];
  distortions?: Distortion[];
  /** Absent when nothing was left out. */
  not_measured?: NotMeasured[];
}

export function procedureOf(label: SeriesLabel): Procedure {
  return label.protocol ?? "paper";
}

/** Names a curve within one model's result. */
export function seriesOf(label: SeriesLabel & { kind: PerturbationKind }): string {
  return [procedureOf(label), label.kind, label.attack ?? label.kind, label.norm ?? "linf"].join("/");
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
