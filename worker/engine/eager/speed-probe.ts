/** How fast an engine trains here: a LeNet step on made-up digits, the size at which the ladder's rungs are compared. */
import type * as tfjs from "@tensorflow/tfjs-core";
import type { TensorFlow } from "./tfjs.js";

export interface Speed {
  /** Samples per second of wall-clock time. */
  samplesPerSecond: number;
  /** Samples per second of processor time, all threads: steadier on a busy machine. */
  samplesPerCpuSecond: number;
  steps: number;
}

/** LeNet as in METHOD.md 1.5 without batch norm: [height, width, in, out] filters and [in, out] matrices. */
const SHAPES: readonly (readonly number[])[] = [
  [5, 5, 1, 20],
  [5, 5, 20, 50],
  [800, 500],
  [500, 10],
];

/** Forward, backward and SGD for at least `seconds` after two steps of warming up. Leaves no tensor behind. */
export function measureSpeed(tf: TensorFlow, { batch = 64, seconds = 0.4 } = {}): Speed {
  const images = new Float32Array(batch * 28 * 28).map((_, i) => ((i * 37) % 256) / 255);
  const labels = new Float32Array(batch * 10).map((_, i) => (i % 10 === Math.floor(i / 10) % 10 ? 1 : 0));
  let weights = SHAPES.map((shape) => {
    const size = shape.reduce((product, length) => product * length, 1);
    return tf.tensor(
      new Float32Array(size).map((_, i) => (((i * 61) % 101) - 50) / 1000),
      [...shape],
    );
  });
  const step = (): void => {
    weights = trainStep(tf, weights, images, labels);
  };

  step();
  step();
  const cpuBefore = process.cpuUsage();
  const start = performance.now();
  let steps = 0;
  while (performance.now() - start < seconds * 1000) {
    step();
    steps++;
  }
  const wallSeconds = (performance.now() - start) / 1000;
  const cpu = process.cpuUsage(cpuBefore);
  tf.dispose(weights);
  const samples = steps * batch;
  return {
    samplesPerSecond: samples / wallSeconds,
    samplesPerCpuSecond: samples / ((cpu.user + cpu.system) / 1e6),
    steps,
  };
}

function trainStep(
  tf: TensorFlow,
  weights: tfjs.Tensor[],
  images: Float32Array,
  labels: Float32Array,
): tfjs.Tensor[] {
  const batch = labels.length / 10;
  const updated = tf.tidy(() => {
    // A fresh array each step: an engine may keep the one it was given (reference: tfjs.md, "upload").
    const x = tf.tensor4d(images.slice(), [batch, 28, 28, 1]);
    const y = tf.tensor2d(labels.slice(), [batch, 10]);
    const lossOf = (...w: tfjs.Tensor[]): tfjs.Scalar => {
      const [w1, w2, w3, w4] = w as [tfjs.Tensor4D, tfjs.Tensor4D, tfjs.Tensor2D, tfjs.Tensor2D];
      const pooled1 = tf.maxPool(tf.conv2d(x, w1, 1, "valid"), 2, 2, "valid");
      const pooled2 = tf.maxPool(tf.conv2d(pooled1, w2, 1, "valid"), 2, 2, "valid");
      const hidden = tf.relu(tf.matMul(tf.reshape(pooled2, [batch, 800]), w3));
      const logProbabilities = tf.logSoftmax(tf.matMul(hidden, w4));
      return tf.neg(tf.mean<tfjs.Scalar>(tf.sum(tf.mul(y, logProbabilities), 1)));
    };
    const { value, grads } = tf.valueAndGrads(lossOf)(weights);
    const next = weights.map((weight, i) => tf.sub(weight, tf.mul(grads[i]!, 0.01)));
    value.dataSync();
    return next;
  });
  tf.dispose(weights);
  return updated;
}
