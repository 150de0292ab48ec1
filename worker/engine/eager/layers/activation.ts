/** Activations without parameters: METHOD.md 1.1. A new one is a file in activations/ and an entry here. */
import type { ActivationName } from "../../../../shared/networks/network.js";
import type { Operator } from "./operator.js";
import type { SurrogateSlope } from "../../program.js";
import type { TensorFlow } from "../tfjs.js";
import type { Tensor } from "@tensorflow/tfjs-core";
import type { Elementwise } from "./activations/elementwise.js";
import { mrelu } from "./activations/mrelu.js";
import { rbf } from "./activations/rbf.js";
import { relu } from "./activations/relu.js";

const ACTIVATIONS: Record<ActivationName, (width: number) => Elementwise> = { relu, mrelu, rbf };

/** The true slope inside (−w, w), the surrogate's outside: attacks walk back over units that are flat. */
function surrogateSlope(
  tf: TensorFlow,
  x: Tensor,
  trueSlope: Tensor,
  { kind, width: times }: SurrogateSlope,
  ownWidth: number,
): Tensor {
  const width = times * ownWidth;
  const outside = tf.greaterEqual(tf.abs(x), ownWidth);
  if (kind === "rbf") {
    const value = tf.exp(tf.neg(tf.square(tf.div(x, width))));
    return tf.where(outside, tf.mul(tf.mul(x, value), -2 / width ** 2), trueSlope);
  }
  const within = tf.cast(tf.less(tf.abs(x), width), "float32");
  return tf.where(outside, tf.mul(tf.mul(tf.sign(x), within), -1 / width), trueSlope);
}

/** `width` w of a symmetric one: f(x / w). */
export function activation(tf: TensorFlow, name: ActivationName, width = 1): Operator {
  const { value, slope } = ACTIVATIONS[name](width);
  return {
    forward: (_parameters, input) => ({ output: tf.tidy(() => value(tf, input)), saved: [] }),
    backward: (_parameters, at, gradient, wantInput) =>
      wantInput
        ? tf.tidy(() => {
            const own = slope(tf, at.input, at.output);
            const suppresses = at.surrogate !== undefined && name !== "relu";
            return tf.mul(
              gradient,
              suppresses ? surrogateSlope(tf, at.input, own, at.surrogate!, width) : own,
            );
          })
        : undefined,
  };
}
