import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { writeCifarFiles } from "../support/cifar-files.js";
import type { TestConfig } from "../support/cluster.js";
import { checkpointOf, linesOf, startCluster, temporaryDirectory, testConfig } from "../support/cluster.js";
import { localWeightsSha256 } from "../support/reference-weights.js";

const LIMIT = { timeout: 300_000 };
const STEPS = 12;

test("runs of MNIST and CIFAR-10 side by side on one pool end as each does alone", LIMIT, async (t) => {
  const dir = await writeCifarFiles(join(await temporaryDirectory(t), "cifar-10"));
  const train = { slots: 1, max_steps: STEPS, limit_images: 2000 };
  const all = { train, evaluate: { clean_images: 10_000 } };
  const runs: TestConfig[] = [
    { name: "digits", model: "plain", data: { set: "mnist" }, ...all },
    { name: "things", model: "plain", data: { set: "cifar10", dir }, ...all },
    { name: "digits-too", model: "mrelu", data: { set: "mnist" }, ...all },
  ];
  const cluster = await startCluster(t, { workers: 2, runs });

  assert.equal(await cluster.finished(), 0, cluster.words());

  const { models, failed } = cluster.json<{
    models: { name: string; n: number; clean_accuracy: number }[];
    failed: object;
  }>("results.json");
  assert.deepEqual(failed, {});
  assert.deepEqual(
    models.map(({ name, n }) => [name, n]),
    [
      ["digits", 10_000],
      ["things", 10_000],
      ["digits-too", 10_000],
    ],
  );
  for (const config of runs) {
    const { step, sha256 } = checkpointOf(cluster.file(config.name as string));
    assert.deepEqual({ step, sha256 }, { step: STEPS, sha256: await localWeightsSha256(testConfig(config)) });
  }
  const labels = linesOf(cluster.file("things", "eval", "results.jsonl")) as {
    samples: { channels: number }[];
  }[];
  assert.ok(labels.flatMap(({ samples }) => samples).every(({ channels }) => channels === 3));
});
