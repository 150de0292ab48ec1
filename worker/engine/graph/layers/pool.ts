/** Pooling, padded or not: padded cells are never the greatest, and an average divides by the cells inside the image. */
import type { Extent, Padding } from "../../../../shared/networks/network.js";
import { type WindowGeometry, cellsInside, paddingName } from "../../window-geometry.js";
import { type Attribute, type Ref, integers, text } from "../graph-builder.js";
import type { Operations } from "../operations.js";
import { type GraphOperator, onlyOutput } from "./operator.js";

export interface PoolOptions {
  size: number;
  stride: number;
  padding: Padding;
  input: Extent;
  output: Extent;
}

function geometryOf({ size, stride, padding, input, output }: PoolOptions): WindowGeometry {
  const [top, bottom, left, right] = padding;
  return {
    inHeight: input.height,
    inWidth: input.width,
    outHeight: output.height,
    outWidth: output.width,
    windowHeight: size,
    windowWidth: size,
    strideHeight: stride,
    strideWidth: stride,
    padding: { top, bottom, left, right },
  };
}

function attributesOf({ size, stride, padding }: PoolOptions, name: string): Record<string, Attribute> {
  return {
    ksize: integers([1, size, size, 1]),
    strides: integers([1, stride, stride, 1]),
    padding: text(name),
    data_format: text("NHWC"),
    ...(name === "EXPLICIT" ? { explicit_paddings: integers([0, 0, ...padding, 0, 0]) } : {}),
  };
}

export function maxPool(options: PoolOptions): GraphOperator {
  const attributes = attributesOf(options, paddingName(geometryOf(options)));
  return {
    forward: (o, _parameters, input) => onlyOutput(o.op("MaxPool", [input], attributes)),
    // Pooled anew where the output comes from another call: oneDNN's gradient needs its pool beside it, or is 5 times as dear.
    backward: (o, _parameters, kept, gradient, { wantInput }) =>
      wantInput
        ? o.op("MaxPoolGrad", [kept.input, o.op("MaxPool", [kept.input], attributes), gradient], attributes)
        : undefined,
  };
}

/** TensorFlow's knows no explicit padding: then zeros are added, and the mean over the whole window is corrected. */
export function averagePool(options: PoolOptions): GraphOperator {
  const geometry = geometryOf(options);
  const { input, output, padding } = options;
  const name = paddingName(geometry);
  const isExplicit = name === "EXPLICIT";
  const attributes = attributesOf(options, isExplicit ? "VALID" : name);
  const [top, bottom, left, right] = padding;
  const [height, width] = isExplicit
    ? [input.height + top + bottom, input.width + left + right]
    : [input.height, input.width];
  const corrected = (o: Operations, x: Ref): Ref => o.binary("Mul", x, clippingFactor(o, geometry));
  return {
    forward(o, _parameters, x) {
      if (!isExplicit) return onlyOutput(o.op("AvgPool", [x], attributes));
      return onlyOutput(corrected(o, o.op("AvgPool", [o.pad(x, padding)], attributes)));
    },
    backward(o, _parameters, _kept, gradient, { images, wantInput }) {
      if (!wantInput) return undefined;
      const shape = o.shapeOf(images, [height, width, output.channels]);
      const back = o.op("AvgPoolGrad", [shape, isExplicit ? corrected(o, gradient) : gradient], attributes);
      return isExplicit ? o.crop(back, top, left, input.height, input.width) : back;
    },
  };
}

/** [1, outHeight, outWidth, 1]: window area ÷ cells inside the image. */
function clippingFactor(o: Operations, geometry: WindowGeometry): Ref {
  const area = geometry.windowHeight * geometry.windowWidth;
  const factors = cellsInside(geometry).map((count) => area / count);
  return o.graph.floats(factors, [1, geometry.outHeight, geometry.outWidth, 1]);
}
