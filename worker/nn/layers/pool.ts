/** Max pooling without padding. */
import type { Operator, TensorFlow } from "./operator.js";
import type { Tensor4D } from "@tensorflow/tfjs-core";

export function maxPool(tf: TensorFlow, size: number, stride: number): Operator {
  const attributes = { filterSize: [size, size], strides: [stride, stride], pad: "valid" };
  return {
    forward: (_parameters, input) => ({
      output: tf.maxPool(input as Tensor4D, size, stride, "valid"),
      saved: [],
    }),
    backward: (_parameters, at, dy, wantInput) =>
      wantInput
        ? tf.engine().runKernel("MaxPoolGrad", { dy, input: at.input, output: at.output }, attributes)
        : undefined,
  };
}
