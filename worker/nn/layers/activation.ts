/** Activations without parameters: METHOD.md 1.1. A new one is a pair of functions here. */
import type { ActivationName } from "../../../shared/networks/network.js";
import type { Operator, SurrogateSlope, TensorFlow } from "./operator.js";
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

/** The true slope inside (−1, 1), the surrogate's outside: attacks walk back over units that are flat. */
function surrogateSlope(
  tf: TensorFlow,
  x: Tensor,
  trueSlope: Tensor,
  { kind, width }: SurrogateSlope,
): Tensor {
  const outside = tf.greaterEqual(tf.abs(x), 1);
  if (kind === "rbf") {
    const value = tf.exp(tf.neg(tf.square(tf.div(x, width))));
    return tf.where(outside, tf.mul(tf.mul(x, value), -2 / width ** 2), trueSlope);
  }
  const within = tf.cast(tf.less(tf.abs(x), width), "float32");
  return tf.where(outside, tf.mul(tf.mul(tf.sign(x), within), -1 / width), trueSlope);
}

export function activation(tf: TensorFlow, name: ActivationName): Operator {
  const { value, slope } = ACTIVATIONS[name];
  return {
    forward: (_parameters, input) => ({ output: tf.tidy(() => value(tf, input)), saved: [] }),
    backward: (_parameters, at, gradient, wantInput) =>
      wantInput
        ? tf.tidy(() => {
            const own = slope(tf, at.input, at.output);
            const suppresses = at.surrogate !== undefined && name !== "relu";
            return tf.mul(
              gradient,
              suppresses ? surrogateSlope(tf, at.input, own, at.surrogate as SurrogateSlope) : own,
            );
          })
        : undefined,
  };
}
