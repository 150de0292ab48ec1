/** Activations without parameters: METHOD.md 1.1. A new one is a pair of functions here. */
import type { ActivationName } from "../../../shared/networks/network.js";
import type { Operator, TensorFlow } from "./operator.js";
import type { Tensor } from "@tensorflow/tfjs-core";

interface Elementwise {
  value(tf: TensorFlow, x: Tensor): Tensor;
  /** f'(x), given x and y = f(x). */
  slope(tf: TensorFlow, x: Tensor, y: Tensor): Tensor;
}

const ACTIVATIONS: Record<ActivationName, Elementwise> = {
  /** max(0, x) */
  relu: {
    value: (tf, x) => tf.relu(x),
    slope: (tf, _x, y) => tf.sign(y), // y is never negative; `tf.step` costs six operations
  },
  /** Mirrored ReLU, max(0, 1 − |x|): slope +1 on (−1, 0), −1 on (0, 1), 0 elsewhere and at −1, 0, 1. */
  mrelu: {
    value: (tf, x) => tf.relu(tf.sub(1, tf.abs(x))),
    slope: (tf, x, y) => tf.neg(tf.mul(tf.sign(x), tf.sign(y))),
  },
  /** exp(−x²) */
  rbf: {
    value: (tf, x) => tf.exp(tf.neg(tf.square(x))),
    slope: (tf, x, y) => tf.mul(tf.mul(x, y), -2),
  },
};

export function activation(tf: TensorFlow, name: ActivationName): Operator {
  const { value, slope } = ACTIVATIONS[name];
  return {
    forward: (_parameters, input) => ({ output: tf.tidy(() => value(tf, input)), saved: [] }),
    backward: (_parameters, at, gradient, wantInput) =>
      wantInput ? tf.tidy(() => tf.mul(gradient, slope(tf, at.input, at.output))) : undefined,
  };
}
