import assert from "node:assert/strict";
import { test } from "node:test";
import { METRICS, MOST_ACCURACY_SERIES } from "../../../shared/metrics.js";
import { Metrics } from "../../../shared/io/metrics-registry.js";
import { type HandCluster, handCoordinator } from "../../support/hand-coordinator.js";
import type { TaskRecord } from "../../../shared/records/task.js";

const WORKERS = 64;
/** One is enough, and 64 gradients are dear. */
const STEPS = 1;
const COORDINATOR_BUDGET = 3000;
const WORKER_BUDGET = 300;
const SCRAPE_MS = 15_000;

async function scrape(metrics: Metrics): Promise<string[]> {
  const { text } = await metrics.exposition();
  return text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
}

/** The next scrape of a server that scrapes every fifteen seconds. */
function nextScrape(cluster: HandCluster): Promise<string[]> {
  cluster.scrapeMs += SCRAPE_MS;
  return scrape(cluster.metrics);
}

/** One task of an evaluation with as many attacks and strengths as it says, all images right. */
function record(attack: number, strengths: readonly number[]): TaskRecord {
  const label = { protocol: "modern", attack: `attack-${attack}`, norm: "linf" } as const;
  return {
    worker: "worker-1",
    samples: [],
    task: {
      ...label,
      kind: "adversarial",
      id: String(attack),
      measure: { how: "clean" },
      strengths,
      firstImage: 0,
      imageCount: 4,
      sampleCount: 0,
      patienceMs: 1,
      passes: 1,
    },
    outcomes: strengths.map((strength) => ({
      strength,
      predictions: new Uint8Array(4),
      confidences: new Float32Array(4),
      wrong: new Uint8Array(4),
      distances: new Float32Array(),
      origins: new Uint8Array(),
    })),
  };
}

test(
  "64 workers and the largest evaluation stay within the series budget",
  { timeout: 120_000 },
  async (t) => {
    const cluster = await handCoordinator(t, { slots: WORKERS, steps: STEPS, leaseFloorMs: 600_000 });
    const workers = Array.from({ length: WORKERS }, (_, i) => cluster.worker(`worker-${i + 1}`));
    // Nobody is leased a block before all have joined: the first step would be cut for the one that came first.
    await cluster.allAtOnce(workers);
    await Promise.all(workers.map((worker) => worker.serveUntil(STEPS)));
    await cluster.trained;
    assert.deepEqual(cluster.failures, []);

    const strengths = Array.from({ length: 30 }, (_, i) => i / 100);
    for (let attack = 0; attack < 40; attack++) cluster.run.measured(record(attack, strengths), 1);
    cluster.run.tasks({ pending: 1, running: 1, done: 1 });
    cluster.run.checkpoint("written", 1, 1);
    cluster.run.accuracy(0.5);
    const lines = await nextScrape(cluster);
    const of = (name: string): string[] => lines.filter((line) => line.startsWith(`${name}{`));

    await t.test("every worker has its three series", () => {
      for (const key of ["workerLastSeen", "workerStepSeconds", "workerSamples"] as const)
        assert.equal(of(METRICS[key].name).length, WORKERS, key);
      assert.equal(
        of("saf_worker_samples_total").filter((line) => line.endsWith(` ${STEPS}`)).length,
        WORKERS,
      );
    });
    await t.test("a grid of 1200 points is cut at 500, and the log says so", () => {
      assert.equal(of(METRICS.evaluationAccuracy.name).length, MOST_ACCURACY_SERIES);
      assert.equal(cluster.log.filter((line) => line.includes("more than 500 points")).length, 1);
    });
    await t.test("the coordinator exports at most 3000 series", () => {
      t.diagnostic(`${lines.length} series with ${WORKERS} workers`);
      assert.ok(lines.length <= COORDINATOR_BUDGET, `${lines.length} series`);
      assert.ok(lines.length > WORKERS * 3 + MOST_ACCURACY_SERIES);
    });
    await t.test("a worker that leaves stays for two scrapes, and then nothing of it is left", async () => {
      workers[0]?.giveBack(0, true);
      workers[1]?.giveBack(0, true);
      await cluster.left(WORKERS - 2);
      const seen = [await nextScrape(cluster), await nextScrape(cluster), await nextScrape(cluster)].map(
        (text) => text.filter((line) => line.includes('worker="worker-1"')).length > 0,
      );
      assert.deepEqual(seen, [true, true, false]);
    });
    await t.test("a run that ends stays for two scrapes, and then nothing of it is left", async () => {
      const own = (text: string[]): number => text.filter((line) => line.includes('run="plain"')).length;
      cluster.telemetry.ended(cluster.run, "finished");
      const counts = [own(await nextScrape(cluster)), own(await nextScrape(cluster))];
      assert.ok(counts.every((count) => count > MOST_ACCURACY_SERIES));
      const last = await nextScrape(cluster);
      assert.equal(own(last), 0);
      assert.ok(last.includes('saf_runs_ended_total{outcome="finished"} 1'));
      assert.deepEqual(
        last.filter((line) => line.includes('worker="worker-2"')),
        [],
      );
    });
  },
);

test("a worker that has seen everything exports at most 300 series", async (t) => {
  const metrics = new Metrics("worker", "test");
  const { REQUESTS, WORKER_PHASES } = await import("../../../shared/metrics.js");
  for (const operation of REQUESTS) metrics.observe("requestSeconds", 1, { operation });
  for (const phase of WORKER_PHASES) metrics.observe("phaseSeconds", 1, { phase });
  metrics.set("engineInfo", 1, { backend: "wasm", version: "1" });
  const lines = await scrape(metrics);
  t.diagnostic(`${lines.length} series`);
  assert.ok(lines.length <= WORKER_BUDGET, `${lines.length} series`);
});
