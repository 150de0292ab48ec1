/** Ten thousand runs through one coordinator: what is kept of a run goes shortly after its end. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Coordinator } from "../../../coordinator/coordinator.js";
import { planTasks } from "../../../coordinator/evaluation/evaluation-job.js";
import { fixedPlan } from "../../../coordinator/evaluation/fixed-plan.js";
import { planMeasures } from "../../../coordinator/evaluation/plan/procedures.js";
import type { GrantedLease, Job, JobDesk, Verdict } from "../../../coordinator/leases/job.js";
import type { Unit, WorkPlan } from "../../../coordinator/leases/unit.js";
import { hashOf } from "../../../shared/io/hash.js";
import { runHashOf } from "../../../shared/run-hash.js";
import { lineOf } from "../../../shared/records/result-line.js";
import type { Bus } from "../../../shared/bus.js";
import { PROTOCOL_VERSION, readMessage, type saf, wire, writeMessage } from "../../../shared/messages.js";
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
const WORKERS = 2;
/** Runs of which one has something to measure: each of these serves and hashes its weights. */
const MEASURED_OF = 10;
const NO_FINDINGS = JSON.stringify({ gradients: [], slopes: [], planted: [] });
const PATIENCE_MS = 60_000;
/** What 9,000 runs may leave behind; one run that is kept whole has a megabyte of weights. */
const MOST_GROWTH_BYTES = 3 * 1024 * 1024;
const TEST_IMAGES = 10;

const subjects = subjectsOf("local");
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
/** Most are measured, too. */
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
  storage.journals.set("ledger.jsonl", [LEDGER_LINE]);
  const isMeasured = Number(directory.split("-").at(-1)) % MEASURED_OF !== 0;
  if (isMeasured) storage.journals.set("eval/results.jsonl", [...RESULTS]);
  return storage;
}

/** A worker that answers every task at once: each image is right. */
class QuickWorker {
  readonly #id: string;
  readonly #bus: Bus;
  constructor(id: string, broker: MemoryBroker) {
    this.#id = id;
    this.#bus = broker.connect(id);
    this.#bus.subscribe(subjects.command(id), ({ data: bytes }) => {
      const task = readMessage(wire.WorkerCommand, bytes)?.task;
      if (task != null) void this.#measure(task as saf.v1.TaskLease);
    });
  }

  async join(): Promise<void> {
    await this.#bus.flush();
    const says = { engineName: "wasm", engineVersion: "by hand", device: "cpu", selfTestPassed: true };
    const request = { protocol: PROTOCOL_VERSION, workerId: this.#id, incarnation: 1, pid: 1, ...says };
    const answer = await this.#bus.request(
      subjects.join(this.#id),
      writeMessage(wire.JoinRequest, request),
      PATIENCE_MS,
    );
    assert.ok(readMessage(wire.JoinReply, answer)?.accepted);
  }

  async #measure({ leaseId, term, runId, taskId, imageCount, strengths }: saf.v1.TaskLease): Promise<void> {
    const bytes = new Uint8Array(imageCount);
    const confidences = new Uint8Array(4 * imageCount);
    const outcomes = strengths.map((strength) => ({
      strength,
      predictions: bytes,
      confidences,
      wrong: bytes,
    }));
    const result = {
      workerId: this.#id,
      leaseId,
      term,
      runId,
      taskId,
      attempt: 1,
      outcomes,
      diagnosticsJson: NO_FINDINGS,
    };
    const answer = await this.#bus.request(
      subjects.result(this.#id),
      writeMessage(wire.TaskResult, result),
      PATIENCE_MS,
    );
    assert.deepEqual(readMessage(wire.TaskReply, answer)?.reason, "");
  }
}

interface Leading {
  conduct: (source: RunSource) => Promise<void>;
  pool: Coordinator;
  state: LiveState;
  metrics: Metrics;
}

/** A coordinator with its own parts, on a bus in memory; only the disk is missing. */
async function leading(): Promise<Leading> {
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
  const broker = new MemoryBroker();
  const [control, bulk] = [broker.connect(), broker.connect()];
  const events = new EventPublisher(
    control,
    subjects,
    clock.now,
    () => nowMs,
    (event) => {
      state.apply(event);
      progress.take(event);
      // As viewers are told, though more often.
      if (nowMs % 50 === 0) state.takeDelta();
    },
  );
  const nobody = (): never => assert.fail("nobody asks for it");
  const pool = new Coordinator({
    ...{ control, bulk, subjects, clock, term: 1, heartbeatMs: 1000 },
    quarantine: { after: 3, firstMs: 1000 },
    ...{ hungAfter: 0, mixedEngines: "refuse" as const, committedEngines: [] },
    dataRange: nobody,
    superseded: nobody,
    log: () => undefined,
    metrics: telemetry.pool,
  });
  telemetry.watchPool(() => pool.members());
  await pool.start();
  for (let i = 1; i <= WORKERS; i++) await new QuickWorker(`worker-${i}`, broker).join();
  const edges = {
    coordinator: pool,
    term: 1,
    leaseFloorMs: 1,
    signal: new AbortController().signal,
    clock,
    wallClock: () => nowMs,
    broadcast: nobody,
    mapped: undefined,
    shelf: { dataset: async () => data, hold: () => data.sha256, letGo: () => undefined },
    surroundings: { findSource: nobody, readSource: nobody, foreignImages: nobody },
  };
  const environment = (): Record<string, string> => ({ saf: "test" });
  return {
    conduct: (source) =>
      conductRuns({ edges, source, storage: stored, events, telemetry, environment, lanes: LANES }),
    ...{ pool, state, metrics },
  };
}

/** Of jobs that are over the book keeps which runs a worker has loaded, a few, and how many images it computed. */
function checkNothingIsLeft({ pool }: Leading, images: number): void {
  const { jobs, members } = pool.book;
  assert.deepEqual([...jobs.keys()], []);
  for (const { lease, strayLease, retries, warm } of members.values()) {
    assert.deepEqual([lease, strayLease, retries], [undefined, 0, 0]);
    assert.ok(warm.size <= 4, `${warm.size} runs`);
  }
  const computed = [...members.values()].map((member) => member.images);
  assert.equal(
    computed.reduce((sum, count) => sum + count, 0),
    images,
  );
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
  const led = await leading();
  const { conduct, state, metrics } = led;
  const first = new Search(FIRST_RUNS);
  await conduct(first);
  checkNothingIsLeft(led, (TEST_IMAGES * FIRST_RUNS) / MEASURED_OF);
  const early = { series: await seriesOf(metrics), bytes: await bytesUsed() };
  const rest = new Search(ALL_RUNS - FIRST_RUNS);
  await conduct(rest);
  checkNothingIsLeft(led, (TEST_IMAGES * ALL_RUNS) / MEASURED_OF);
  const late = { series: await seriesOf(metrics), bytes: await bytesUsed() };
  t.diagnostic(`${early.series} and ${late.series} series, ${early.bytes} and ${late.bytes} bytes`);

  assert.equal(first.done + rest.done, ALL_RUNS);
  assert.equal(first.trainedRuns + rest.trainedRuns, ALL_RUNS);
  assert.ok(late.series <= early.series * 1.5, `${early.series} series, then ${late.series}`);
  assert.ok(late.bytes - early.bytes < MOST_GROWTH_BYTES, `${early.bytes} bytes, then ${late.bytes}`);
  assert.equal(state.runs.length, MOST_RUNS);
  assert.equal(state.events.length, MOST_EVENTS);
});

/** One unit of one image; whoever brings it is believed. */
class Errand implements Job {
  readonly id: string;
  readonly runId: string;
  readonly runHash: string;
  readonly done: Promise<void>;
  readonly #desk: JobDesk;
  #finish: () => void = () => undefined;

  constructor(runId: string, desk: (jobId: string) => JobDesk) {
    this.runId = runId;
    this.id = `${runId}/errand`;
    this.runHash = runHashOf(runId);
    this.#desk = desk(this.id);
    this.done = new Promise((resolve) => (this.#finish = resolve));
  }

  get plan(): WorkPlan {
    const patience = { series: "errand", scale: 1, floorMs: 60_000, unknownMs: 60_000, warmUpMs: 0 };
    return fixedPlan([{ id: this.runId, images: 1, steps: 1, patience }], "the work");
  }

  command({ id }: Unit, { leaseId, term, attempt }: GrantedLease): saf.v1.WorkerCommand.$Properties {
    const { runId } = this;
    return { task: { leaseId, term, attempt, runId, taskId: id, strengths: [0], imageCount: 1 } };
  }

  onResult({ taskId: unitId }: saf.v1.TaskResult): Verdict<saf.v1.TaskReply.$Properties> {
    return { reply: { accepted: true }, completed: { unitId, steps: 1, toldMs: undefined } };
  }

  onUnits(): void {
    if (this.#desk.leases.record(this.runId)?.done !== undefined) this.#finish();
  }

  parameterFrame(): { frame: undefined; latest: number } {
    return { frame: undefined, latest: 0 };
  }

  describe(): saf.v1.RunSpec.$Properties {
    return { runId: this.runId };
  }
}

test("ten thousand jobs leave nothing in the book of leases", { timeout: 180_000 }, async (t) => {
  const led = await leading();
  const { pool } = led;
  const serve = async (first: number, end: number): Promise<void> => {
    for (let i = first; i < end; i += LANES) {
      const jobs = Array.from({ length: LANES }, (_, lane) => new Errand(`run-${i + lane}`, pool.desk));
      for (const job of jobs) pool.add(job);
      await Promise.all(jobs.map(({ done }) => done));
      for (const job of jobs) pool.remove(job);
    }
  };

  await serve(0, FIRST_RUNS);
  checkNothingIsLeft(led, FIRST_RUNS);
  const early = await bytesUsed();
  await serve(FIRST_RUNS, ALL_RUNS);
  checkNothingIsLeft(led, ALL_RUNS);
  const late = await bytesUsed();

  t.diagnostic(`${early} and ${late} bytes`);
  assert.equal(pool.book.nextLease, ALL_RUNS + 1, "each was leased once");
  assert.ok(late - early < MOST_GROWTH_BYTES, `${early} bytes, then ${late}`);
});
