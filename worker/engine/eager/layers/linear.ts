/** The linear part of a convolution. */
import type { Tensor, Tensor2D, Tensor4D } from "@tensorflow/tfjs-core";
import type { PlacedConvolution } from "../../placed-layers.js";
import type { TensorFlow } from "../tfjs.js";

export interface ConvolutionOptions extends PlacedConvolution {
  /** Name of the batch-norm layer that follows, if one does. */
  batchNorm: string | undefined;
}

/** A product of images and filter, and its gradients. The caller tidies up. */
export interface Linear {
  apply(input: Tensor, filter: Tensor): Tensor;
  filterGradient(input: Tensor, gradient: Tensor): Tensor;
  inputGradient(gradient: Tensor, filter: Tensor): Tensor;
}

/** A sliding window, or a matrix product where the kernel covers the whole image. */
export function linearPart(tf: TensorFlow, options: ConvolutionOptions): Linear {
  const covers =
    options.output.height === 1 &&
    options.output.width === 1 &&
    options.padding.every((extent) => extent === 0);
  return covers ? matrixProduct(tf, options) : slidingWindow(tf, options);
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
