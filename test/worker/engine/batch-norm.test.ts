import assert from "node:assert/strict";
import { test } from "node:test";
import { findAddonPackage, hasAddon } from "../../../deploy/setup/addon.js";
import { RandomStream } from "../../../shared/random.js";
import { startEngine } from "../../../worker/engine/eager/backend.js";
import { fusedBatchNorm } from "../../../worker/engine/eager/layers/batch-norm.js";

const packageFolder = findAddonPackage("@tensorflow/tfjs-node", process.env);
const skip = packageFolder !== undefined && hasAddon(packageFolder) ? false : "tfjs-node has no addon here";

// On a GPU the reserved outputs are no moments: what is read there instead must be the same number where both can be had.
test("σ of a batch is the same from the unbiased variance, which a GPU has too", { skip }, async () => {
  const { tf } = await startEngine("tensorflow");
  const random = new RandomStream(7, "initialisation");
  for (const [images, side, channels] of [
    [4, 3, 5],
    [1, 2, 3],
    [1, 1, 2],
  ] as const) {
    const values = Float32Array.from(
      { length: images * side * side * channels },
      () => random.uniform() * 9 - 3,
    );
    const before = tf.memory().numTensors;
    const [reserved, unbiased] = (["reserved", "unbiased"] as const).map((variance) => {
      const scale = tf.ones([channels]);
      const shift = tf.zeros([channels]);
      const input = tf.tensor(values.slice(), [images, side, side, channels]);
      const { output, mean, deviation, saved } = fusedBatchNorm(tf, variance).forward(input, scale, shift);
      const found = deviation.dataSync<"float32">().slice();
      tf.dispose([scale, shift, output, mean, deviation, ...saved]);
      return found;
    });
    assert.ok(reserved !== undefined && unbiased !== undefined && reserved.length === channels);
    reserved.forEach((deviation, channel) => {
      const error = Math.abs(deviation - (unbiased[channel] ?? NaN)) / deviation;
      assert.ok(error < 1e-6, `${images}x${side}x${side}, channel ${channel}: ${error}`);
    });
    assert.equal(tf.memory().numTensors, before);
  }
});
