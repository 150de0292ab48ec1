import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test, type TestContext } from "node:test";
import { initialParameters } from "../../shared/core/layout.js";
import { encodeSafetensors } from "../../shared/core/safetensors.js";
import { layoutOf } from "../../shared/networks/network.js";
import { networkNamed } from "../../shared/networks/registry.js";
import type { ModelResult } from "../../shared/results.js";
import { type TestCluster, type TestConfig, linesOf, startCluster } from "../support/cluster.js";
import { SEED, randomNumbers } from "../support/draws.js";
import { tensorsOf } from "../../shared/records/checkpoint.js";

const LIMIT = { timeout: 300_000 };
const below = randomNumbers(SEED);

/** A second network for the transfer attack, in a file of its own. */
const SECOND = mkdtempSync(join(tmpdir(), "saf-test-"));
after(() => rmSync(SECOND, { recursive: true, force: true }));
const layout = layoutOf(networkNamed("mnist", "plain"));
writeFileSync(
  join(SECOND, "plain.safetensors"),
  encodeSafetensors({ tensors: tensorsOf(layout, initialParameters(layout, 3)), metadata: {} }),
);

/** Engines compute for long; a busy machine must not look like a dead worker. */
const POOL = { heartbeat_ms: 1000, compute_ms: 20 };

const CONFIG: TestConfig = {
  train: { max_steps: 3 },
  evaluate: {
    kinds: ["clean", "adversarial", "nonsense", "noisy"],
    protocol: ["paper", "modern"],
    strengths: [0.1, 0.3],
    images: 100,
    clean_images: 5000,
    attack_batch: 20,
    transfer_from: `${join(SECOND, "plain.safetensors")}:plain`,
    attacks: [
      "fgsm",
      "pgd-10",
      { attack: "square", options: { queries: 20 } },
      { attack: "transfer", options: { steps: 5 } },
    ],
  },
};

interface Line {
  task: { id: string; attack?: string };
  worker: string;
  outcomes: unknown[];
}

const linesIn = (out: string): Line[] => linesOf(join(out, "eval", "results.jsonl")) as Line[];

/** Of all that an evaluation found; who found it when is left out. */
function resultsHash(out: string): string {
  const result = JSON.parse(readFileSync(join(out, "result.json"), "utf8")) as ModelResult;
  const told = { ...result, samples_per_second: 0 };
  const records = linesIn(out)
    .map(({ task, outcomes }) => ({ task, outcomes }))
    .sort((a, b) => (a.task.id < b.task.id ? -1 : 1));
  return createHash("sha256")
    .update(JSON.stringify([told, records]))
    .digest("hex");
}

async function evaluated(cluster: TestCluster): Promise<void> {
  assert.equal(await cluster.finished(), 0, cluster.words());
}

/** What one worker made: of a real engine, and where it does not matter what is computed. */
const undisturbed = new Map<boolean, { hash: string; tasks: number }>();

describe("an evaluation ends with the results of an undisturbed one", () => {
  // Tests of a suite run one after another: the others compare with these two.
  for (const isEmulated of [false, true]) {
    test(`which one worker made${isEmulated ? ", of made-up outputs" : ""}`, LIMIT, async (t) => {
      const cluster = await startCluster(t, { workers: 1, pool: POOL, config: CONFIG, isEmulated });
      await evaluated(cluster);
      const tasks = linesIn(cluster.out).length;
      assert.ok(tasks > 12, `${tasks} tasks`);
      undisturbed.set(isEmulated, { hash: resultsHash(cluster.out), tasks });
    });
  }

  /** Lets some results come, does harm, and looks at what is left in the end. */
  async function disturbed(
    t: TestContext,
    what: string,
    harm: (cluster: TestCluster) => void,
    { restartCoordinator = false, isEmulated = true } = {},
  ): Promise<TestCluster> {
    const { hash, tasks } = undisturbed.get(isEmulated) ?? { hash: "", tasks: 0 };
    const setting = { workers: 2, pool: POOL, config: CONFIG };
    const cluster = await startCluster(t, { ...setting, restartCoordinator, isEmulated });
    const some = 2 + below(8);
    await cluster.until(`${some} results`, () => linesIn(cluster.out).length >= some);
    const earlier = linesIn(cluster.out);
    t.diagnostic(`SAF_TEST_SEED=${SEED}: ${what} after ${earlier.length} of ${tasks} results`);
    harm(cluster);
    await evaluated(cluster);

    const lines = linesIn(cluster.out);
    assert.deepEqual(lines.slice(0, earlier.length), earlier, "what was written stays");
    assert.equal(new Set(lines.map(({ task }) => task.id)).size, lines.length, "no task counts twice");
    assert.equal(lines.length, tasks);
    assert.equal(resultsHash(cluster.out), hash);
    return cluster;
  }

  test("when a worker is killed", LIMIT, async (t) => {
    const victim = `worker-${1 + below(2)}`;
    const cluster = await disturbed(t, `${victim} killed`, (one) => one.signalWorker(victim, "SIGKILL"), {
      isEmulated: false,
    });
    assert.ok(cluster.notes.some((note) => note.startsWith(`${victim} ended (SIGKILL)`)));
  });

  test("when the coordinator is killed and started again", LIMIT, async (t) => {
    const cluster = await disturbed(t, "coordinator killed", (one) => one.signalCoordinator("SIGKILL"), {
      restartCoordinator: true,
    });
    assert.ok(cluster.notes.some((note) => /^The coordinator ended \(SIGKILL\)/.test(note)));
  });

  test("when nats-server is killed and comes back", LIMIT, async (t) => {
    const cluster = await disturbed(t, "nats-server killed", (one) => one.killNats());
    assert.ok(cluster.notes.some((note) => /nats-server ended \(SIGKILL\)/.test(note)));
  });
});
