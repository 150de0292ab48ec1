/** Reads the PyTorch reference of the CIFAR-10 step and makes its inputs: test/fixtures/torch-step/make-cifar-reference.py. */
import { readFileSync } from "node:fs";
import { bell, hash } from "./reference-inputs.js";

const IMAGE = 1;
const NOISE = 2;
const LABEL = 3;
const POSITION = 4;
const SIGN = 5;
const SAMPLES = 16;
const PROJECTIONS = 16;
const SIDE = 32;
const CHANNELS = 3;
export const IMAGE_SIZE = SIDE * SIDE * CHANNELS;

/** What is stored of a tensor's update: value after the step minus initial value. */
export interface CifarTensor {
  name: string;
  norm: number;
  float32: number;
  sampled: number[];
  projected: number[];
}

export interface CifarCase {
  net: string;
  outputs: number;
  seed: number;
  steps: { lossSum: number; hits: number; tensors: CifarTensor[] }[];
}

export interface CifarReference {
  settings: { batch: number; slots: number; learningRate: number; momentum: number; weightDecay: number };
  cases: CifarCase[];
}

export function loadCifarReference(): CifarReference {
  const path = new URL("../fixtures/torch-step/cifar-reference.json", import.meta.url);
  return JSON.parse(readFileSync(path, "utf8")) as CifarReference;
}

/** Tensor `number` of a case before the first step, row-major; every value is exact in float32. */
export function cifarInitial(
  { seed, steps }: CifarCase,
  number: number,
  name: string,
  size: number,
): Float32Array {
  const isNormed = (steps[0]?.tensors ?? []).some((tensor) => tensor.name === "bn1/scale");
  const valueOf = (integer: number): number => {
    const [layer, part] = name.split("/");
    if (part === "scale") return 1 + (integer * 22) / 2 ** 23;
    if (part === "shift") return (integer * 22) / 2 ** 23;
    if (part === "mean") return 0;
    if (part === "deviation") return 1;
    const ofConvolution = layer === "conv1" ? (isNormed ? 32 : 2) : 5;
    return (integer * (part === "bias" || layer === "fc" ? 11 : ofConvolution)) / 2 ** 23;
  };
  return Float32Array.from({ length: size }, (_, i) => valueOf(bell(0x100 + 0x40 * seed + number, i)));
}

/** Images less the mean image, [count, 32, 32, 3]. */
export function cifarInputs(first: number, count: number): Float32Array {
  const inputs = new Float32Array(count * IMAGE_SIZE);
  for (let n = first; n < first + count; n++) {
    const discs = [0, 1, 2].map((channel) => hash(IMAGE, 8 * n + channel));
    for (let i = 0; i < IMAGE_SIZE; i++) {
      const channel = i % CHANNELS;
      const x = Math.floor(i / CHANNELS) % SIDE;
      const y = Math.floor(i / CHANNELS / SIDE);
      const h = discs[channel] as number;
      const distance = (x - 8 - (h & 15)) ** 2 + (y - 8 - ((h >>> 4) & 15)) ** 2;
      const pixel = (hash(NOISE, IMAGE_SIZE * n + i) & 63) + (distance < 16 + ((h >>> 8) & 127) ? 128 : 0);
      inputs[(n - first) * IMAGE_SIZE + i] = pixel - (70 + 10 * channel);
    }
  }
  return inputs;
}

export function cifarLabels(first: number, count: number, outputs: number): Uint8Array {
  return Uint8Array.from({ length: count }, (_, i) => hash(LABEL, first + i) % outputs);
}

/**
 * Relative errors of an update: of the stored entries, of the sums under random signs (an estimate of the whole error
 * within a factor 1.8, so that no wrong element can hide), and of the norm.
 */
export function cifarErrors(
  expected: CifarTensor,
  number: number,
  update: Float64Array,
): Record<string, number> {
  const positions =
    update.length <= SAMPLES
      ? [...update.keys()]
      : Array.from({ length: SAMPLES }, (_, k) => hash(POSITION, 256 * number + k) % update.length);
  const sampled = positions.map(
    (position, k) => (update[position] as number) - (expected.sampled[k] as number),
  );
  const sums = new Array<number>(PROJECTIONS).fill(0);
  update.forEach((value, i) => {
    const bits = hash(SIGN + 0x1000 * number, i);
    for (let p = 0; p < PROJECTIONS; p++) sums[p] = (sums[p] as number) + ((bits >>> p) & 1 ? value : -value);
  });
  const projected = sums.map((sum, p) => sum - (expected.projected[p] as number));
  const norm = Math.sqrt(update.reduce((sum, value) => sum + value ** 2, 0));
  return {
    sampled: (rootMeanSquare(sampled) * Math.sqrt(update.length)) / expected.norm,
    projected: rootMeanSquare(projected) / expected.norm,
    norm: Math.abs(norm - expected.norm) / expected.norm,
  };
}

const rootMeanSquare = (values: number[]): number =>
  Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
