/** Reads the PyTorch references and says how far a training step's tensor is from its own. */
import { readFileSync } from "node:fs";

import { PROJECTIONS, samplePositions, signsOf } from "./reference-inputs.js";

/** What is stored of a tensor's update (value after the step minus initial value). */
export interface TensorReference {
  norm: number;
  /** Norm to measure errors by where the update itself is zero by the mathematics, and only rounding moves it. */
  scale: number;
  /** Relative error of the same computation in float32. */
  float32: number;
  /** Relative error of the exact result once it is stored as float32 weights. */
  rounding: number;
  sampled: number[];
  projected: number[];
}

export interface StepReference {
  step: number;
  /** Sum over the batch, before the step. */
  lossSum: number;
  hits: number;
  /** Outputs of the last layer for the first four images, before softmax or RBF. */
  z: number[][];
  confidences: number[][];
  tensors: Record<string, TensorReference>;
}

export interface StepCase {
  name: string;
  net: string;
  family: "plain" | "mrelu" | "rbf";
  outputs: number;
  slots: number;
  seed: number;
  biased: boolean;
  margin: number;
  steps: StepReference[];
}

/** test/fixtures/torch-step/reference.json; make-reference.py beside it says how it was made. */
export interface TrainingStepReference {
  torch: string;
  settings: {
    batch: number;
    learningRate: number;
    momentum: number;
    weightDecay: number;
    movingAverage: number;
    epsilon: number;
  };
  tensors: { name: string; shape: number[] }[];
  inputs: {
    hash: [stream: number, index: number, value: number][];
    tensorsOfSeed3: Record<string, { first: number[]; sum: number }>;
    imageSums: number[];
    imageRow14: number[];
    meanRow3: number[];
    meanSum: number;
    labels10: number[];
    labels12: number[];
    positions: Record<string, number[]>;
    signsOfElement5: Record<string, number>;
  };
  cases: StepCase[];
}

export function loadStepReference(): TrainingStepReference {
  const path = new URL("../fixtures/torch-step/reference.json", import.meta.url);
  return JSON.parse(readFileSync(path, "utf8")) as TrainingStepReference;
}

/** One image under one mode of batch norm; classes are the ten real ones. */
export interface AttackedImage {
  image: number;
  label: number;
  /** The wrong class whose gradient has the largest L1 norm. */
  target: number;
  /** By how much of itself the largest norm exceeds the next. */
  lead: number;
  norms: (number | null)[];
  positive: number;
  negative: number;
  zero: number;
  /** Pixels whose gradient is below 1e-4 of the mean magnitude, yet not zero: their signs may differ. */
  undecided: number;
  positions: number[];
  signs: number[];
  /** Magnitudes at `positions` over the mean magnitude. */
  sizes: number[];
}

/** "stacked" is the paper's release; the script beside the file says what each mode does. */
export type AttackMode = "eval" | "stacked" | "target" | "cyclic";

/** test/fixtures/torch-attack/reference.json */
export interface AttackReference {
  torch: string;
  nets: {
    net: string;
    family: "plain" | "mrelu" | "rbf";
    outputs: number;
    seed: number;
    modes: Record<AttackMode, { margin: number; float32: number; z: number[][]; images: AttackedImage[] }>;
  }[];
}

export function loadAttackReference(): AttackReference {
  const path = new URL("../fixtures/torch-attack/reference.json", import.meta.url);
  return JSON.parse(readFileSync(path, "utf8")) as AttackReference;
}

/** All relative to the norm of the reference's update (or its `scale`). */
export interface RelativeErrors {
  /** From the stored entries: their mean square, taken for the whole tensor. */
  sampled: number;
  /** From sums over every element under random signs: an estimate of the whole error, within a factor 1.8 (99%). */
  projected: number;
  /** Difference of the norms alone. */
  norm: number;
}

function norm(values: Float32Array | Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value * value;
  return Math.sqrt(sum);
}

const rootMeanSquare = (values: number[]): number =>
  Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);

/**
 * How far `update` (value after the step minus initial value, row-major; use a Float64Array to stay above the rounding
 * of float32 weights) is from the reference. No error is hidden: a single wrong element shows in `projected`.
 */
export function relativeErrors(
  reference: StepReference,
  name: string,
  update: Float32Array | Float64Array,
): RelativeErrors {
  const expected = reference.tensors[name];
  if (expected === undefined) throw new Error(`The reference has no tensor "${name}"`);
  const positions = samplePositions(name, update.length);
  if (positions.length !== expected.sampled.length) {
    throw new Error(`Tensor "${name}" has ${update.length} elements, which is not the reference's size`);
  }

  const sampled = Array.from(positions, (position, k) => update[position]! - expected.sampled[k]!);
  const projected = project(name, update).map((value, p) => value - expected.projected[p]!);
  return {
    sampled: (rootMeanSquare(sampled) * Math.sqrt(update.length)) / expected.scale,
    projected: rootMeanSquare(projected) / expected.scale,
    norm: Math.abs(norm(update) - expected.norm) / expected.scale,
  };
}

/** Sixteen sums of all elements under random signs. */
function project(name: string, values: Float32Array | Float64Array): number[] {
  const signs = signsOf(name);
  const sums = new Array<number>(PROJECTIONS).fill(0);
  values.forEach((value, i) => {
    const bits = signs(i);
    for (let p = 0; p < PROJECTIONS; p++) sums[p]! += (bits >>> p) & 1 ? value : -value;
  });
  return sums;
}
