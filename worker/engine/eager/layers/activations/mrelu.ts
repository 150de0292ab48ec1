import type { Elementwise } from "./elementwise.js";

/** Mirrored ReLU, max(0, 1 − |x|): slope +1 on (−1, 0), −1 on (0, 1), 0 elsewhere and at −1, 0, 1. */
export const mrelu: Elementwise = {
  value: (tf, x) => tf.relu(tf.sub(1, tf.abs(x))),
  slope: (tf, x, y) => tf.neg(tf.mul(tf.sign(x), tf.sign(y))),
};
