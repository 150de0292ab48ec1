import type { Elementwise } from "./elementwise.js";

/** exp(−x²) */
export const rbf: Elementwise = {
  value: (tf, x) => tf.exp(tf.neg(tf.square(x))),
  slope: (tf, x, y) => tf.mul(tf.mul(x, y), -2),
};
