/**
 * Batch norm with the statistics of its batch: y = scale·(x − mean)/σ + shift, σ = sqrt(biased variance + ε), per
 * channel. TensorFlow has it as one operation (5 times faster forward, 2.5 times backward on a 64x24x24x20 input);
 * elsewhere it is composed. Source: Ioffe and Szegedy 2015, arXiv:1502.03167.
 */
import { nodeBackendOf } from "../node-backend.js";
import type { TensorFlow } from "../tfjs.js";
import type { Tensor } from "@tensorflow/tfjs-core";

/** METHOD.md 1.4. */
const VARIANCE_EPSILON = 1e-4;
/** All but the channel. */
const AXES = [0, 1, 2];

export interface BatchNorm {
  /** Takes `input` [batch, height, width, channel] over: it is disposed, or saved for backward. The caller owns the rest. */
  forward(
    input: Tensor,
    scale: Tensor,
    shift: Tensor,
  ): { output: Tensor; mean: Tensor; deviation: Tensor; saved: Tensor[] };
  /** Gradients of the three; the caller owns them. */
  backward(
    saved: readonly Tensor[],
    gradient: Tensor,
    scale: Tensor,
  ): { input: Tensor; scale: Tensor; shift: Tensor };
}

export function batchNorm(tf: TensorFlow): BatchNorm {
  if (tf.getBackend() !== "tensorflow") return composedBatchNorm(tf);
  return fusedBatchNorm(tf, nodeBackendOf(tf).isUsingGpuDevice ? "unbiased" : "reserved");
}

function composedBatchNorm(tf: TensorFlow): BatchNorm {
  return {
    forward(input, scale, shift) {
      const mean = tf.mean(input, AXES);
      const centred = tf.sub(input, mean);
      input.dispose();
      const deviation: Tensor = tf.tidy(() =>
        tf.sqrt(tf.add(tf.mean(tf.square(centred), AXES), VARIANCE_EPSILON)),
      );
      const output: Tensor = tf.tidy(() => tf.add(tf.mul(centred, tf.div(scale, deviation)), shift));
      return { output, mean, deviation, saved: [centred, tf.clone(deviation)] };
    },
    backward(saved, gradient, scale) {
      const [centred, deviation] = saved as [Tensor, Tensor];
      const sum: Tensor = tf.sum(gradient, AXES);
      const product: Tensor = tf.tidy(() => tf.sum(tf.mul(gradient, centred), AXES));
      const input: Tensor = tf.tidy(() => {
        const count = gradient.size / sum.size;
        const factor = tf.div(scale, deviation);
        const slope = tf.div(tf.mul(factor, product), tf.mul(tf.square(deviation), count));
        const constant = tf.mul(factor, tf.div(sum, count));
        return tf.sub(tf.sub(tf.mul(gradient, factor), tf.mul(centred, slope)), constant);
      });
      const scaleGradient = tf.div(product, deviation);
      product.dispose();
      return { input, scale: scaleGradient, shift: sum };
    },
  };
}

/**
 * TensorFlow's FusedBatchNormV3 and its gradient. `variance`: the output that it is taken from. On the CPU the reserved
 * outputs are the batch's mean and biased variance; on a GPU they are cuDNN's own, the mean and 1/σ.
 */
export function fusedBatchNorm(tf: TensorFlow, variance: "reserved" | "unbiased"): BatchNorm {
  const backend = nodeBackendOf(tf);
  const { binding } = backend;
  const attributes = [
    { name: "T", type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT },
    { name: "U", type: binding.TF_ATTR_TYPE, value: binding.TF_FLOAT },
    { name: "epsilon", type: binding.TF_ATTR_FLOAT, value: VARIANCE_EPSILON },
    { name: "data_format", type: binding.TF_ATTR_STRING, value: "NHWC" },
    { name: "is_training", type: binding.TF_ATTR_BOOL, value: true },
  ];
  const averaging = { name: "exponential_avg_factor", type: binding.TF_ATTR_FLOAT, value: 1 };
  return {
    forward(input, scale, shift) {
      const none = tf.tensor1d([], "float32");
      const inputs = [input, scale, shift, none, none];
      const outputs = backend.executeMultipleOutputs(
        "FusedBatchNormV3",
        [...attributes, averaging],
        inputs,
        6,
      );
      none.dispose();
      const [output, mean, unbiased, reservedMean, reserved, rest] = outputs;
      const values = input.size / mean.size;
      const deviation: Tensor = tf.tidy(() => {
        // TensorFlow divides by one less than the number of values, but never by 0.
        const biased =
          variance === "reserved" ? reserved : tf.mul(unbiased, Math.max(values - 1, 1) / values);
        return tf.sqrt(tf.add(biased, VARIANCE_EPSILON));
      });
      unbiased.dispose();
      return { output, mean, deviation, saved: [input, reservedMean, reserved, rest] };
    },
    backward(saved, gradient, scale) {
      const [input, ...reserved] = saved as [Tensor, ...Tensor[]];
      const inputs = [gradient, input, scale, ...reserved];
      const outputs = backend.executeMultipleOutputs("FusedBatchNormGradV3", attributes, inputs, 5);
      const [inputGradient, scaleGradient, shiftGradient, ...rest] = outputs;
      for (const tensor of rest) tensor.dispose();
      return { input: inputGradient, scale: scaleGradient, shift: shiftGradient };
    },
  };
}
