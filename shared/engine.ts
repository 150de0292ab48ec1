/** What every part needs to know of an engine; how it computes is known only under worker/engine. */

/** Rungs of the engine ladder, best first. `webgpu` is reserved. */
export const ENGINE_NAMES = ["tensorflow-gpu", "tensorflow", "wasm"] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

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
