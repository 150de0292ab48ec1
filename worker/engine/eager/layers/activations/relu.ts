import type { Elementwise } from "./elementwise.js";

/** max(0, x), which has no width. */
export const relu = (): Elementwise => ({
  value: (tf, x) => tf.relu(x),
  slope: (tf, _x, y) => tf.sign(y), // y is never negative; `tf.step` costs six operations
});
