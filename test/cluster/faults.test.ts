import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { describe, test } from "node:test";
import type { TestCluster, TestConfig } from "../support/cluster.js";
import {
  MADE_UP,
  MADE_UP_FLAGS,
  checkpointOf,
  ledgerOf,
  startCluster,
  testConfig,
} from "../support/cluster.js";
import { SEED, randomNumbers } from "../support/draws.js";
import { localWeightsSha256 } from "../support/reference-weights.js";
import { saf } from "../support/saf.js";

const LIMIT = { timeout: 180_000 };
const below = randomNumbers(SEED);

/**
 * Two of these faults, and those of bits.test.ts and exclusive.test.ts, come over a real engine. For the others it does not
 * matter what is computed, and starting that engine is most of what they would cost.
 */
const PACE = { compute_ms: 30 };

/** Everything a fault must leave as it would have been: the weights, and each step once in the ledger. */
async function checkUnharmed(cluster: Pick<TestCluster, "out">, config: TestConfig): Promise<void> {
  const steps = testConfig(config).train?.max_steps as number;
  assert.deepEqual(checkpointOf(cluster.out), {
    step: steps,
    sha256: await localWeightsSha256(testConfig(config)),
  });
  assert.deepEqual(
    ledgerOf(cluster.out).map(({ step, samples }) => ({ step, samples })),
    Array.from({ length: steps }, (_, step) => ({ step, samples: 32 })),
  );
}

describe("a run ends with the weights of an undisturbed one", () => {
  test("when nats-server is killed and comes back", LIMIT, async (t) => {
    const cluster = await startCluster(t, { workers: 2 });
    const [step, chunk] = [2 + below(20), 1 + below(7)];
    await cluster.untilPush("worker-1", step, chunk);
    t.diagnostic(`SAF_TEST_SEED=${SEED}: nats-server killed in step ${cluster.step}`);
    cluster.killNats();

    await cluster.trainedAndStopped();

    assert.ok(cluster.notes.some((note) => /nats-server ended \(SIGKILL\)/.test(note)));
    assert.ok(cluster.log().some(({ msg }) => msg === "Connected to NATS again"));
    await checkUnharmed(cluster, {});
  });

  test(
    "when the coordinator is killed and started again: it goes on from its checkpoint",
    LIMIT,
    async (t) => {
      const config = { ...MADE_UP, train: { checkpoint_every_steps: 10 } };
      const cluster = await startCluster(t, {
        ...{ workers: 2, config, pool: PACE, isEmulated: true },
        restartCoordinator: true,
      });
      const [step, chunk] = [12 + below(15), 1 + below(7)];
      await cluster.untilPush("worker-2", step, chunk);
      t.diagnostic(`SAF_TEST_SEED=${SEED}: coordinator killed in step ${cluster.step}`);
      cluster.signalCoordinator("SIGKILL");

      await cluster.trainedAndStopped();

      assert.ok(cluster.notes.some((note) => /^The coordinator ended \(SIGKILL\)/.test(note)));
      assert.ok(
        cluster.notes.some((note) => /^Resuming at step [12]0 of 30$/.test(note)),
        cluster.notes.join("\n"),
      );
      await checkUnharmed(cluster, MADE_UP);
    },
  );

  test(
    "when a worker sleeps past its lease: others take over, and waking up does no harm",
    LIMIT,
    async (t) => {
      // Its heartbeats are not missed; only the deadline tells.
      const config = { train: { max_steps: 60 } };
      const pool = { heartbeat_ms: 20_000, lease_floor_ms: 300 };
      const cluster = await startCluster(t, { workers: 2, config, pool });
      await cluster.untilPush("worker-2", 3 + below(5), 1);
      cluster.signalWorker("worker-2", "SIGSTOP");
      await cluster.until("an overdue lease", () =>
        cluster.notes.some((note) => /^Lease \d+ of worker worker-2 is overdue/.test(note)),
      );
      await cluster.untilStep(cluster.step + 2);
      const asleepUntil = cluster.step;
      cluster.signalWorker("worker-2", "SIGCONT");

      await cluster.trainedAndStopped();

      await checkUnharmed(cluster, config);
      assert.ok(
        cluster
          .ledger()
          .some(
            ({ step, blocks }) => step > asleepUntil && blocks.some(({ worker }) => worker === "worker-2"),
          ),
        "the worker that woke up was given nothing",
      );
    },
  );

  test("when a worker is lost for its silence, and comes back", LIMIT, async (t) => {
    const config = { ...MADE_UP, train: { max_steps: 60 } };
    const pool = { ...PACE, heartbeat_ms: 250, lease_floor_ms: 600_000 };
    const cluster = await startCluster(t, { workers: 2, config, pool, isEmulated: true });
    await cluster.untilPush("worker-1", 3 + below(5), 1);
    cluster.signalWorker("worker-1", "SIGSTOP");
    await cluster.until("a lost worker", () =>
      cluster.notes.some((note) => note.startsWith("Worker worker-1 is lost")),
    );
    const asleepUntil = cluster.step;
    cluster.signalWorker("worker-1", "SIGCONT");

    await cluster.trainedAndStopped();

    await checkUnharmed(cluster, config);
    assert.ok(
      cluster
        .ledger()
        .some(({ step, blocks }) => step > asleepUntil && blocks.some(({ worker }) => worker === "worker-1")),
      "the worker that came back was given nothing",
    );
  });

  test("when a worker is told to end: it gives its lease back and exits with 143", LIMIT, async (t) => {
    // Neither silence nor a deadline would set its block free in time.
    const config = MADE_UP;
    const pool = { ...PACE, heartbeat_ms: 20_000, lease_floor_ms: 600_000 };
    const cluster = await startCluster(t, { workers: 2, config, pool, isEmulated: true });
    await cluster.untilPush("worker-1", 2 + below(15), 1 + below(7));

    const exit = await cluster.removeWorker("worker-1", "SIGTERM");
    await cluster.trainedAndStopped();

    assert.deepEqual(exit, { code: 143, signal: null });
    assert.ok(cluster.log().some(({ msg }) => msg === "Worker worker-1 left: signal"));
    await checkUnharmed(cluster, config);
  });

  test(
    "when it is told to end while no worker is left: it stops at once, at its last committed step",
    LIMIT,
    async (t) => {
      const config = { ...MADE_UP, train: { max_steps: 400 } };
      const pool = { ...PACE, heartbeat_ms: 250, lease_floor_ms: 600_000 };
      const cluster = await startCluster(t, { workers: 1, config, pool, isEmulated: true });
      await cluster.untilPush("worker-1", 3 + below(15), 1 + below(7));
      // In the middle of a step, and not started again.
      await cluster.removeWorker("worker-1", "SIGKILL");
      await cluster.until("a lost worker", () =>
        cluster.notes.some((note) => note.startsWith("Worker worker-1 is lost")),
      );

      cluster.signalCoordinator("SIGTERM");
      const code = await cluster.finished();

      assert.equal(code, 143);
      const { step, sha256 } = cluster.checkpoint();
      assert.equal(step, cluster.ledger().length);
      assert.equal(sha256, await localWeightsSha256(testConfig({ ...MADE_UP, train: { max_steps: step } })));
    },
  );

  test(
    "when it is interrupted, which exits with 130, and resumed by `saf train --resume`",
    LIMIT,
    async (t) => {
      const cluster = await startCluster(t, { workers: 2, config: MADE_UP, pool: PACE, isEmulated: true });
      await cluster.untilStep(2 + below(20));

      const memory = cluster.local.sharedMemory;
      cluster.local.interrupt();
      const code = await cluster.finished();
      await cluster.stop();

      assert.equal(code, 130);
      assert.equal(memory !== undefined && existsSync(memory), false, `${memory} is left behind`);
      const { step } = cluster.checkpoint();
      assert.ok(step > 0 && step < 30, `a checkpoint at step ${step}`);
      assert.equal(cluster.ledger().length, step);
      assert.equal(cluster.json<{ state: string }>("status.json").state, "interrupted");

      const resumed = await saf(["train", "--resume", cluster.out, "--json", ...MADE_UP_FLAGS, "-w", "2"]);

      assert.equal(resumed.code, 0, resumed.stderr);
      assert.match(resumed.stderr, new RegExp(`Resuming at step ${step} of 30`));
      await checkUnharmed(cluster, MADE_UP);
      const { weights_sha256: told } = JSON.parse(resumed.stdout) as {
        weights_sha256: Record<string, string>;
      };
      assert.deepEqual(told, { "mrelu-r-m": checkpointOf(cluster.out).sha256 });
    },
  );
});
