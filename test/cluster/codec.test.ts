import assert from "node:assert/strict";
import { test } from "node:test";
import { checkpointOf, ledgerOf, sharedCluster, type TestConfig, testConfig } from "../support/cluster.js";
import { localWeightsSha256 } from "../support/reference-weights.js";

const LIMIT = { timeout: 180_000 };
const STEPS = 12;

const runOf = (
  name: string,
  train: TestConfig["train"],
  model = "mrelu-r-m",
): TestConfig & { name: string } => ({
  ...{ name, model },
  train: { slots: 2, lease: "step", max_steps: STEPS, ...train },
});

const [EXACT, ROUNDED] = [runOf("exact", { codec: "fp32" }), runOf("rounded", { codec: "bf16" })];
const ALONE = runOf("alone", { codec: "bf16", lease: "exclusive" });
/** Three epochs of two steps: adversarial images are made at steps 2 and 4. */
const ATTACKED = runOf(
  "attacked",
  { codec: "bf16", slots: 4, limit_images: 64, epochs: 3, max_steps: 6 },
  "plain-a",
);
const RUNS = [EXACT, ROUNDED, ALONE, ATTACKED];

const cluster = sharedCluster(
  { workers: 2, runs: RUNS, sideBySide: 1, pool: { shared_memory: false } },
  LIMIT,
);

for (const config of RUNS)
  test(`two workers train ${config.name} over NATS to the weights of one process`, LIMIT, async () => {
    const { sha256, step } = checkpointOf(cluster().file(config.name));
    assert.equal(step, config.train?.max_steps);
    assert.equal(sha256, await localWeightsSha256(testConfig(config)));
  });

test("bf16 comes to other weights than fp32, and to the same whether a step is shared or not", () => {
  const hashOf = ({ name }: { name: string }): string => checkpointOf(cluster().file(name)).sha256;
  assert.equal(hashOf(ALONE), hashOf(ROUNDED));
  assert.notEqual(hashOf(EXACT), hashOf(ROUNDED));
});

test("a step of two workers with a slot each moves at most 0.52 of the bytes of fp32, counted on the bus", (t) => {
  const keys = [...cluster().frameBytes.keys()].map((key) => key.split(" "));
  // One run came after another, in their order.
  const runHashes = [...new Set(keys.map(([run]) => run))];
  const bytesOf = (which: number): Map<number, number> => {
    const found = new Map<number, number>();
    for (const [key, bytes] of cluster().frameBytes) {
      const [run, step] = key.split(" ");
      if (run === runHashes[which]) found.set(Number(step), (found.get(Number(step)) ?? 0) + bytes);
    }
    return found;
  };
  // A version that was broadcast, and two gradients: as many bytes in any step that two workers shared.
  const sharedSteps = (config: { name: string }): number[] => {
    const bytes = bytesOf(RUNS.findIndex(({ name }) => name === config.name));
    const steps = ledgerOf(cluster().file(config.name)).filter(
      ({ step, blocks }) => step > 0 && blocks.length === 2,
    );
    assert.ok(steps.length > 0, `no step of ${config.name} was shared`);
    return steps.map(({ step }) => bytes.get(step) ?? 0);
  };
  const [exact, rounded] = [sharedSteps(EXACT), sharedSteps(ROUNDED)];
  const [least, most] = [Math.min(...exact), Math.max(...rounded)];
  assert.ok(least > 3 * 4 * 250_000, `a step of fp32 moved ${least} bytes`);
  assert.ok(Math.min(...rounded) > 0 && most / least <= 0.52, `bf16 moved ${most} bytes, fp32 ${least}`);
  t.diagnostic(`${most} of ${least} bytes: ${most / least}`);
});
