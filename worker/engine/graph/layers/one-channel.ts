/**
 * Gradients of a convolution whose images have one channel. oneDNN works on channels side by side, so one alone leaves most
 * of the processor idle: here neighbouring columns take the place of channels, which costs no copy of an image. With 128
 * images of 28x28, a kernel of 5x5 and 20 channels out, the filter's gradient falls from 2.1 to 1.1 ms, the input's from 6.7
 * to 3.2 ms.
 */
import { type ConvolutionOptions, type Linear, windowAttributes } from "./linear-part.js";

const ATTRIBUTES = windowAttributes("VALID");

/** Columns that stand side by side. */
const BLOCK = 4;

/** Nothing where the convolution is none of these. */
export function oneChannelGradients(
  options: ConvolutionOptions,
): Partial<Pick<Linear, "filterGradient" | "inputGradient">> {
  const { input, padding } = options;
  if (input.channels !== 1 || padding.some((extent) => extent !== 0)) return {};
  return { ...blockedFilterGradient(options), ...inputGradientByRows(options) };
}

/** Blocks of columns as channels: what belongs to the same place of the kernel is added up at the end. */
function blockedFilterGradient({
  kernel: [rows, columns],
  input,
  output,
  channels,
}: ConvolutionOptions): Partial<Linear> {
  if (input.width % BLOCK !== 0 || output.width % BLOCK !== 0 || (columns - 1) % BLOCK !== 0) return {};
  const blocks = 1 + (columns - 1) / BLOCK;
  const pairs = blocks * BLOCK * BLOCK;
  // Column r of block b of the images and column q of a block of outputs lie BLOCK·b + r − q apart.
  const chosen = Array.from({ length: columns * pairs }, (_, i) => {
    const [column, pair] = [Math.floor(i / pairs), i % pairs];
    const [from, to] = [Math.floor(pair / BLOCK), pair % BLOCK];
    return from - to === column ? 1 : 0;
  });
  return {
    filterGradient(o, x, gradient) {
      const sizes = o.graph.integers([rows, blocks, BLOCK, BLOCK * channels]);
      const wide = o.op(
        "Conv2DBackpropFilter",
        [
          o.reshape(x, [-1, input.height, input.width / BLOCK, BLOCK]),
          sizes,
          o.reshape(gradient, [-1, output.height, output.width / BLOCK, BLOCK * channels]),
        ],
        ATTRIBUTES,
      );
      const sum = o.graph.floats(chosen, [1, columns, pairs]);
      return o.reshape(o.batchMatMul(sum, o.reshape(wide, [rows, pairs, channels])), [
        rows,
        columns,
        1,
        channels,
      ]);
    },
  };
}

/** Whole rows as channels: the kernel becomes a matrix from a row of outputs to a row of the image. */
function inputGradientByRows({
  kernel: [rows, columns],
  input,
  output,
  channels,
}: ConvolutionOptions): Partial<Linear> {
  // One place more than the kernel has stands for "not within it".
  const places = Array.from({ length: input.width * output.width }, (_, i) => {
    const apart = Math.floor(i / output.width) - (i % output.width);
    return apart >= 0 && apart < columns ? apart : columns;
  });
  return {
    inputGradient(o, gradient, filter, images) {
      const kernel = o.reshape(filter, [rows, columns, channels]);
      const padded = o.padRows(kernel, 1);
      const matrix = o.reshape(o.gather(padded, places), [rows, 1, input.width, output.width * channels]);
      const back = o.op(
        "Conv2DBackpropInput",
        [
          o.shapeOf(images, [input.height, 1, input.width]),
          matrix,
          o.reshape(gradient, [-1, output.height, 1, output.width * channels]),
        ],
        ATTRIBUTES,
      );
      return o.reshape(back, [-1, input.height, input.width, 1]);
    },
  };
}
