/**
 * Pools and their gradients, the same on every engine for every padding: padded cells are never the greatest, and an
 * average divides by the cells inside the image (what MatConvNet calls real pixels, METHOD.md 1.5).
 * Images: [batch, height, width, channel]. The caller disposes the result.
 */
import type * as tfjs from "@tensorflow/tfjs-core";
import type { TensorFlow } from "./tfjs.js";
import type { PadAttribute } from "./kernel-shapes.js";

export interface Pool {
  /** Height and width of the window, in cells. */
  window: number;
  stride: number;
  pad: PadAttribute;
}

export function maxPool(tf: TensorFlow, x: tfjs.Tensor4D, pool: Pool): tfjs.Tensor4D {
  return tf.engine().runKernel("MaxPool", { x }, attributesOf(pool));
}

/** `x` and `y` are the pool's input and output; a window's gradient goes to its first greatest cell in reading order. */
export function maxPoolGradient(
  tf: TensorFlow,
  dy: tfjs.Tensor4D,
  x: tfjs.Tensor4D,
  y: tfjs.Tensor4D,
  pool: Pool,
): tfjs.Tensor4D {
  return tf.engine().runKernel("MaxPoolGrad", { dy, input: x, output: y }, attributesOf(pool));
}

export function averagePool(tf: TensorFlow, x: tfjs.Tensor4D, pool: Pool): tfjs.Tensor4D {
  return tf.engine().runKernel("AvgPool", { x }, attributesOf(pool));
}

/** Of `x` only the shape is used. */
export function averagePoolGradient(
  tf: TensorFlow,
  dy: tfjs.Tensor4D,
  x: tfjs.Tensor4D,
  pool: Pool,
): tfjs.Tensor4D {
  return tf.engine().runKernel("AvgPoolGrad", { dy, input: x }, attributesOf(pool));
}

function attributesOf({ window, stride, pad }: Pool): tfjs.NamedAttrMap {
  return { filterSize: [window, window], strides: [stride, stride], pad };
}
