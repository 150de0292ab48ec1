/** What an activation without parameters must say. */
import type { Tensor } from "@tensorflow/tfjs-core";
import type { TensorFlow } from "../../tfjs.js";

export interface Elementwise {
  value(tf: TensorFlow, x: Tensor): Tensor;
  /** f'(x), given x and y = f(x). */
  slope(tf: TensorFlow, x: Tensor, y: Tensor): Tensor;
}
