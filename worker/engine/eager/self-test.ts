/**
 * The gradient self-test a worker must pass before it may join: an engine with one wrong gradient still learns, only
 * something else. Every kernel that training uses is run on made-up inputs and compared with float64 results of an
 * independent program (test/fixtures/self-test/make-reference.py).
 *
 * A result tensor is compared by eight inner products with fixed probes, which see an error in any of its cells and
 * keep the reference small. Tolerance: 1e-4 of the tensor's norm; right engines stay below 1e-5.
 */
import { readFileSync } from "node:fs";
import type * as tfjs from "@tensorflow/tfjs-core";
import type { TensorFlow } from "./tfjs.js";
import type { SelfTestReport } from "../../../shared/engine.js";
import type { PadAttribute } from "./kernel-shapes.js";
import { averagePool, averagePoolGradient, maxPool, maxPoolGradient, type Pool } from "./pooling.js";

type Shape4D = [number, number, number, number];
type Recorder = (name: string, tensor: tfjs.Tensor) => void;

const TOLERANCE = 1e-4;

interface Reference {
  checks: Record<string, { size: number; norm: number; probes: number[] }>;
}

/** Values in [low, high) by a congruence: neighbours differ, and no two within 1009 places are equal. */
export function fill(size: number, salt: number, low = -1, high = 1): Float32Array {
  const values = new Float32Array(size);
  for (let i = 0; i < size; i++) {
    values[i] = low + ((high - low) * (((i + 1) * 7919 + salt * 104729) % 1009)) / 1009;
  }
  return values;
}

/** Inner product with probe number `k`, in doubles. */
export function projectOnProbe(values: ArrayLike<number>, k: number): number {
  let sum = 0;
  for (let i = 1; i <= values.length; i++) {
    sum += values[i - 1]! * (((i * (i + k + 1) * 31) % 997) / 498 - 1);
  }
  return sum;
}

/** Runs all checks on the current engine. Leaves no tensor behind; a kernel that throws is a failed check. */
export function runSelfTest(tf: TensorFlow): SelfTestReport {
  const start = performance.now();
  const reference = readReference();
  const checks: SelfTestReport["checks"] = [];
  const record: Recorder = (name, tensor) => {
    const relativeError = compare(reference, name, tensor.dataSync());
    checks.push({ name, passed: relativeError <= TOLERANCE, relativeError });
  };
  for (const [subject, run] of subjects(tf)) {
    try {
      tf.tidy(() => run(record));
    } catch (error) {
      checks.push(failed(`${subject}: ${reasonOf(error)}`));
    }
  }
  const isReported = (name: string): boolean =>
    checks.some((check) => check.name === name || (!check.passed && check.name.startsWith(subjectOf(name))));
  for (const name of Object.keys(reference.checks)) if (!isReported(name)) checks.push(failed(name));
  return {
    passed: checks.every((check) => check.passed),
    seconds: (performance.now() - start) / 1000,
    checks,
  };
}

function failed(name: string): SelfTestReport["checks"][number] {
  return { name, passed: false, relativeError: Number.POSITIVE_INFINITY };
}

function subjectOf(name: string): string {
  return name.slice(0, name.indexOf(":") + 1) || name;
}

function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
}

function readReference(): Reference {
  return JSON.parse(
    readFileSync(new URL("./self-test-reference.json", import.meta.url), "utf8"),
  ) as Reference;
}

/** Error relative to the tensor's norm; infinite for another size or a value that is no number. */
function compare(reference: Reference, name: string, values: ArrayLike<number>): number {
  const expected = reference.checks[name];
  if (expected === undefined || expected.size !== values.length) return Number.POSITIVE_INFINITY;
  // A probe's values are spread over [-1, 1], so an error of norm e shows as about e·√⅓.
  const scale = Math.max(expected.norm, Number.MIN_VALUE) / Math.sqrt(3);
  const errors = expected.probes.map((value, k) => Math.abs(projectOnProbe(values, k) - value) / scale);
  const worst = Math.max(...errors);
  return Number.isNaN(worst) ? Number.POSITIVE_INFINITY : worst;
}

function subjects(tf: TensorFlow): [string, (record: Recorder) => void][] {
  const filled = (shape: number[], salt: number, low?: number, high?: number): tfjs.Tensor =>
    tf.tensor(fill(tf.util.sizeFromShape(shape), salt, low, high), shape);

  const conv =
    (name: string, xShape: Shape4D, filterShape: Shape4D, strides: number, pad: PadAttribute, salt: number) =>
    (record: Recorder): void => {
      const x = filled(xShape, salt);
      const filter = filled(filterShape, salt + 1);
      const y = tf.conv2d(x as tfjs.Tensor4D, filter as tfjs.Tensor4D, strides, pad);
      const dy = filled(y.shape, salt + 2);
      const attributes = { strides, pad: pad as number, dataFormat: "NHWC" };
      const run = (kernel: string, inputs: tfjs.NamedTensorMap, more: tfjs.NamedAttrMap): tfjs.Tensor =>
        tf.engine().runKernel(kernel, inputs, { ...attributes, ...more });
      record(`${name}: forward`, y);
      record(`${name}: filter gradient`, run("Conv2DBackpropFilter", { x, dy }, { filterShape }));
      record(`${name}: input gradient`, run("Conv2DBackpropInput", { dy, filter }, { inputShape: xShape }));
    };

  const poolImage: Shape4D = [2, 8, 8, 5];
  const max =
    (name: string, pool: Pool, salt: number, low: number, high: number) =>
    (record: Recorder): void => {
      const x = filled(poolImage, salt, low, high) as tfjs.Tensor4D;
      const y = maxPool(tf, x, pool);
      const dy = filled(y.shape, salt + 1) as tfjs.Tensor4D;
      record(`${name}: forward`, y);
      record(`${name}: gradient`, maxPoolGradient(tf, dy, x, y, pool));
    };
  const average =
    (name: string, pool: Pool, salt: number) =>
    (record: Recorder): void => {
      const x = filled(poolImage, salt) as tfjs.Tensor4D;
      const y = averagePool(tf, x, pool);
      const dy = filled(y.shape, salt + 1) as tfjs.Tensor4D;
      record(`${name}: forward`, y);
      record(`${name}: gradient`, averagePoolGradient(tf, dy, x, pool));
    };

  const dense = (record: Recorder): void => {
    const [x, w, dy] = [filled([64, 80], 40), filled([80, 50], 41), filled([64, 50], 42)];
    record("dense: forward", tf.matMul(x, w));
    record("dense: weight gradient", tf.matMul(x, dy, true, false));
    record("dense: input gradient", tf.matMul(dy, w, false, true));
  };

  const batchNorm = (record: Recorder): void => {
    const shape: Shape4D = [4, 6, 6, 7];
    const x = filled(shape, 50, -2, 3);
    const scale = filled([7], 51, 0.5, 1.5);
    const offset = filled([7], 52);
    const weight = filled(shape, 53, 0, 2);
    const axes = [0, 1, 2];
    const count = 4 * 6 * 6;

    const mean = tf.mean(x, axes);
    const variance = tf.mean(tf.squaredDifference(x, mean), axes);
    const inverse = tf.rsqrt(tf.add(variance, 1e-4));
    const normal = tf.mul(tf.sub(x, mean), inverse);
    const y = tf.add(tf.mul(normal, scale), offset);
    const dy = tf.mul(tf.mul(y, weight), 2);
    const dOffset = tf.sum(dy, axes);
    const dScale = tf.sum(tf.mul(dy, normal), axes);
    const centred = tf.sub(dy, tf.div(tf.add(dOffset, tf.mul(normal, dScale)), count));
    const dx = tf.mul(centred, tf.mul(scale, inverse));
    record("batch norm: mean", mean);
    record("batch norm: variance", variance);
    record("batch norm: forward", y);
    record("batch norm: input gradient", dx);
    record("batch norm: scale gradient", dScale);
    record("batch norm: offset gradient", dOffset);
  };

  const activations = (record: Recorder): void => {
    const corners = tf.tensor1d([-2, -1.5, -1, -0.75, -0.5, -0, 0, 0.25, 0.5, 1, 1.25, 2]);
    const points = tf.concat([corners, filled([500], 60, -2, 2) as tfjs.Tensor1D]);
    const height = tf.sub(1, tf.abs(points));
    const bell = tf.exp(tf.neg(tf.square(points)));
    record("mirrored ReLU: forward", tf.relu(height));
    record("mirrored ReLU: slope", tf.neg(tf.mul(tf.sign(points), tf.step(height))));
    record("radial basis: forward", bell);
    record("radial basis: slope", tf.mul(tf.mul(points, bell), -2));
    record("ReLU: forward", tf.relu(points));
    record("ReLU: slope", tf.step(points));
  };

  const reductions = (record: Recorder): void => {
    const logits = filled([16, 12], 70, -6, 6) as tfjs.Tensor2D;
    record("softmax", tf.softmax(logits));
    record("log softmax", tf.logSoftmax(logits));
    record("log of a sum of exponentials", tf.logSumExp(logits, 1));
    record("logarithm", tf.log(filled([16, 12], 71, 0.01, 4)));
    const x = filled([3, 5, 4, 6], 72) as tfjs.Tensor4D;
    record("sum to channels", tf.sum(x, [0, 1, 2]));
    record("sum to batch", tf.sum(x, [1, 2, 3]));
    record("mean of all", tf.mean(x));
    record("greatest of a row", tf.max(logits, 1));
    record("place of the greatest", tf.argMax(logits, 1));
    record("least and greatest kept in bounds", tf.clipByValue(x, -0.5, 0.25));
    record("sign of an image", tf.sign(x));
    record("transpose", tf.transpose(x, [3, 1, 0, 2]));
    record("zero padding", tf.pad(x, [[0, 0], [0, 1], [1, 2], [0, 0]])); // prettier-ignore
  };

  const uneven: PadAttribute = [[0, 0], [0, 1], [0, 1], [0, 0]]; // prettier-ignore
  const halves: Pool = { window: 2, stride: 2, pad: "valid" };
  const matconvnet: Pool = { window: 3, stride: 2, pad: uneven };
  const even: Pool = { window: 3, stride: 2, pad: 1 };
  const oddPad: PadAttribute = [[0, 0], [1, 2], [0, 2], [0, 0]]; // prettier-ignore
  const one = "convolution 5x5 of one channel";
  const whole = "convolution over the whole image";
  const oddConv = "unevenly padded convolution 3x3";
  return [
    ["convolution 5x5", conv("convolution 5x5", [2, 12, 12, 20], [5, 5, 20, 50], 1, "valid", 1)],
    [one, conv(one, [3, 12, 12, 1], [5, 5, 1, 20], 1, "valid", 5)],
    ["padded convolution 5x5", conv("padded convolution 5x5", [2, 8, 8, 6], [5, 5, 6, 9], 1, 2, 10)],
    [oddConv, conv(oddConv, [2, 7, 6, 4], [3, 3, 4, 5], 1, oddPad, 15)],
    ["strided convolution 3x3", conv("strided convolution 3x3", [2, 10, 9, 3], [3, 3, 3, 5], 2, "valid", 20)],
    [whole, conv(whole, [4, 4, 4, 10], [4, 4, 10, 30], 1, "valid", 25)],
    ["max pool 2x2 of negative values", max("max pool 2x2 of negative values", halves, 30, -2, -1)],
    ["max pool 2x2", max("max pool 2x2", halves, 31, -1, 1)],
    ["padded max pool 3x3", max("padded max pool 3x3", matconvnet, 32, -2, -1)],
    ["evenly padded max pool 3x3", max("evenly padded max pool 3x3", even, 33, -2, -1)],
    ["clipped average pool 3x3", average("clipped average pool 3x3", matconvnet, 34)],
    ["evenly padded average pool 3x3", average("evenly padded average pool 3x3", even, 36)],
    ["dense", dense],
    ["batch norm", batchNorm],
    ["activations", activations],
    ["reductions", reductions],
  ];
}
