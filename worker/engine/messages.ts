/** What the worker's main thread and its engine thread say to each other. */
import type { ErrorCode } from "../../shared/errors.js";
import type { EngineInfo, EngineName, SelfTestReport } from "../../shared/engine.js";
import type { LearningRateStage, StepPlan } from "../../shared/core/schedule.js";
import type { EngineFingerprint } from "../../shared/fingerprint.js";
import type { FeatureCounts } from "../../shared/features.js";
import type { Network } from "../../shared/networks/network.js";
import type { Measure } from "../../shared/measures.js";
import type { Findings } from "../measures/evaluate.js";

/** Images in shared memory: read by the engine, written once by the main thread. */
export interface SharedImages {
  pixels: SharedArrayBuffer;
  labels: SharedArrayBuffer;
  count: number;
}

export interface EngineStart {
  /** Of the worker, for whoever traces it. */
  id?: string;
  engine: EngineName;
  /** Of the emulated engine: time for a slot. */
  computeMs: number;
}

/** Whole numbers in shared memory that a stretch and the main thread tell each other. */
export const CONTROL = { halt: 0, stepsDone: 1, length: 2 } as const;

/** Images under one measure. */
export interface Measuring {
  measure: Measure;
  strengths: number[];
  firstImage: number;
  imageCount: number;
  sampleCount: number;
}

export type ToEngine =
  | {
      type: "run";
      runId: string;
      network: Network;
      plan: StepPlan;
      seed: number;
      realCount: number;
      mean: Float32Array;
    }
  | { type: "forget"; runId: string }
  | { type: "images"; runId: string; split: "train" | "test"; images: SharedImages }
  | {
      type: "block";
      runId: string;
      leaseId: number;
      /** Of the coordinator: the same version may be other weights in another term. */
      term: number;
      step: number;
      first: number;
      count: number;
      /** The parameter vector of version `step`. */
      parameters: SharedArrayBuffer;
      /** Flag A: the vector of the version that `anchorOf` names, where the step needs one. */
      anchor?: { version: number; parameters: SharedArrayBuffer } | undefined;
      /** Receives the chunk frames: header space, body, header space, body, … */
      frames: Uint8Array<SharedArrayBuffer>;
    }
  | {
      type: "stretch";
      runId: string;
      leaseId: number;
      term: number;
      step: number;
      count: number;
      rule: { stages: LearningRateStage[]; momentum: number; weightDecay: number };
      /** The state to begin with, or undefined to go on with the one that the last stretch of this run ended in. */
      start: { parameters: SharedArrayBuffer; velocity: SharedArrayBuffer } | undefined;
      anchor?: { version: number; parameters: SharedArrayBuffer } | undefined;
      /** Receives the stream of shared/core/stretch.ts: the scalars step by step, the vectors at the end. */
      state: SharedArrayBuffer;
      /** Int32 values: see CONTROL. */
      control: SharedArrayBuffer;
      /** What is measured of the state, if all steps are done. */
      measures?: readonly Measuring[] | undefined;
    }
  | ({
      type: "task";
      runId: string;
      leaseId: number;
      term: number;
      version: number;
      parameters: SharedArrayBuffer;
      /** The second network of `measure.source`. */
      source?: { network: Network; sha256: string; parameters: SharedArrayBuffer } | undefined;
      /** Bytes of the images of a measure of another data set. */
      pictures?: SharedArrayBuffer | undefined;
    } & Measuring)
  | {
      type: "features";
      runId: string;
      leaseId: number;
      parameters: SharedArrayBuffer;
      imageCount: number;
    };

/** What every finished order says: the engine's time for it, and what lives in the engine after it. */
interface Done {
  leaseId: number;
  seconds: number;
  tensors: number;
  tensorBytes: number;
}

export type FromEngine =
  | { type: "ready"; info: EngineInfo; selfTest: SelfTestReport; fingerprint: EngineFingerprint }
  | { type: "chunks"; leaseId: number; chunks: number[] }
  /** `chunks`: those that the last gradients filled. */
  | ({ type: "block-done"; chunks: number[] } & Done)
  /** `measured`: one a measure, and the engine's time for all of them; undefined where none was made. */
  | ({
      type: "stretch-done";
      steps: number;
      measured?: { findings: Findings[]; seconds: number } | undefined;
    } & Done)
  | ({ type: "task-done"; findings: Findings } & Done)
  | ({ type: "features-done"; features: FeatureCounts } & Done)
  | { type: "failed"; leaseId: number; message: string }
  /** It can do nothing for a run that was described, now or later: another process may. */
  | { type: "unfit"; code: ErrorCode; message: string; hint: string | undefined }
  /** What the engine cannot do as well as it should. */
  | { type: "warning"; message: string };
