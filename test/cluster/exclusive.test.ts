import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { LedgerLine, TestCluster, TestConfig } from "../support/cluster.js";
import {
  MADE_UP,
  MADE_UP_FLAGS,
  checkpointOf,
  ledgerOf,
  linesOf,
  sharedCluster,
  startCluster,
  testConfig,
} from "../support/cluster.js";
import { SEED, randomNumbers } from "../support/draws.js";
import { localWeightsSha256 } from "../support/reference-weights.js";
import { saf } from "../support/saf.js";

const LIMIT = { timeout: 240_000 };
/** Leases of 8, 64 and 48 steps. */
const STEPS = 120;
const below = randomNumbers(SEED);

/** Often enough to be told of a lease before it is over. */
const POOL = { heartbeat_ms: 400 };
/** Where it does not matter what is computed. */
const MADE_UP_POOL = { ...POOL, compute_ms: 20 };

const settingsOf = (
  model: string,
  lease: "step" | "exclusive" | "auto",
  slots: number,
  more: TestConfig["train"] = {},
): TestConfig => ({
  model,
  name: model,
  train: { lease, slots, max_steps: STEPS, ...more },
});

/** The weights of one process, and each step once in ledger and metrics. */
async function checkRun(out: string, config: TestConfig): Promise<LedgerLine[]> {
  assert.deepEqual(checkpointOf(out), {
    step: STEPS,
    sha256: await localWeightsSha256(testConfig(config)),
  });
  const ledger = ledgerOf(out);
  assert.deepEqual(
    ledger.map(({ step, first, end, samples, blocks }) => ({
      step,
      first,
      end,
      samples,
      slots: blocks[0]?.slots,
    })),
    Array.from({ length: STEPS }, (_, step) => ({
      step,
      first: 32 * step,
      end: 32 * (step + 1),
      samples: 32,
      slots: [0, config.train?.slots],
    })),
  );
  const metrics = linesOf(join(out, "metrics.jsonl")) as { step: number; loss: number; seconds: number }[];
  assert.deepEqual(
    metrics.map(({ step }) => step),
    ledger.map(({ step }) => step),
  );
  // Made-up losses are large.
  const most = config.engine === undefined ? 10 : 1024;
  assert.ok(metrics.every(({ loss }) => loss > 0 && loss < most));
  assert.ok(
    metrics.every(({ seconds }, i) => i === 0 || seconds >= (metrics[i - 1]?.seconds ?? 0)),
    "time goes back",
  );
  return ledger;
}

/** Kills a worker in an exclusive lease of this run that begins at `step` or later, some of whose steps are done. */
async function killInStretch(cluster: TestCluster, step: number, run = ""): Promise<string> {
  const isRunning = (stretch: TestCluster["stretches"][number]): boolean =>
    stretch.step >= step &&
    stretch.done > 0 &&
    stretch.done < stretch.stepCount &&
    stretch.runId.endsWith(run);
  await cluster.until(`steps done of an exclusive lease from step ${step} on`, () =>
    cluster.stretches.some(isRunning),
  );
  const stretch = cluster.stretches.findLast(isRunning);
  assert.ok(stretch);
  cluster.signalWorker(stretch.worker, "SIGKILL");
  return `${stretch.worker} killed after ${stretch.done} of ${stretch.stepCount} steps from step ${stretch.step} on`;
}

const CALM = { learning_rate: 0.003 };
const MANY = settingsOf("mrelu-r-m", "exclusive", 2, CALM);
/** Three epochs of 20 steps; leases of 8, 12, 20 and 20. From step 20 on, half the images are adversarial. */
const FLAG_A: TestConfig = {
  model: "mrelu-a",
  name: "mrelu-a",
  train: { lease: "exclusive", slots: 2, limit_images: 640, epochs: 3, max_steps: 60 },
};
const stepwise = (config: TestConfig): TestConfig => ({
  ...config,
  train: { ...config.train, lease: "step" },
});

// Two calm clusters with the same two runs each. Side by side, each worker would have a run for itself.
const alone = sharedCluster({ workers: 1, pool: POOL, runs: [MANY, FLAG_A] }, LIMIT);
const together = sharedCluster(
  { workers: 2, pool: POOL, runs: [MANY, FLAG_A].map(stepwise), sideBySide: 1 },
  LIMIT,
);

const stretchesOf = (cluster: TestCluster, run: string): TestCluster["stretches"] =>
  cluster.stretches.filter(({ runId }) => runId.endsWith(run));

test("a worker alone is leased many steps at a time, two workers step by step", () => {
  assert.equal(alone().step, 0, "parameters were broadcast, though nobody needs them");
  assert.equal(together().stretches.length, 0);
  for (const { name = "" } of [MANY, FLAG_A]) {
    const workers = ledgerOf(together().file(name)).flatMap(({ blocks }) =>
      blocks.map(({ worker }) => worker),
    );
    assert.deepEqual([...new Set(workers)].sort(), ["worker-1", "worker-2"]);
  }
});

describe("a run that is leased many steps at a time", () => {
  const config = MANY;

  test("has the weights of the same run step by step", LIMIT, async () => {
    const out = alone().file("mrelu-r-m");
    await checkRun(out, config);
    assert.ok(stretchesOf(alone(), "mrelu-r-m").length > 1);
    assert.deepEqual(checkpointOf(together().file("mrelu-r-m")), checkpointOf(out));
  });

  test("keeps them when its worker is killed in the middle of a lease", LIMIT, async (t) => {
    const cluster = await startCluster(t, { workers: 2, pool: POOL, config });
    t.diagnostic(`SAF_TEST_SEED=${SEED}: ${await killInStretch(cluster, 8 + 24 * below(2))}`);

    await cluster.trainedAndStopped();

    const ledger = await checkRun(cluster.out, config);
    assert.ok(
      ledger.some(({ blocks }) => (blocks[0]?.attempt ?? 0) > 1),
      "nothing was leased twice",
    );
  });

  test("keeps them when the coordinator is killed in the middle of a lease", LIMIT, async (t) => {
    const often = { ...CALM, checkpoint_every_steps: 30 };
    const frequent = { ...settingsOf("mrelu-r-m", "exclusive", 2, often), ...MADE_UP };
    const cluster = await startCluster(t, {
      ...{ workers: 1, pool: MADE_UP_POOL, config: frequent, isEmulated: true },
      restartCoordinator: true,
    });
    await cluster.until("a lease behind the first checkpoint", () =>
      cluster.stretches.some(({ step, done }) => step >= 30 && done > 0),
    );
    cluster.signalCoordinator("SIGKILL");

    await cluster.trainedAndStopped();

    assert.ok(
      cluster.notes.some((note) => /^Resuming at step (30|60|90) of 120$/.test(note)),
      cluster.notes.join("\n"),
    );
    await checkRun(cluster.out, frequent);
  });

  test("is interrupted at a step, and may be resumed step by step", LIMIT, async (t) => {
    const made = { ...config, ...MADE_UP };
    const cluster = await startCluster(t, { workers: 1, pool: MADE_UP_POOL, config: made, isEmulated: true });
    await cluster.until("steps done of a lease", () =>
      cluster.stretches.some(({ step, done }) => step >= 8 && done > 0),
    );
    cluster.local.interrupt();
    assert.equal(await cluster.finished(), 130);
    await cluster.stop();
    const { step } = cluster.checkpoint();
    assert.ok(step > 8 && step < STEPS, `a checkpoint at step ${step}`);
    assert.equal(cluster.ledger().length, step);

    const resumed = await saf([
      ...["train", "--resume", cluster.out, "--json", ...MADE_UP_FLAGS, "-w", "2"],
      ...["--set", "train.lease=step"],
    ]);

    assert.equal(resumed.code, 0, resumed.stderr);
    assert.match(resumed.stderr, new RegExp(`Resuming at step ${step} of ${STEPS}`));
    assert.deepEqual(checkpointOf(cluster.out), {
      step: STEPS,
      sha256: await localWeightsSha256(testConfig(made)),
    });
    assert.deepEqual(
      cluster.ledger().map((line) => line.step),
      Array.from({ length: STEPS }, (_, i) => i),
    );
  });
});

describe("a run with flag A, whose images follow from the weights with which an epoch began,", () => {
  const config = FLAG_A;
  const expected = (): Promise<string> => localWeightsSha256(testConfig(config));
  const checkLedger = (ledger: readonly LedgerLine[]): void =>
    assert.deepEqual(
      ledger.map(({ step, epoch, first, end }) => ({ step, epoch, first, end })),
      Array.from({ length: 60 }, (_, step) => {
        const first = 32 * (step % 20);
        return { step, epoch: Math.floor(step / 20), first, end: first + 32 };
      }),
    );

  test("has the weights of the same run step by step", LIMIT, async () => {
    const out = alone().file("mrelu-a");
    assert.deepEqual(checkpointOf(out), { step: 60, sha256: await expected() });
    checkLedger(ledgerOf(out));
    assert.deepEqual(
      stretchesOf(alone(), "mrelu-a").map(({ stepCount }) => stepCount),
      [8, 12, 20, 20],
    );
    assert.deepEqual(checkpointOf(together().file("mrelu-a")), checkpointOf(out));
  });

  test("keeps them when its worker is killed in a lease on such images", LIMIT, async (t) => {
    const cluster = await startCluster(t, { workers: 1, pool: POOL, config });
    const step = 20 + 20 * below(2);
    // A worker that goes on where it stopped begins at once: the lease is seen here when it is seen there.
    await cluster.until(`the lease from step ${step} on`, () =>
      cluster.stretches.some((stretch) => stretch.step === step),
    );
    t.diagnostic(`SAF_TEST_SEED=${SEED}: worker-1 killed in the lease from step ${step} on`);
    cluster.signalWorker("worker-1", "SIGKILL");

    await cluster.trainedAndStopped();

    assert.deepEqual(cluster.checkpoint(), { step: 60, sha256: await expected() });
    const ledger = cluster.ledger();
    checkLedger(ledger);
    assert.ok((ledger[step]?.blocks[0]?.attempt ?? 0) > 1, "the lease was not given again");
  });
});

test(
  "two runs side by side on two workers end with the weights that each has alone, though a worker is killed",
  LIMIT,
  async (t) => {
    const whole: TestConfig = { ...MADE_UP, evaluate: { clean_images: 10_000 } };
    const runs = ["plain", "rbf-r"].map((model) => ({ ...settingsOf(model, "auto", 1), ...whole }));
    const cluster = await startCluster(t, { workers: 2, pool: MADE_UP_POOL, runs, isEmulated: true });
    t.diagnostic(
      `SAF_TEST_SEED=${SEED}: ${await killInStretch(cluster, 8, below(2) === 0 ? "plain" : "rbf-r")}`,
    );

    assert.equal(await cluster.finished(), 0);

    const [one, other] = cluster.stretches;
    assert.notEqual(one?.runId, other?.runId, "one run waited for the other");
    assert.notEqual(one?.worker, other?.worker);
    for (const config of runs) {
      await checkRun(cluster.file(config.name as string), config);
      const tasks = linesOf(cluster.file(config.name as string, "eval", "results.jsonl")) as StoredTask[];
      assert.equal(new Set(tasks.map(({ task }) => task.id)).size, tasks.length, "a task was stored twice");
      const measured = [...seriesOf(tasks)].filter(([series]) => series.endsWith('{"how":"clean"}'));
      assert.deepEqual(
        measured.map(([, images]) => images),
        [10_000],
      );
    }
    const { models, failed } = cluster.json<{ models: { name: string }[]; failed: object }>("results.json");
    assert.deepEqual(
      models.map(({ name }) => name),
      ["plain", "rbf-r"],
    );
    assert.deepEqual(failed, {});
  },
);

interface StoredTask {
  checkpoint: string;
  task: { id: string; measure: object; first_image: number; image_count: number };
}

/** Images of each series and checkpoint; its ranges follow one another from image 0 on, without a gap or an overlap. */
function seriesOf(tasks: readonly StoredTask[]): Map<string, number> {
  const ends = new Map<string, number>();
  for (const { checkpoint, task } of tasks.toSorted((a, b) => a.task.first_image - b.task.first_image)) {
    const series = `${checkpoint} ${JSON.stringify(task.measure)}`;
    assert.equal(task.first_image, ends.get(series) ?? 0, series);
    ends.set(series, task.first_image + task.image_count);
  }
  return ends;
}
