import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { LedgerLine, TestCluster } from "../support/cluster.js";
import { SEED, localWeightsSha256, randomNumbers, startCluster, testConfig } from "../support/cluster.js";

const STEPS = 30;
const SLOTS = 4;
const LIMIT = { timeout: 180_000 };

/** Each step once and in order, each image position of an epoch in one step, each slot of a step in one block. */
function checkLedger(
  ledger: readonly LedgerLine[],
  { steps, images }: { steps: number; images: number },
): void {
  assert.deepEqual(
    ledger.map(({ step }) => step),
    Array.from({ length: steps }, (_, step) => step),
  );
  const counted = new Map<number, Uint8Array>();
  for (const { epoch, first, end, samples, blocks } of ledger) {
    assert.equal(samples, end - first);
    const positions = counted.get(epoch) ?? new Uint8Array(images);
    counted.set(epoch, positions);
    for (let i = first; i < end; i++) positions[i] = (positions[i] as number) + 1;
    const slots = blocks.flatMap((block) =>
      Array.from({ length: block.slots[1] - block.slots[0] }, (_, i) => block.slots[0] + i),
    );
    assert.deepEqual(
      slots.sort((a, b) => a - b),
      Array.from({ length: SLOTS }, (_, slot) => slot),
    );
    for (const { worker } of blocks) assert.match(worker, /^worker-\d+$/);
  }
  const last = Math.max(...counted.keys());
  for (const [epoch, positions] of counted) {
    // The last epoch may be cut short, at a step's end.
    const reached = epoch < last ? images : (ledger.at(-1)?.end ?? 0);
    assert.ok(
      positions.subarray(0, reached).every((count) => count === 1),
      `epoch ${epoch} counts an image not once`,
    );
    assert.ok(positions.subarray(reached).every((count) => count === 0));
  }
}

const servedBy = (ledger: readonly LedgerLine[]): Set<string> =>
  new Set(ledger.flatMap(({ blocks }) => blocks.map(({ worker }) => worker)));

describe(`weights after ${STEPS} steps of mrelu-r-m`, () => {
  const config = {};
  // 60,000 real images, 6,000 noisy copies of the mean, 6,000 of pure noise.
  const ledgerOfAll = { steps: STEPS, images: 72_000 };
  const expected = (): Promise<string> => localWeightsSha256(testConfig(config));

  for (const { workers, sharedMemory } of [
    { workers: 1, sharedMemory: true },
    { workers: 2, sharedMemory: true },
    { workers: 3, sharedMemory: false },
    { workers: 4, sharedMemory: true },
  ]) {
    test(
      `are those of one process when ${workers} worker(s) serve it, bytes going through ${sharedMemory ? "shared memory" : "NATS"}`,
      LIMIT,
      async (t) => {
        const cluster = await startCluster(t, { workers, config, pool: { shared_memory: sharedMemory } });

        await cluster.trained();

        assert.deepEqual(cluster.checkpoint(), { step: STEPS, sha256: await expected() });
        checkLedger(cluster.ledger(), ledgerOfAll);
        const helpers = servedBy(cluster.ledger()).size;
        assert.ok(helpers >= Math.min(workers, 2), `only ${helpers} of ${workers} workers computed anything`);
      },
    );
  }

  test("do not change when workers are killed in the middle of a step", LIMIT, async (t) => {
    const below = randomNumbers(SEED);
    t.diagnostic(`SAF_TEST_SEED=${SEED} kills at the same moments`);
    const cluster = await startCluster(t, { workers: 3, config });
    // Three kills in three thirds of the run; a killed worker is started again and joins.
    for (const part of [0, 1, 2]) {
      const step = 1 + part * 9 + below(9);
      const chunks = below(7);
      await cluster.untilStep(step);
      // Whoever works on this step first, after so many of its 7 chunks.
      const working = (): [string, { step: number; chunks: number }] | undefined =>
        [...cluster.pushes].find(
          ([id, push]) =>
            push.step >= step && push.chunks > chunks && cluster.local.workerPid(id) !== undefined,
        );
      await cluster.until(`a push with ${chunks} chunks in step ${step}`, () => working() !== undefined);
      const [victim] = working() as [string, unknown];
      t.diagnostic(`${victim} killed in step ${cluster.step} after ${chunks + 1} chunk(s)`);
      cluster.signalWorker(victim, "SIGKILL");
    }

    await cluster.trained();

    assert.deepEqual(cluster.checkpoint(), { step: STEPS, sha256: await expected() });
    checkLedger(cluster.ledger(), ledgerOfAll);
    assert.equal(cluster.notes.filter((note) => /ended \(SIGKILL\)/.test(note)).length, 3);
  });

  test("do not change when the only worker is killed and another one takes its place", LIMIT, async (t) => {
    const cluster = await startCluster(t, { workers: 1, config });
    await cluster.untilPush("worker-1", 5 + (SEED % 10), 3);
    await cluster.removeWorker("worker-1", "SIGKILL");
    cluster.local.addWorker();

    await cluster.trained();

    assert.deepEqual(cluster.checkpoint(), { step: STEPS, sha256: await expected() });
    checkLedger(cluster.ledger(), ledgerOfAll);
    assert.deepEqual(servedBy(cluster.ledger()), new Set(["worker-1", "worker-2"]));
  });

  test("do not change when a worker joins in mid-run", LIMIT, async (t) => {
    // The first worker sleeps while the second one starts: without this, all steps would be over by then.
    const pool = { heartbeat_ms: 20_000, lease_floor_ms: 600_000 };
    const cluster = await startCluster(t, { workers: 1, config, pool });
    await cluster.untilPush("worker-1", 3 + (SEED % 10), 1);
    cluster.signalWorker("worker-1", "SIGSTOP");
    const joiner = cluster.local.addWorker();
    await cluster.until("the second worker", () => cluster.table.length === 2);
    const before = cluster.step;
    cluster.signalWorker("worker-1", "SIGCONT");

    await cluster.trained();

    assert.deepEqual(cluster.checkpoint(), { step: STEPS, sha256: await expected() });
    const ledger = cluster.ledger();
    checkLedger(ledger, ledgerOfAll);
    assert.deepEqual(servedBy(ledger.slice(0, before)), new Set(["worker-1"]));
    assert.ok(servedBy(ledger.slice(before)).has(joiner), "the one that joined computed nothing");
    assert.ok(servedBy(ledger.slice(before + 1)).has("worker-1"), "the one that was there stopped computing");
  });
});

test(
  "two epochs with a short last step count every image twice, and give the same weights",
  LIMIT,
  async (t) => {
    // Seven steps of 32 images and one of 6: its four slots have 1, 2, 1 and 2.
    const config = { model: "mrelu-r", train: { limit_images: 230, epochs: 2, max_steps: 1000 } };
    const cluster = await startCluster(t, { workers: 2, config });

    await cluster.trained();

    assert.deepEqual(cluster.checkpoint(), {
      step: 16,
      sha256: await localWeightsSha256(testConfig(config)),
    });
    const ledger = cluster.ledger();
    checkLedger(ledger, { steps: 16, images: 230 });
    assert.deepEqual(
      ledger
        .filter(({ samples }) => samples !== 32)
        .map(({ step, epoch, samples }) => ({ step, epoch, samples })),
      [
        { step: 7, epoch: 0, samples: 6 },
        { step: 15, epoch: 1, samples: 6 },
      ],
    );
  },
);

describe("weights of a net with flag A, which attacks the weights with which an epoch began,", () => {
  // Three epochs of seven steps of 32 images and one of 6: adversarial images are made at steps 8 and 16.
  const config = {
    model: "plain-a",
    train: { limit_images: 230, epochs: 3, max_steps: 1000, checkpoint_every_steps: 5 },
  };
  const check = async (cluster: TestCluster): Promise<void> => {
    assert.deepEqual(cluster.checkpoint(), {
      step: 24,
      sha256: await localWeightsSha256(testConfig(config)),
    });
    checkLedger(cluster.ledger(), { steps: 24, images: 230 });
  };

  test("are not those without the flag", LIMIT, async () => {
    const plain = { ...config, model: "plain" };
    assert.notEqual(
      await localWeightsSha256(testConfig(config)),
      await localWeightsSha256(testConfig(plain)),
    );
  });

  for (const workers of [1, 2]) {
    test(`are those of one process when ${workers} worker(s) serve it`, LIMIT, async (t) => {
      const cluster = await startCluster(t, { workers, config });
      await cluster.trained();
      await check(cluster);
    });
  }

  test(
    "do not change when a coordinator and a worker are killed behind the epoch's begin",
    LIMIT,
    async (t) => {
      const cluster = await startCluster(t, { workers: 2, config, restartCoordinator: true });
      // The newest checkpoint is of step 10, 15 or 20; what it attacks began with step 8 or 16.
      const step = 11 + (SEED % 12);
      t.diagnostic(`SAF_TEST_SEED=${SEED}: coordinator killed in step ${step}`);
      await cluster.untilPush("worker-2", step, 1);
      cluster.signalWorker("worker-1", "SIGKILL");
      cluster.signalCoordinator("SIGKILL");

      await cluster.trained();

      assert.ok(
        cluster.notes.some((note) => /^Resuming at step (10|15|20) of 24$/.test(note)),
        cluster.notes.join("\n"),
      );
      await check(cluster);
    },
  );
});
