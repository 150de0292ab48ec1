import { type Elementwise, overWidth } from "./elementwise.js";

/** Mirrored ReLU of width w, max(0, 1 − |x/w|): slope 1/w on (−w, 0), −1/w on (0, w), 0 elsewhere and at −w, 0, w. */
export const mrelu = (width: number): Elementwise => ({
  value: (tf, x) => tf.relu(tf.sub(1, overWidth(tf, tf.abs(x), width))),
  slope: (tf, x, y) => overWidth(tf, tf.neg(tf.mul(tf.sign(x), tf.sign(y))), width),
});
