/** What one process of the GPU check measures, and what it finds; as JSON between deploy/bench and measure.ts. */
import type { EngineInfo, EngineName } from "../../shared/engine.js";

/** A network in training, on images that are made up: speed and bits do not depend on what they show. */
export interface TrainingSubject {
  set: string;
  model: string;
  batch: number;
  slots: number;
}

export type MeasurementSpec = { engine: EngineName } & (
  | { kind: "self-test" }
  /** Either as many steps as fit into the seconds, or so many. */
  | ({ kind: "hash"; for: { seconds: number } | { steps: number } } & TrainingSubject)
  | ({ kind: "training"; seconds: number } & TrainingSubject)
  | { kind: "evaluation"; set: string; model: string; seconds: number }
);

export interface SelfTestFound {
  passed: boolean;
  checks: number;
  failed: string[];
  worst_relative_error: number | null;
  seconds: number;
}

export interface HashFound {
  steps: number;
  /** Of the weights after the last step. */
  sha256: string;
}

export interface TrainingFound {
  steps: number;
  seconds: number;
  steps_per_second: number;
  images_per_second: number;
  images_per_cpu_second: number;
  /** The engine alone, again and again on the same slot: parameters in, gradients out. */
  engine_images_per_second: number;
  /** The first step compiles and allocates. */
  first_step_seconds: number;
}

export interface EvaluationFound {
  clean_images_per_second: number;
  attack: string;
  attack_steps: number;
  /** Images that have gone through the whole attack. */
  attack_images_per_second: number;
  attack_gradients_per_second: number;
}

export type Found =
  | ({ kind: "self-test" } & SelfTestFound)
  | ({ kind: "hash" } & HashFound)
  | ({ kind: "training" } & TrainingFound)
  | ({ kind: "evaluation" } & EvaluationFound);

export interface Measured {
  engine: EngineInfo;
  max_rss_bytes: number;
  found: Found;
}

/** The last line that the process prints. */
export type Answer = Measured | { error: string };
