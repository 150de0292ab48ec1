import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { LedgerLine, TestCluster, TestConfig } from "../support/cluster.js";
import {
  MADE_UP,
  checkpointOf,
  ledgerOf,
  sharedCluster,
  startCluster,
  testConfig,
} from "../support/cluster.js";
import { SEED, randomNumbers } from "../support/draws.js";
import { localWeightsSha256 } from "../support/reference-weights.js";

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

/** Step by step, though runs go side by side; each in a folder named for its model. */
const stepwise = (config: TestConfig & { model: string }): TestConfig & { name: string } => ({
  ...config,
  name: config.model,
  train: { lease: "step", ...config.train },
});

const MAIN = stepwise({ model: "mrelu-r-m" });
/** Seven steps of 32 images and one of 6: its four slots have 1, 2, 1 and 2. */
const SHORT_STEP = stepwise({ model: "mrelu-r", train: { limit_images: 230, epochs: 2, max_steps: 1000 } });
/** Three such epochs: adversarial images are made at steps 8 and 16. */
const FLAG_A_CONFIG = {
  model: "plain-a",
  train: { limit_images: 230, epochs: 3, max_steps: 1000, checkpoint_every_steps: 5 },
};
const FLAG_A = stepwise(FLAG_A_CONFIG);
const FAMILIES = [
  { model: "plain", slots: 4 },
  { model: "mrelu", slots: 1 },
  { model: "rbf", slots: 4 },
].map(({ model, slots }) => ({
  slots,
  config: stepwise({ model, seed: 11, train: { slots, max_steps: 12 } }),
}));

// Calm runs share a cluster, side by side: what one of them comes to does not depend on the others.
const ofOneWorker = sharedCluster({ workers: 1, runs: [MAIN, FLAG_A] }, LIMIT);
const ofTwoWorkers = sharedCluster(
  { workers: 2, runs: [MAIN, SHORT_STEP, FLAG_A, ...FAMILIES.map(({ config }) => config)] },
  LIMIT,
);

interface Left {
  checkpoint: { step: number; sha256: string };
  ledger: LedgerLine[];
}

const leftOf = (cluster: TestCluster, name: string): Left => ({
  checkpoint: checkpointOf(cluster.file(name)),
  ledger: ledgerOf(cluster.file(name)),
});

/** Beside other runs a worker could take whole steps; some steps have to be made of blocks of both. */
function checkIsShared(ledger: readonly LedgerLine[]): void {
  assert.ok(
    ledger.some(({ blocks }) => new Set(blocks.map(({ worker }) => worker)).size === 2),
    "no step was shared",
  );
}

// That one process makes PyTorch's steps: test/worker/engine/truth-suite.ts. A cluster makes that process's, to the bit.
for (const { slots, config } of FAMILIES) {
  test(
    `two workers train ${config.name} in ${slots} slot(s) to the weights of one process`,
    LIMIT,
    async () => {
      const { checkpoint, ledger } = leftOf(ofTwoWorkers(), config.name);
      assert.deepEqual(checkpoint, { step: 12, sha256: await localWeightsSha256(testConfig(config)) });
      if (slots > 1) checkIsShared(ledger);
    },
  );
}

describe(`weights after ${STEPS} steps of mrelu-r-m`, () => {
  const config = {};
  // 60,000 real images, 6,000 noisy copies of the mean, 6,000 of pure noise.
  const ledgerOfAll = { steps: STEPS, images: 72_000 };
  const expected = (of: TestConfig = config): Promise<string> => localWeightsSha256(testConfig(of));
  /**
   * Where it does not matter what is computed. Real sums of a step that a killed worker began: below, with flag A, and in
   * exclusive.test.ts and evaluation.test.ts.
   */
  const made = { config: MADE_UP, isEmulated: true };

  for (const { workers, sharedMemory, calm } of [
    { workers: 1, sharedMemory: true, calm: ofOneWorker },
    { workers: 2, sharedMemory: true, calm: ofTwoWorkers },
    { workers: 3, sharedMemory: false },
    { workers: 4, sharedMemory: true },
  ]) {
    test(
      `are those of one process when ${workers} worker(s) serve it, bytes going through ${sharedMemory ? "shared memory" : "NATS"}`,
      LIMIT,
      async (t) => {
        const cluster =
          calm?.() ?? (await startCluster(t, { workers, config, pool: { shared_memory: sharedMemory } }));

        await cluster.trainedAndStopped();

        const { checkpoint, ledger } = leftOf(cluster, calm === undefined ? "" : MAIN.name);
        assert.deepEqual(checkpoint, { step: STEPS, sha256: await expected() });
        checkLedger(ledger, ledgerOfAll);
        const helpers = servedBy(ledger).size;
        assert.ok(helpers >= Math.min(workers, 2), `only ${helpers} of ${workers} workers computed anything`);
        if (workers === 2) checkIsShared(ledger);
      },
    );
  }

  test("do not change when workers are killed in the middle of a step", LIMIT, async (t) => {
    const below = randomNumbers(SEED);
    t.diagnostic(`SAF_TEST_SEED=${SEED} kills at the same moments`);
    const cluster = await startCluster(t, { workers: 3, ...made, pool: { compute_ms: 30 } });
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

    await cluster.trainedAndStopped();

    assert.deepEqual(cluster.checkpoint(), { step: STEPS, sha256: await expected(MADE_UP) });
    checkLedger(cluster.ledger(), ledgerOfAll);
    assert.equal(cluster.notes.filter((note) => /ended \(SIGKILL\)/.test(note)).length, 3);
  });

  test("do not change when the only worker is killed and another one takes its place", LIMIT, async (t) => {
    const cluster = await startCluster(t, { workers: 1, ...made, pool: { compute_ms: 30 } });
    await cluster.untilPush("worker-1", 5 + (SEED % 10), 3);
    await cluster.removeWorker("worker-1", "SIGKILL");
    cluster.local.addWorker();

    await cluster.trainedAndStopped();

    assert.deepEqual(cluster.checkpoint(), { step: STEPS, sha256: await expected(MADE_UP) });
    checkLedger(cluster.ledger(), ledgerOfAll);
    assert.deepEqual(servedBy(cluster.ledger()), new Set(["worker-1", "worker-2"]));
  });

  test("do not change when a worker joins in mid-run", LIMIT, async (t) => {
    // The coordinator sleeps while the second worker starts: without this, all steps would be over by then.
    const pool = { heartbeat_ms: 20_000, lease_floor_ms: 600_000, compute_ms: 30 };
    const cluster = await startCluster(t, { workers: 1, ...made, pool });
    await cluster.watchJoins();
    await cluster.untilPush("worker-1", 3 + (SEED % 10), 1);
    cluster.signalCoordinator("SIGSTOP");
    const before = cluster.step;
    const joiner = cluster.local.addWorker();
    await cluster.until("the second worker", () => cluster.asked.has(joiner));
    cluster.signalCoordinator("SIGCONT");

    await cluster.trainedAndStopped();

    assert.deepEqual(cluster.checkpoint(), { step: STEPS, sha256: await expected(MADE_UP) });
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
  async () => {
    const { checkpoint, ledger } = leftOf(ofTwoWorkers(), SHORT_STEP.name);
    assert.deepEqual(checkpoint, { step: 16, sha256: await localWeightsSha256(testConfig(SHORT_STEP)) });
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
  const config = FLAG_A_CONFIG;
  const check = async ({ checkpoint, ledger }: Left): Promise<void> => {
    assert.deepEqual(checkpoint, { step: 24, sha256: await localWeightsSha256(testConfig(config)) });
    checkLedger(ledger, { steps: 24, images: 230 });
  };

  test("are not those without the flag", LIMIT, async () => {
    const plain = { ...config, model: "plain" };
    assert.notEqual(
      await localWeightsSha256(testConfig(config)),
      await localWeightsSha256(testConfig(plain)),
    );
  });

  for (const [i, calm] of [ofOneWorker, ofTwoWorkers].entries()) {
    test(`are those of one process when ${i + 1} worker(s) serve it`, LIMIT, async () => {
      const left = leftOf(calm(), FLAG_A.name);
      await check(left);
      assert.equal(servedBy(left.ledger).size, i + 1);
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

      await cluster.trainedAndStopped();

      assert.ok(
        cluster.notes.some((note) => /^Resuming at step (10|15|20) of 24$/.test(note)),
        cluster.notes.join("\n"),
      );
      await check(leftOf(cluster, ""));
    },
  );
});
