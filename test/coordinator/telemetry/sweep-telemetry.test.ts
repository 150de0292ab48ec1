import assert from "node:assert/strict";
import { test } from "node:test";
import { ProgressLog } from "../../../coordinator/telemetry/progress-log.js";
import { Telemetry } from "../../../coordinator/telemetry/telemetry.js";
import { configSchema } from "../../../shared/config/run.js";
import { Metrics } from "../../../shared/io/metrics-registry.js";
import { TRIAL_FAILURES } from "../../../shared/metrics.js";
import { sweepMessage } from "../../../shared/sweep-progress.js";
import { WASM } from "../../support/fingerprints.js";
import { sweepAfter, trialOf } from "../../support/sweep-progress.js";

const SCRAPE_MS = 15_000;
const MOST_SERIES = 60;

class Scraped {
  nowMs = 0;
  readonly metrics = new Metrics("coordinator", "test");
  readonly telemetry = new Telemetry({
    metrics: this.metrics,
    clock: () => this.nowMs,
    log: () => undefined,
    wallClock: () => this.nowMs,
  });

  /** Lines that hold this, one scrape later. */
  async lines(part: string): Promise<string[]> {
    this.nowMs += SCRAPE_MS;
    const { text } = await this.metrics.exposition();
    return text.split("\n").filter((line) => line.includes(part) && !line.startsWith("#"));
  }
}

test("ten thousand trials have as many series as ten, and none has one of its own", async () => {
  const scraped = new Scraped();
  const sweep = scraped.telemetry.sweep("robust-mnist");
  sweep.progress(sweepAfter(10));
  sweep.measured(1);
  const few = await scraped.lines('sweep="robust-mnist"');
  for (let results = 100; results <= 15_000; results += 100) {
    sweep.progress(sweepAfter(results));
    sweep.measured(results / 100);
    sweep.failed("diverged");
  }
  const many = await scraped.lines('sweep="robust-mnist"');
  assert.ok(many.length <= MOST_SERIES, `${many.length} series`);
  assert.equal(many.length, few.length - 1, "only the time left is gone, for it is done");
  assert.deepEqual(
    many.filter((line) => line.startsWith("saf_sweep_trials{")),
    [
      'saf_sweep_trials{sweep="robust-mnist",state="running"} 0',
      'saf_sweep_trials{sweep="robust-mnist",state="waiting"} 2500',
      'saf_sweep_trials{sweep="robust-mnist",state="done"} 1000',
      'saf_sweep_trials{sweep="robust-mnist",state="stopped"} 6400',
      'saf_sweep_trials{sweep="robust-mnist",state="failed"} 100',
    ],
  );
});

test("a coordinator that goes on counts the samples that it saw itself", async () => {
  const scraped = new Scraped();
  const sweep = scraped.telemetry.sweep("s");
  const seen = (samplesSeen: number): void => sweep.progress(sweepAfter(10, 20, { samplesSeen }));
  for (const samples of [100_000, 100_500, 100_300, 100_500, 102_000]) seen(samples);
  assert.deepEqual(await scraped.lines("saf_sweep_samples_total"), [
    'saf_sweep_samples_total{sweep="s"} 2000',
  ]);
});

test("with one objective the first trial's value is shown, with several the best of each", async () => {
  const scraped = new Scraped();
  const best = [
    { ...trialOf(1, 0), metrics: { clean: 0.9, loss: 0.5 } },
    { ...trialOf(2, 0), metrics: { clean: 0.95, loss: 0.7 } },
    { ...trialOf(3, 0), metrics: {} },
  ];
  const objectives = [
    { metric: "clean", goal: "maximize" },
    { metric: "loss", goal: "minimize" },
  ] as const;
  scraped.telemetry.sweep("one").progress(sweepAfter(9, 9, { best, objectives: objectives.slice(0, 1) }));
  scraped.telemetry.sweep("two").progress(sweepAfter(9, 9, { best, objectives }));
  assert.deepEqual(await scraped.lines("saf_sweep_best_objective"), [
    'saf_sweep_best_objective{sweep="one",objective="clean"} 0.9',
    'saf_sweep_best_objective{sweep="two",objective="clean"} 0.95',
    'saf_sweep_best_objective{sweep="two",objective="loss"} 0.5',
  ]);
});

test("every reason to fail stands at zero from the start, and a rung that is gone is shown no longer", async () => {
  const scraped = new Scraped();
  const sweep = scraped.telemetry.sweep("s");
  sweep.failed("timeout");
  const failures = await scraped.lines("saf_sweep_trial_failures_total");
  assert.equal(failures.length, TRIAL_FAILURES.length);
  assert.deepEqual(
    failures.filter((line) => !line.endsWith(" 0")),
    ['saf_sweep_trial_failures_total{sweep="s",code="timeout"} 1'],
  );
  sweep.progress(sweepAfter(30));
  assert.equal((await scraped.lines("saf_sweep_rung_trials")).length, 3);
  sweep.progress(sweepAfter(30, 100, { rungs: [{ rung: 1, samples: 9, count: 4 }] }));
  assert.deepEqual(await scraped.lines("saf_sweep_rung_trials"), [
    'saf_sweep_rung_trials{sweep="s",rung="1"} 4',
  ]);
});

test("a sweep that ends stays for two scrapes, and then nothing of it is left", async () => {
  const scraped = new Scraped();
  const sweep = scraped.telemetry.sweep("s");
  sweep.progress(sweepAfter(30));
  sweep.ended();
  const seen = [await scraped.lines('"s"'), await scraped.lines('"s"'), await scraped.lines('"s"')];
  assert.deepEqual(
    seen.map((lines) => lines.length > 0),
    [true, true, false],
  );
  assert.notEqual(scraped.telemetry.sweep("s"), sweep);
});

test("what the run of a trial does is counted for its workers and attacks, under no name", async () => {
  const scraped = new Scraped();
  const config = configSchema.parse({ name: "trial-7", train: { slots: 4 } });
  const meter = scraped.telemetry.sweep("s").runOf(config);
  const block = { first: 0, worker: "worker-1", engine: WASM, attempt: 1, ms: 20 };
  meter.state("training");
  meter.committed(
    {
      ...{ step: 0, epoch: 0, firstImage: 0, endImage: 32, samples: 32, loss: 1, hits: 3, learningRate: 0.1 },
      ...{ barrierMs: 1, aggregateMs: 1, seconds: 0.1, atMs: 0 },
      blocks: [{ ...block, count: 3 }],
    },
    10,
  );
  meter.checkpoint("written", 0.1, 10);
  meter.taskRetried("failed");
  assert.deepEqual(await scraped.lines("saf_worker_samples_total"), [
    'saf_worker_samples_total{worker="worker-1"} 24',
  ]);
  assert.deepEqual(await scraped.lines("trial-7"), []);
  assert.deepEqual(await scraped.lines("run="), []);
  assert.ok(
    (await scraped.lines("saf_checkpoints_total")).includes('saf_checkpoints_total{outcome="written"} 1'),
  );
});

test("a container's log has a line of the sweep every ten seconds, and one when it ends", () => {
  let nowMs = 0;
  const lines: string[] = [];
  const log = new ProgressLog(
    (_level, message) => lines.push(message),
    () => nowMs,
  );
  for (; nowMs < 30_000; nowMs += 500) log.take({ sweep: sweepMessage(sweepAfter(10 + nowMs / 500, 24)) });
  assert.equal(lines.length, 4);
  assert.match(
    lines[0] ?? "",
    /^sweep running: 5 of 24 trials over, 2 running, 2 waiting, 0 failed, best area\(adversarial\) 0\.\d+ of trial \d+ \([0-9a-f]{8}\), 45 s left$/,
  );
  assert.match(lines.at(-1) ?? "", /^sweep done: 18 of 24 trials over, 0 running, 6 waiting/);
});
