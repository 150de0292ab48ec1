/**
 * What a worker must show of its graphs before it may join: on networks that have every kind of layer, head and padding,
 * each program gives what the engine that is tested operation by operation gives.
 */
import { initialParameters, type Layout } from "../../../shared/core/layout.js";
import type { SelfTestReport } from "../../../shared/engine.js";
import { type Layer, type Network, layoutOf } from "../../../shared/networks/network.js";
import { networkNamed } from "../../../shared/networks/registry.js";
import { RandomStream } from "../../../shared/random.js";
import type { Program, Statistics, SurrogateSlope } from "../program.js";

/** Of the largest value of a tensor; right graphs stay below 1e-5. */
const TOLERANCE = 1e-4;
const SEED = 20_161_130;
const IMAGES = 5;

type Checks = SelfTestReport["checks"];

/** `programs`: the same network compiled, and operation by operation. */
export function testGraphs(programs: (network: Network, layout: Layout) => [Program, Program]): Checks {
  return SUBJECTS.flatMap((network) => {
    try {
      return compared(network, ...programs(network, layoutOf(network)));
    } catch (error) {
      const reason = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
      return [
        { name: `graph ${network.name}: ${reason}`, passed: false, relativeError: Number.POSITIVE_INFINITY },
      ];
    }
  });
}

const conv = { kind: "convolution", rates: { weight: 1, bias: 1 }, deviation: 0.2 } as const;
const around = [1, 1, 1, 1] as const;
const none = [0, 0, 0, 0] as const;

/** An RBF head behind mirrored ReLU, pools of both kinds, padding that TensorFlow has a name for and padding that it has not. */
const robust: Network = {
  ...networkNamed("mnist", "mrelu"),
  name: "mrelu",
  input: { height: 8, width: 9, channels: 2 },
  outputs: 4,
  head: { kind: "rbf", loss: { alpha1: 1, alpha2: 0.5, alpha3: 0.3, power: 3 } },
  layers: [
    { ...conv, name: "first", kernel: [3, 3], channels: 5, padding: around },
    { kind: "batch-norm", name: "bn1" },
    { kind: "activation", activation: "mrelu", width: 1.5 },
    { kind: "max-pool", size: 3, stride: 2, padding: [0, 1, 0, 1] },
    { ...conv, name: "second", kernel: [3, 3], channels: 6, padding: around },
    { kind: "batch-norm", name: "bn2" },
    { kind: "activation", activation: "rbf", width: 2 },
    { kind: "average-pool", size: 3, stride: 2, padding: [0, 1, 0, 1] },
    { kind: "max-pool", size: 2, stride: 1, padding: [1, 0, 0, 1] },
    { kind: "average-pool", size: 2, stride: 1, padding: [1, 1, 0, 1] },
    { ...conv, name: "fc", kernel: [3, 2], channels: 4, padding: none },
  ] satisfies Layer[],
};

/** Softmax, convolutions with and without batch norm, and one that covers its image. */
const plain: Network = {
  ...robust,
  name: "plain",
  input: { height: 9, width: 7, channels: 2 },
  head: { kind: "softmax" },
  layers: [
    { ...conv, name: "padded", kernel: [3, 5], channels: 5, padding: [1, 1, 2, 2] },
    { kind: "batch-norm", name: "bn1" },
    { kind: "max-pool", size: 2, stride: 2, padding: none },
    { ...conv, name: "bare", kernel: [2, 2], channels: 6, padding: none },
    { kind: "activation", activation: "relu" },
    { ...conv, name: "covers", kernel: [3, 2], channels: 5, padding: none },
    { kind: "batch-norm", name: "bn2" },
    { kind: "activation", activation: "relu" },
    { ...conv, name: "fc", kernel: [1, 1], channels: 4, padding: none },
  ] satisfies Layer[],
};

/** One channel in, and channels that the graph fills up or sets side by side. */
const narrow: Network = {
  ...robust,
  name: "narrow",
  input: { height: 12, width: 12, channels: 1 },
  layers: [
    { ...conv, name: "blocked", kernel: [5, 5], channels: 20, padding: none },
    { kind: "batch-norm", name: "bn1" },
    { kind: "activation", activation: "mrelu" },
    { kind: "max-pool", size: 2, stride: 2, padding: none },
    { ...conv, name: "filled", kernel: [3, 3], channels: 13, padding: none },
    { kind: "batch-norm", name: "bn2" },
    { kind: "activation", activation: "mrelu" },
    { ...conv, name: "covers", kernel: [2, 2], channels: 15, padding: none },
    { kind: "batch-norm", name: "bn3" },
    { kind: "activation", activation: "relu" },
    { ...conv, name: "fc", kernel: [1, 1], channels: 4, padding: none },
  ] satisfies Layer[],
};

const SUBJECTS = [robust, plain, narrow];

const SLOPES: readonly (readonly [name: string, slope: SurrogateSlope | undefined])[] = [
  ["", undefined],
  [", tent slope", { kind: "tent", width: 3, headFloor: 0.1 }],
  [", RBF slope", { kind: "rbf", width: 3, headFloor: 0.1 }],
];

function compared(network: Network, graph: Program, eager: Program): Checks {
  const layout = layoutOf(network);
  const stream = new RandomStream(SEED, "initialisation", layout.size, 1);
  const parameters = initialParameters(layout, SEED).map((value) => value + 0.3 * stream.normal());
  for (const { name, offset, size } of layout.tensors)
    if (name.endsWith("/deviation") || name.endsWith("/scale"))
      for (let i = offset; i < offset + size; i++) parameters[i] = 1 + Math.abs(parameters[i]! - 1) / 4;
  const { height, width, channels } = network.input;
  const inputs = Float32Array.from({ length: IMAGES * height * width * channels }, () => 2 * stream.normal());
  const labels = Uint8Array.from({ length: IMAGES }, (_, i) => i % network.outputs);
  const checks: Checks = [];
  const both = (name: string, of: (program: Program) => Float32Array): void => {
    const relativeError = errorOf(of(graph), of(eager));
    const passed = relativeError <= TOLERANCE;
    checks.push({ name: `graph ${network.name}: ${name}`, passed, relativeError });
  };
  for (const program of [graph, eager]) program.load(parameters);
  try {
    const pushes = [graph, eager].map((program) => pushOf(program, inputs, labels));
    for (const { name, offset, size } of [
      ...layout.tensors,
      { name: "loss and hits", offset: layout.size, size: 3 },
    ]) {
      const [found, expected] = pushes.map((push) => push.subarray(offset, offset + size));
      const relativeError = errorOf(found!, expected!);
      checks.push({
        name: `graph ${network.name}: ${name}`,
        passed: relativeError <= TOLERANCE,
        relativeError,
      });
    }
    both("outputs", (program) => program.predict(inputs));
    both("features", (program) => joined(program.features(inputs)));
    both("gradient by the images, batch statistics", (program) =>
      walked(program, inputs, "batch", undefined),
    );
    for (const [words, slope] of SLOPES)
      both(`gradient by the images${words}`, (program) => walked(program, inputs, "stored", slope));
  } finally {
    graph.dispose();
    eager.dispose();
  }
  return checks;
}

function pushOf(program: Program, inputs: Float32Array, labels: Uint8Array): Float32Array {
  const push = new Float32Array(program.layout.pushSize).fill(Number.NaN);
  program.train(inputs, labels, { add: (offset, values) => push.set(values, offset) });
  return push;
}

function walked(
  program: Program,
  inputs: Float32Array,
  statistics: Statistics,
  slope: SurrogateSlope | undefined,
): Float32Array {
  const pass = program.forward(inputs, statistics);
  try {
    const gradient = pass.outputs.map((_, i) => 1 - 0.1 * i);
    return pass.inputGradient(gradient, slope);
  } finally {
    pass.dispose();
  }
}

function joined(parts: readonly Float32Array[]): Float32Array {
  return Float32Array.from(parts.flatMap((part) => [...part]));
}

/** Largest difference by the largest value; infinite for another size or a value that is no number. */
function errorOf(found: Float32Array, expected: Float32Array): number {
  if (found.length !== expected.length) return Number.POSITIVE_INFINITY;
  let [worst, largest] = [0, Number.MIN_VALUE];
  for (let i = 0; i < found.length; i++) {
    const difference = Math.abs(found[i]! - expected[i]!);
    if (Number.isNaN(difference)) return Number.POSITIVE_INFINITY;
    worst = Math.max(worst, difference);
    largest = Math.max(largest, Math.abs(expected[i]!));
  }
  return worst / largest;
}
