/** Convolution, with the batch norm behind it where there is one. `norm`: its name. */
import type { Ref } from "../graph-builder.js";
import type { Operations } from "../operations.js";
import { type ConvolutionOptions, type Linear, linearPart } from "./linear.js";
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
        biased(o, linear.apply(o, input, parameters.get(`${name}/weight`)), parameters.get(`${name}/bias`)),
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

export function biased(o: Operations, x: Ref, bias: Ref): Ref {
  return o.op("BiasAdd", [x, bias], {});
}
