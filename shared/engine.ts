/** What every part needs to know of an engine; how it computes is known only under worker/engine. */
import { ClusterError } from "./errors.js";

/** Rungs of the engine ladder, best first. `webgpu` is reserved. */
export const REAL_ENGINES = ["tensorflow-gpu", "tensorflow", "wasm"] as const;
export type RealEngine = (typeof REAL_ENGINES)[number];

/** Computes made-up gradients and takes time: for measuring the cluster, never chosen by itself. */
export const EMULATED = "emulated";

export const ENGINE_NAMES = [...REAL_ENGINES, EMULATED] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

/**
 * The engines that may compute for these runs: real ones, or the emulated one, never both. Throws ClusterError("config")
 * when some of the runs are of one kind and some of the other.
 */
export function enginesFor(runs: readonly { engine?: typeof EMULATED | undefined }[]): readonly EngineName[] {
  const emulated = runs.filter(({ engine }) => engine === EMULATED).length;
  if (emulated === 0) return REAL_ENGINES;
  if (emulated === runs.length) return [EMULATED];
  throw new ClusterError("config", "Some of these runs are emulated and some are not: no pool serves both", {
    hint: "engine: emulated stands in the file of each run, or of none",
  });
}

/** What a worker says of its engine when it joins, and what stands in every result. */
export interface EngineInfo {
  name: EngineName;
  /** "TensorFlow 2.21.0", "tfjs-backend-wasm 4.22.0". */
  version: string;
  /** "cpu", or the GPU's name. */
  device: string;
}

/** Outcome of the gradient self-test, one row per check. */
export interface SelfTestReport {
  passed: boolean;
  seconds: number;
  checks: { name: string; passed: boolean; relativeError: number }[];
}
