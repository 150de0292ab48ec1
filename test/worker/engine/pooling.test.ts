import { test } from "node:test";
import assert from "node:assert/strict";
import type { Rank } from "@tensorflow/tfjs-core";
import { startEngine } from "../../../worker/engine/eager/backend.js";
import {
  averagePool,
  averagePoolGradient,
  maxPool,
  maxPoolGradient,
  type Pool,
} from "../../../worker/engine/eager/pooling.js";

const { tf } = await startEngine("wasm");
const uneven: Pool = { window: 3, stride: 2, pad: [[0, 0], [0, 1], [0, 1], [0, 0]] }; // prettier-ignore

test("a max pool's gradient goes to the first of equal greatest cells", () => {
  const tensors = tf.memory().numTensors;
  const gradient = tf.tidy(() => {
    const x = tf.tensor4d([-3, -1, -1, -2], [1, 2, 2, 1]);
    const pool: Pool = { window: 2, stride: 2, pad: "valid" };
    const y = maxPool(tf, x, pool);
    return [...maxPoolGradient(tf, tf.tensor4d([5], [1, 1, 1, 1]), x, y, pool).dataSync()];
  });

  assert.deepEqual(gradient, [0, 5, 0, 0]);
  assert.equal(tf.memory().numTensors, tensors);
});

test("an average at a padded border divides by the cells inside the image, and its gradient likewise", () => {
  const tensors = tf.memory().numTensors;
  const [means, gradient] = tf.tidy(() => {
    const x = tf.ones<Rank.R4>([1, 4, 4, 1]);
    const y = averagePool(tf, x, uneven);
    const dy = tf.tensor4d([9, 6, 6, 4], [1, 2, 2, 1]);
    return [[...y.dataSync()], [...averagePoolGradient(tf, dy, x, uneven).dataSync()]];
  });

  // Windows cover 3×3, 3×2, 2×3 and 2×2 cells, so each of these gradients gives 1 to every cell it covers.
  assert.deepEqual(means, [1, 1, 1, 1]);
  assert.deepEqual(gradient.map(Math.round), [1, 1, 2, 1, 1, 1, 2, 1, 2, 2, 4, 2, 1, 1, 2, 1]);
  assert.equal(tf.memory().numTensors, tensors);
});

test("padded cells are never the greatest, however negative the image", () => {
  const greatest = tf.tidy(() => {
    const x = tf.fill<Rank.R4>([1, 4, 4, 1], -1e30);
    return [...maxPool(tf, x, uneven).dataSync()];
  });

  assert.deepEqual(greatest, new Array(4).fill(Math.fround(-1e30)));
});
