/** Ten thousand runs through one coordinator: what is kept of a run goes shortly after its end. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { planTasks } from "../../../coordinator/evaluation/evaluation-job.js";
import { planMeasures } from "../../../coordinator/evaluation/plan/procedures.js";
import { hashOf } from "../../../shared/io/hash.js";
import { lineOf } from "../../../shared/records/result-line.js";
import { LiveState, MOST_EVENTS, MOST_RUNS } from "../../../coordinator/live/core/live-state.js";
import { runIdentity } from "../../../coordinator/runs/identity.js";
import { conductRuns } from "../../../coordinator/runs/runs.js";
import type { RunEnd, RunOrder, RunSource } from "../../../coordinator/runs/source.js";
import type { Checkpoint } from "../../../shared/records/checkpoint.js";
import type { RunData } from "../../../coordinator/runs/surroundings.js";
import { EventPublisher } from "../../../coordinator/telemetry/events.js";
import { ProgressLog } from "../../../coordinator/telemetry/progress-log.js";
import { Telemetry } from "../../../coordinator/telemetry/telemetry.js";
import { configSchema } from "../../../shared/config/run.js";
import { initialParameters } from "../../../shared/core/layout.js";
import { Metrics } from "../../../shared/io/metrics-registry.js";
import { MemoryBroker } from "../../support/memory-bus.js";
import { layoutOf } from "../../../shared/networks/network.js";
import { resolveRun } from "../../../shared/resolve.js";
import { subjectsOf } from "../../../shared/subjects.js";
import { PAGE } from "../live/live-support.js";
import { MemoryStorage, checkpointOf } from "./memory-storage.js";

const FIRST_RUNS = 1_000;
const ALL_RUNS = 10_000;
const LANES = 4;
/** What 9,000 runs may leave behind; one run that is kept whole has a megabyte of weights. */
const MOST_GROWTH_BYTES = 3 * 1024 * 1024;
const TEST_IMAGES = 10;

const config = configSchema.parse({
  model: "plain",
  data: { set: "cifar10" },
  train: { max_steps: 1, batch_size: 8, learning_rate: 0.1 },
  evaluate: { kinds: ["clean"], images: TEST_IMAGES },
});
const data: RunData = {
  dataset: {
    name: "cifar10",
    train: { labels: new Uint8Array(80) },
    test: { labels: new Uint8Array(TEST_IMAGES) },
  },
  sha256: "0".repeat(64),
  manifest: () => ({ name: "cifar10" }),
};
const { network, strengths, seed } = resolveRun(config);
const layout = layoutOf(network);
const parameters = initialParameters(layout, seed);
/** Everything is trained. */
const TRAINED: Checkpoint = checkpointOf(
  { step: 1, parameters, velocity: new Float32Array(layout.size) },
  { model: network.name, identity: runIdentity(config, data.sha256), cleanAccuracy: null, best: false },
);
const LEDGER_LINE = JSON.stringify({
  ...{ step: 0, epoch: 0, first: 0, end: 8, samples: 8 },
  blocks: [{ slots: [0, config.train.slots], worker: "worker-1", attempt: 1, ms: 1 }],
});
/** Everything is measured, too. */
const RESULTS: readonly string[] = planTasks(
  { checkpoint: hashOf(parameters), dataset: data.sha256, seed, testImages: TEST_IMAGES },
  planMeasures({ config: config.evaluate, network, strengths, testImages: TEST_IMAGES, samples: 0 }),
).map((task) => {
  const bytes = new Uint8Array(task.imageCount);
  const outcomes = task.strengths.map((strength) => ({
    strength,
    predictions: bytes,
    confidences: new Float32Array(task.imageCount),
    wrong: bytes,
    distances: new Float32Array(),
    origins: new Uint8Array(),
  }));
  return JSON.stringify(lineOf({ task, worker: "worker-1", outcomes, samples: [] }, hashOf(parameters)));
});

/** Makes runs as it goes, and keeps none. */
class Search implements RunSource {
  readonly #most: number;
  made = 0;
  active = 0;
  trainedRuns = 0;
  done = 0;

  constructor(most: number) {
    this.#most = most;
  }

  get pending(): number {
    return 0;
  }

  soon(): readonly RunOrder[] {
    return [];
  }

  next(): RunOrder | "wait" | "none" {
    if (this.made === this.#most) return "none";
    // As a search that wants to see results first.
    if (this.made % 10 === 9 && this.active > 0) return "wait";
    const name = `trial-${this.made++}`;
    this.active++;
    return {
      name,
      runId: `search-${name}`,
      directory: `/runs/${name}`,
      config: { ...config, name },
      evaluateOnly: this.made % 2 === 0,
      isAlone: false,
    };
  }

  beside(): undefined {
    return undefined;
  }

  trained(): void {
    this.trainedRuns++;
  }

  ended(order: RunOrder, end: RunEnd): void {
    this.active--;
    assert.ok("outcome" in end, `${order.name}: ${JSON.stringify(end)}`);
    assert.equal(end.outcome.result?.clean_accuracy, 1);
    this.done++;
  }
}

function stored(directory: string): MemoryStorage {
  const storage = new MemoryStorage(directory);
  storage.kept.push(TRAINED);
  storage.journals.set("eval/results.jsonl", [...RESULTS]);
  storage.journals.set("ledger.jsonl", [LEDGER_LINE]);
  return storage;
}

/** The coordinator's own parts; only workers and the disk are missing, and nothing is asked of either. */
function coordinator(): {
  conduct: (source: RunSource) => Promise<void>;
  state: LiveState;
  metrics: Metrics;
} {
  let nowMs = 0;
  const clock = { now: () => nowMs++, after: () => () => undefined, every: () => () => undefined };
  const state = new LiveState(PAGE);
  const progress = new ProgressLog(() => undefined, clock.now);
  const metrics = new Metrics("coordinator", "test");
  const telemetry = new Telemetry({
    metrics,
    clock: clock.now,
    log: () => undefined,
    wallClock: () => nowMs,
  });
  const events = new EventPublisher(
    new MemoryBroker().connect(),
    subjectsOf("local"),
    clock.now,
    () => nowMs,
    (event) => {
      state.apply(event);
      progress.take(event);
      // As viewers are told, though more often.
      if (nowMs % 50 === 0) state.takeDelta();
    },
  );
  const nobody = (): never => assert.fail("there is nothing to compute");
  const edges = {
    coordinator: {
      add: nobody,
      remove: nobody,
      desk: nobody,
      whenNobodyCanWork: nobody,
    },
    term: 1,
    leaseFloorMs: 1,
    signal: new AbortController().signal,
    clock,
    wallClock: () => nowMs,
    broadcast: nobody,
    mapped: undefined,
    shelf: { dataset: async () => data, hold: nobody, letGo: () => undefined },
    surroundings: { findSource: nobody, readSource: nobody, foreignImages: nobody },
  };
  const environment = (): Record<string, string> => ({ saf: "test" });
  return {
    conduct: (source) =>
      conductRuns({ edges, source, storage: stored, events, telemetry, environment, lanes: LANES }),
    state,
    metrics,
  };
}

async function seriesOf(metrics: Metrics): Promise<number> {
  const all = await metrics.registry.getMetricsAsJSON();
  return all
    .filter(({ name }) => name.startsWith("saf_"))
    .reduce((sum, { values }) => sum + values.length, 0);
}

/** Bytes in use after everything that can go has gone. */
async function bytesUsed(): Promise<number> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  for (let i = 0; i < 3; i++) {
    collect();
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

test("ten thousand runs leave memory and metrics as a thousand do", { timeout: 180_000 }, async (t) => {
  const { conduct, state, metrics } = coordinator();
  const first = new Search(FIRST_RUNS);
  await conduct(first);
  const early = { series: await seriesOf(metrics), bytes: await bytesUsed() };
  const rest = new Search(ALL_RUNS - FIRST_RUNS);
  await conduct(rest);
  const late = { series: await seriesOf(metrics), bytes: await bytesUsed() };
  t.diagnostic(`${early.series} and ${late.series} series, ${early.bytes} and ${late.bytes} bytes`);

  assert.equal(first.done + rest.done, ALL_RUNS);
  assert.equal(first.trainedRuns + rest.trainedRuns, ALL_RUNS);
  assert.ok(late.series <= early.series * 1.5, `${early.series} series, then ${late.series}`);
  assert.ok(late.bytes - early.bytes < MOST_GROWTH_BYTES, `${early.bytes} bytes, then ${late.bytes}`);
  assert.equal(state.runs.length, MOST_RUNS);
  assert.equal(state.events.length, MOST_EVENTS);
});
