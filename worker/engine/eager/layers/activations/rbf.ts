import { type Elementwise, overWidth } from "./elementwise.js";

/** exp(−(x/w)²) of width w. */
export const rbf = (width: number): Elementwise => ({
  value: (tf, x) => tf.exp(tf.neg(tf.square(overWidth(tf, x, width)))),
  slope: (tf, x, y) => tf.mul(tf.mul(x, y), -2 / width ** 2),
});
