/** A trial's way from one rung to the next, and what it comes to: what the book of a sweep gives out and takes back. */
import type { Config } from "../../shared/config/run.js";
import type { ErrorCode } from "../../shared/errors.js";
import type { MetricValues, Parent } from "../../shared/records/sweep-line.js";

export interface Segment {
  trial: string;
  number: number;
  attempt: number;
  rung: number;
  /** The trial is done behind it. */
  last: boolean;
  /** The trial's settings; `train.max_steps` ends at this rung, `evaluate` is what is measured there. */
  config: Config;
  /** population: the state it begins with, instead of a fresh one. */
  parent?: Parent;
}

export interface RungOutcome {
  metrics: MetricValues;
  /** SHA-256. */
  weights: string;
  /** Training images seen since the trial began; with a parent, what that had seen at its rung is counted in. */
  samples: number;
  seconds: number;
  /** Test images behind the clean accuracy. */
  images: number;
  /** Test images behind the other metrics, where these were fewer. */
  measuredImages?: number;
  unreliable?: readonly string[];
}

export interface SegmentFailure {
  code: ErrorCode | "timeout" | "worker";
  reason: string;
}

export type SegmentEnd = { outcome: RungOutcome } | { failure: SegmentFailure };
