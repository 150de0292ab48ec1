/**
 * Convolution, with the batch norm behind it where there is one. The two are one operator, because with stored moments
 * batch norm is only a scaling of the filter, and with batch statistics the convolution's bias cancels: its gradient is
 * exactly zero, and only the stored mean has to know it.
 */
import type { Extent, Padding } from "../../../../shared/networks/network.js";
import { batchNorm } from "./batch-norm.js";
import type { Emit, Forward, Operator, Parameters } from "./operator.js";
import type { Statistics } from "../../program.js";
import type { TensorFlow } from "../tfjs.js";
import type { Tensor, Tensor2D, Tensor4D } from "@tensorflow/tfjs-core";

export interface ConvolutionOptions {
  name: string;
  kernel: readonly [number, number];
  channels: number;
  padding: Padding;
  input: Extent;
  output: Extent;
  /** Name of the batch-norm layer that follows, if one does. */
  batchNorm: string | undefined;
}

/** The linear part: a convolution, or a matrix product where the kernel covers the whole image. */
interface Linear {
  apply(input: Tensor, filter: Tensor): Tensor;
  filterGradient(input: Tensor, gradient: Tensor): Tensor;
  inputGradient(gradient: Tensor, filter: Tensor): Tensor;
}

export function convolution(tf: TensorFlow, options: ConvolutionOptions): Operator {
  const covers =
    options.output.height === 1 &&
    options.output.width === 1 &&
    options.padding.every((extent) => extent === 0);
  const linear = covers ? matrixProduct(tf, options) : slidingWindow(tf, options);
  return options.batchNorm === undefined
    ? withBias(tf, options, linear)
    : withBatchNorm(tf, options, options.batchNorm, linear);
}

function matrixProduct(tf: TensorFlow, { input, channels, kernel }: ConvolutionOptions): Linear {
  const inputs = input.height * input.width * input.channels;
  const flat = (x: Tensor): Tensor2D => tf.reshape(x, [-1, inputs]);
  const flatOutput = (x: Tensor): Tensor2D => tf.reshape(x, [-1, channels]);
  const flatFilter = (filter: Tensor): Tensor2D => tf.reshape(filter, [inputs, channels]);
  return {
    apply: (x, filter) => tf.reshape(tf.matMul(flat(x), flatFilter(filter)), [-1, 1, 1, channels]),
    filterGradient: (x, gradient) =>
      tf.reshape(tf.matMul(flat(x), flatOutput(gradient), true, false), [
        ...kernel,
        input.channels,
        channels,
      ]),
    inputGradient: (gradient, filter) =>
      tf.reshape(tf.matMul(flatOutput(gradient), flatFilter(filter), false, true), [
        -1,
        input.height,
        input.width,
        input.channels,
      ]),
  };
}

function slidingWindow(
  tf: TensorFlow,
  { input, output, channels, kernel, padding }: ConvolutionOptions,
): Linear {
  const same = padding.some((extent) => extent !== 0);
  if (same && (output.height !== input.height || output.width !== input.width)) {
    throw new RangeError("A padded convolution must keep the image's size");
  }
  const pad = same ? "same" : "valid";
  const attributes = { strides: [1, 1], pad, dataFormat: "NHWC", dilations: [1, 1] };
  const filterShape: [number, number, number, number] = [kernel[0], kernel[1], input.channels, channels];
  const engine = tf.engine();
  return {
    apply: (x, filter) => tf.conv2d(x as Tensor4D, filter as Tensor4D, 1, pad),
    filterGradient: (x, dy) =>
      engine.runKernel("Conv2DBackpropFilter", { x, dy }, { ...attributes, filterShape }),
    inputGradient: (dy, filter) =>
      engine.runKernel(
        "Conv2DBackpropInput",
        { dy, filter },
        { ...attributes, inputShape: [dy.shape[0], input.height, input.width, input.channels] },
      ),
  };
}

const AXES = [0, 1, 2];

function withBias(tf: TensorFlow, { name }: ConvolutionOptions, linear: Linear): Operator {
  return {
    forward(parameters, input): Forward {
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

/** Stored moments are folded into the filter, once a version. */
function withBatchNorm(
  tf: TensorFlow,
  { name, channels }: ConvolutionOptions,
  norm: string,
  linear: Linear,
): Operator {
  const normalise = batchNorm(tf);
  const folded = (parameters: Parameters): Tensor =>
    parameters.derived(`${name}/folded-weight`, () =>
      tf.mul(
        parameters.get(`${name}/weight`),
        tf.div(parameters.get(`${norm}/scale`), parameters.get(`${norm}/deviation`)),
      ),
    );
  const foldedBias = (parameters: Parameters): Tensor =>
    parameters.derived(`${name}/folded-bias`, () => {
      const scale = tf.div(parameters.get(`${norm}/scale`), parameters.get(`${norm}/deviation`));
      const offset = tf.sub(parameters.get(`${name}/bias`), parameters.get(`${norm}/mean`));
      return tf.add(parameters.get(`${norm}/shift`), tf.mul(offset, scale));
    });

  function forwardBatch(parameters: Parameters, input: Tensor, emitMoment: Emit | undefined): Forward {
    const images = input.shape[0] ?? 0;
    const raw: Tensor = tf.tidy(() => linear.apply(input, parameters.get(`${name}/weight`)));
    const { output, mean, deviation, saved } = normalise.forward(
      raw,
      parameters.get(`${norm}/scale`),
      parameters.get(`${norm}/shift`),
    );
    if (emitMoment !== undefined) {
      const stored: Tensor = tf.tidy(() => tf.mul(tf.add(mean, parameters.get(`${name}/bias`)), images));
      emitAndDispose(emitMoment, `${norm}/mean`, stored);
      emitAndDispose(emitMoment, `${norm}/deviation`, tf.mul(deviation, images));
    }
    mean.dispose();
    deviation.dispose();
    return { output, saved };
  }

  function backwardBatch(
    parameters: Parameters,
    at: { input: Tensor; saved: readonly Tensor[] },
    gradient: Tensor,
    wantInput: boolean,
    emit: Emit | undefined,
  ): Tensor | undefined {
    const gradients = normalise.backward(at.saved, gradient, parameters.get(`${norm}/scale`));
    if (emit !== undefined) {
      emit(`${norm}/shift`, gradients.shift);
      emit(`${norm}/scale`, gradients.scale);
      emitAndDispose(emit, `${name}/bias`, tf.zeros([channels]));
      const filter: Tensor = tf.tidy(() => linear.filterGradient(at.input, gradients.input));
      emitAndDispose(emit, `${name}/weight`, filter);
    }
    gradients.shift.dispose();
    gradients.scale.dispose();
    const result: Tensor | undefined = wantInput
      ? tf.tidy(() => linear.inputGradient(gradients.input, parameters.get(`${name}/weight`)))
      : undefined;
    gradients.input.dispose();
    return result;
  }

  return {
    forward(parameters, input, statistics: Statistics, emitMoment) {
      if (statistics === "batch") return forwardBatch(parameters, input, emitMoment);
      return {
        output: tf.tidy(() => tf.add(linear.apply(input, folded(parameters)), foldedBias(parameters))),
        saved: [],
      };
    },
    backward(parameters, at, gradient, wantInput, emit) {
      if (at.statistics === "batch") return backwardBatch(parameters, at, gradient, wantInput, emit);
      if (emit !== undefined) throw new RangeError("Weight gradients need batch statistics");
      return wantInput ? tf.tidy(() => linear.inputGradient(gradient, folded(parameters))) : undefined;
    },
  };
}

function emitAndDispose(emit: Emit, name: string, values: Tensor): void {
  emit(name, values);
  values.dispose();
}
