/** What an activation without parameters must say. */
import type { Tensor } from "@tensorflow/tfjs-core";
import type { TensorFlow } from "../../tfjs.js";

export interface Elementwise {
  value(tf: TensorFlow, x: Tensor): Tensor;
  /** f'(x), given x and y = f(x). */
  slope(tf: TensorFlow, x: Tensor, y: Tensor): Tensor;
}

/** x / w; no operation at width 1. */
export function overWidth(tf: TensorFlow, x: Tensor, width: number): Tensor {
  return width === 1 ? x : tf.div(x, width);
}
