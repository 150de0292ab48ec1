/** Convolution, with the batch norm behind it where there is one. */
import type { TensorFlow } from "../tfjs.js";
import { type ConvolutionOptions, type Linear, linearPart } from "./linear.js";
import { normalisedConvolution } from "./normalised-convolution.js";
import { type Operator, emitAndDispose } from "./operator.js";

export function convolution(tf: TensorFlow, options: ConvolutionOptions): Operator {
  const linear = linearPart(tf, options);
  return options.batchNorm === undefined
    ? withBias(tf, options, linear)
    : normalisedConvolution(tf, options, options.batchNorm, linear);
}

const AXES = [0, 1, 2];

function withBias(tf: TensorFlow, { name }: ConvolutionOptions, linear: Linear): Operator {
  return {
    forward(parameters, input) {
      const output = tf.tidy(() =>
        tf.add(linear.apply(input, parameters.get(`${name}/weight`)), parameters.get(`${name}/bias`)),
      );
      return { output, saved: [] };
    },
    backward(parameters, at, gradient, wantInput, emit) {
      if (emit !== undefined) {
        emitAndDispose(emit, `${name}/bias`, tf.sum(gradient, AXES));
        emitAndDispose(
          emit,
          `${name}/weight`,
          tf.tidy(() => linear.filterGradient(at.input, gradient)),
        );
      }
      return wantInput
        ? tf.tidy(() => linear.inputGradient(gradient, parameters.get(`${name}/weight`)))
        : undefined;
    },
  };
}
