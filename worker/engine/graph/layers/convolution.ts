/** Convolution, with the batch norm behind it where there is one. `norm`: its name. */
import { linearPart } from "./linear.js";
import type { ConvolutionOptions, Linear } from "./linear-part.js";
import { normalisedConvolution } from "./normalised-convolution.js";
import { type GraphOperator, onlyOutput } from "./operator.js";

export function convolution(options: ConvolutionOptions, norm: string | undefined): GraphOperator {
  const linear = linearPart(options);
  return norm === undefined ? withBias(options, linear) : normalisedConvolution(options, norm, linear);
}

const AXES = [0, 1, 2];

function withBias({ name }: ConvolutionOptions, linear: Linear): GraphOperator {
  return {
    forward: (o, parameters, input) =>
      onlyOutput(
        o.biased(linear.apply(o, input, parameters.get(`${name}/weight`)), parameters.get(`${name}/bias`)),
      ),
    backward(o, parameters, kept, gradient, { images, wantInput, emit }) {
      emit?.(`${name}/bias`, o.sum(gradient, AXES));
      emit?.(`${name}/weight`, linear.filterGradient(o, kept.input, gradient));
      return wantInput
        ? linear.inputGradient(o, gradient, parameters.get(`${name}/weight`), images)
        : undefined;
    },
  };
}
