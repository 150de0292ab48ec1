/** The linear part of a convolution: a sliding window, or a matrix product where the kernel covers the whole image. */
import { type ConvolutionOptions, type Linear, windowAttributes } from "./linear-part.js";
import { oneChannelGradients } from "./one-channel.js";

export function linearPart(options: ConvolutionOptions): Linear {
  const covers =
    options.output.height === 1 &&
    options.output.width === 1 &&
    options.padding.every((extent) => extent === 0);
  if (covers) return matrixProduct(options);
  const linear = slidingWindow(options);
  return options.device === "cpu" ? { ...linear, ...oneChannelGradients(options) } : linear;
}

function matrixProduct({ input, channels, kernel }: ConvolutionOptions): Linear {
  const inputs = input.height * input.width * input.channels;
  return {
    apply: (o, x, filter) =>
      o.reshape(o.matMul(o.reshape(x, [-1, inputs]), o.reshape(filter, [inputs, channels])), [
        -1,
        1,
        1,
        channels,
      ]),
    filterGradient: (o, x, gradient) =>
      o.reshape(o.matMul(o.reshape(x, [-1, inputs]), o.reshape(gradient, [-1, channels]), true, false), [
        ...kernel,
        input.channels,
        channels,
      ]),
    inputGradient: (o, gradient, filter) =>
      o.reshape(
        o.matMul(o.reshape(gradient, [-1, channels]), o.reshape(filter, [inputs, channels]), false, true),
        [-1, input.height, input.width, input.channels],
      ),
  };
}

function slidingWindow({ input, output, channels, kernel, padding }: ConvolutionOptions): Linear {
  const same = padding.some((extent) => extent !== 0);
  if (same && (output.height !== input.height || output.width !== input.width))
    throw new RangeError("A padded convolution must keep the image's size");
  const attributes = windowAttributes(same ? "SAME" : "VALID");
  return {
    apply: (o, x, filter) => o.op("Conv2D", [x, filter], attributes),
    filterGradient: (o, x, gradient) =>
      o.op(
        "Conv2DBackpropFilter",
        [x, o.graph.integers([...kernel, input.channels, channels]), gradient],
        attributes,
      ),
    inputGradient: (o, gradient, filter, images) =>
      o.op(
        "Conv2DBackpropInput",
        [o.shapeOf(images, [input.height, input.width, input.channels]), filter, gradient],
        attributes,
      ),
  };
}
