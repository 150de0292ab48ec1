/** What the self-test looks at: every kernel that training uses, on made-up inputs. */
import type * as tfjs from "@tensorflow/tfjs-core";
import type { PadAttribute, Shape4D } from "./kernel-shapes.js";
import { averagePool, averagePoolGradient, maxPool, maxPoolGradient, type Pool } from "./pooling.js";
import type { TensorFlow } from "./tfjs.js";

/** Takes one result under the name that it has in the reference. */
export type Recorder = (name: string, tensor: tfjs.Tensor) => void;
export type Subject = (tf: TensorFlow, record: Recorder) => void;

/** Values in [low, high) by a congruence: neighbours differ, and no two within 1009 places are equal. */
export function fill(size: number, salt: number, low = -1, high = 1): Float32Array {
  const values = new Float32Array(size);
  for (let i = 0; i < size; i++) {
    values[i] = low + ((high - low) * (((i + 1) * 7919 + salt * 104729) % 1009)) / 1009;
  }
  return values;
}

function filled<R extends tfjs.Rank>(
  tf: TensorFlow,
  shape: tfjs.ShapeMap[R],
  salt: number,
  low?: number,
  high?: number,
): tfjs.Tensor<R> {
  return tf.tensor<R>(fill(tf.util.sizeFromShape(shape), salt, low, high), shape);
}

function conv(
  name: string,
  xShape: Shape4D,
  filterShape: Shape4D,
  strides: number,
  pad: PadAttribute,
  salt: number,
): [string, Subject] {
  return [
    name,
    (tf, record) => {
      const x = filled<tfjs.Rank.R4>(tf, xShape, salt);
      const filter = filled<tfjs.Rank.R4>(tf, filterShape, salt + 1);
      const y = tf.conv2d(x, filter, strides, pad);
      const dy = filled(tf, y.shape, salt + 2);
      const attributes = { strides, pad: pad as number, dataFormat: "NHWC" };
      const run = (kernel: string, inputs: tfjs.NamedTensorMap, more: tfjs.NamedAttrMap): tfjs.Tensor =>
        tf.engine().runKernel(kernel, inputs, { ...attributes, ...more });
      record(`${name}: forward`, y);
      record(`${name}: filter gradient`, run("Conv2DBackpropFilter", { x, dy }, { filterShape }));
      record(`${name}: input gradient`, run("Conv2DBackpropInput", { dy, filter }, { inputShape: xShape }));
    },
  ];
}

const POOL_IMAGE: Shape4D = [2, 8, 8, 5];

function max(name: string, pool: Pool, salt: number, low: number, high: number): [string, Subject] {
  return [
    name,
    (tf, record) => {
      const x = filled<tfjs.Rank.R4>(tf, POOL_IMAGE, salt, low, high);
      const y = maxPool(tf, x, pool);
      const dy = filled<tfjs.Rank.R4>(tf, y.shape, salt + 1);
      record(`${name}: forward`, y);
      record(`${name}: gradient`, maxPoolGradient(tf, dy, x, y, pool));
    },
  ];
}

function average(name: string, pool: Pool, salt: number): [string, Subject] {
  return [
    name,
    (tf, record) => {
      const x = filled<tfjs.Rank.R4>(tf, POOL_IMAGE, salt);
      const y = averagePool(tf, x, pool);
      const dy = filled<tfjs.Rank.R4>(tf, y.shape, salt + 1);
      record(`${name}: forward`, y);
      record(`${name}: gradient`, averagePoolGradient(tf, dy, x, pool));
    },
  ];
}

const dense: Subject = (tf, record) => {
  const [x, w, dy] = [filled(tf, [64, 80], 40), filled(tf, [80, 50], 41), filled(tf, [64, 50], 42)];
  record("dense: forward", tf.matMul(x, w));
  record("dense: weight gradient", tf.matMul(x, dy, true, false));
  record("dense: input gradient", tf.matMul(dy, w, false, true));
};

const batchNorm: Subject = (tf, record) => {
  const shape: Shape4D = [4, 6, 6, 7];
  const x = filled(tf, shape, 50, -2, 3);
  const scale = filled(tf, [7], 51, 0.5, 1.5);
  const offset = filled(tf, [7], 52);
  const weight = filled(tf, shape, 53, 0, 2);
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

const activations: Subject = (tf, record) => {
  const corners = tf.tensor1d([-2, -1.5, -1, -0.75, -0.5, -0, 0, 0.25, 0.5, 1, 1.25, 2]);
  const points = tf.concat([corners, filled<tfjs.Rank.R1>(tf, [500], 60, -2, 2)]);
  const height = tf.sub(1, tf.abs(points));
  const bell = tf.exp(tf.neg(tf.square(points)));
  record("mirrored ReLU: forward", tf.relu(height));
  record("mirrored ReLU: slope", tf.neg(tf.mul(tf.sign(points), tf.step(height))));
  record("radial basis: forward", bell);
  record("radial basis: slope", tf.mul(tf.mul(points, bell), -2));
  const wide = tf.div(points, 1.6);
  record("mirrored ReLU of width 1.6: forward", tf.relu(tf.sub(1, tf.abs(wide))));
  record("radial basis of width 1.6: forward", tf.exp(tf.neg(tf.square(wide))));
  record("ReLU: forward", tf.relu(points));
  record("ReLU: slope", tf.step(points));
};

const reductions: Subject = (tf, record) => {
  const logits = filled<tfjs.Rank.R2>(tf, [16, 12], 70, -6, 6);
  record("softmax", tf.softmax(logits));
  record("log softmax", tf.logSoftmax(logits));
  record("log of a sum of exponentials", tf.logSumExp(logits, 1));
  record("logarithm", tf.log(filled(tf, [16, 12], 71, 0.01, 4)));
  const x = filled<tfjs.Rank.R4>(tf, [3, 5, 4, 6], 72);
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

const UNEVEN: PadAttribute = [[0, 0], [0, 1], [0, 1], [0, 0]]; // prettier-ignore
const HALVES: Pool = { window: 2, stride: 2, pad: "valid" };
const MATCONVNET: Pool = { window: 3, stride: 2, pad: UNEVEN };
const EVEN: Pool = { window: 3, stride: 2, pad: 1 };
const ODD: PadAttribute = [[0, 0], [1, 2], [0, 2], [0, 0]]; // prettier-ignore

/** By subject; a subject's results are named after it, and a kernel that throws fails all of them. */
export const SUBJECTS: readonly [string, Subject][] = [
  conv("convolution 5x5", [2, 12, 12, 20], [5, 5, 20, 50], 1, "valid", 1),
  conv("convolution 5x5 of one channel", [3, 12, 12, 1], [5, 5, 1, 20], 1, "valid", 5),
  conv("padded convolution 5x5", [2, 8, 8, 6], [5, 5, 6, 9], 1, 2, 10),
  conv("unevenly padded convolution 3x3", [2, 7, 6, 4], [3, 3, 4, 5], 1, ODD, 15),
  conv("strided convolution 3x3", [2, 10, 9, 3], [3, 3, 3, 5], 2, "valid", 20),
  conv("convolution over the whole image", [4, 4, 4, 10], [4, 4, 10, 30], 1, "valid", 25),
  max("max pool 2x2 of negative values", HALVES, 30, -2, -1),
  max("max pool 2x2", HALVES, 31, -1, 1),
  max("padded max pool 3x3", MATCONVNET, 32, -2, -1),
  max("evenly padded max pool 3x3", EVEN, 33, -2, -1),
  average("clipped average pool 3x3", MATCONVNET, 34),
  average("evenly padded average pool 3x3", EVEN, 36),
  ["dense", dense],
  ["batch norm", batchNorm],
  ["activations", activations],
  ["reductions", reductions],
];
