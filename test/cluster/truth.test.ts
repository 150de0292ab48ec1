import assert from "node:assert/strict";
import { test } from "node:test";
import { localWeightsSha256, startCluster, testConfig } from "../support/cluster.js";

// That one process makes PyTorch's steps: test/worker/engine/truth-suite.ts. A cluster makes that process's, to the bit.
for (const { model, slots } of [
  { model: "plain", slots: 4 },
  { model: "mrelu", slots: 1 },
  { model: "rbf", slots: 4 },
]) {
  test(
    `two workers train ${model} in ${slots} slot(s) to the weights of one process`,
    { timeout: 180_000 },
    async (t) => {
      const config = { model, seed: 11, train: { slots, max_steps: 12 } };
      const cluster = await startCluster(t, { workers: 2, config });

      await cluster.trained();

      assert.deepEqual(cluster.checkpoint(), {
        step: 12,
        sha256: await localWeightsSha256(testConfig(config)),
      });
    },
  );
}
