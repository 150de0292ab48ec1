/**
 * A whole cluster for tests: real processes and a real nats-server on top of LocalCluster. Tests wait for what they see
 * on the bus, never for time; everything they wait for has a limit.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, after, before } from "node:test";
import { LocalCluster, type LocalClusterOptions } from "../../deploy/local/cluster.js";
import type { ProcessExit } from "../../deploy/local/process-exit.js";
import { type NatsBinary, resolveNatsServer } from "../../deploy/local/nats/resolve.js";
import {
  type EngineChoice,
  defaultCacheDir,
  provisionEngine,
  workerEnvironment,
} from "../../deploy/setup/engine.js";
import type { Bus } from "../../shared/bus.js";
import { type PoolConfig, type PoolInput, poolSchema } from "../../shared/config/pool.js";
import type { ConfigInput } from "../../shared/config/run.js";
import { type ChunkHeader, decodeChunk } from "../../shared/core/chunk.js";
import { connectNats } from "../../shared/io/nats-bus.js";
import { realClock } from "../../shared/io/real-clock.js";
import { sharedMemoryBus } from "../../shared/io/shared-memory-bus.js";
import { readMessage, type saf, wire } from "../../shared/messages.js";
import { type Subjects, subjectsOf } from "../../shared/subjects.js";
import type { CheckpointState } from "../../shared/records/checkpoint.js";
import { SEED } from "./draws.js";

/** Longest wait for anything that a cluster does; a machine may be busy with other tests. */
const PATIENCE_MS = 90_000;

/** What a run of a test decides; the rest is small and quick. */
export type TestConfig = Pick<ConfigInput, "model" | "seed" | "data" | "evaluate" | "name" | "engine"> & {
  train?: ConfigInput["train"];
};

/** 30 steps of 32 images in 4 slots; of the test images, some. */
export function testConfig(config: TestConfig = {}): ConfigInput {
  return {
    model: "mrelu-r-m",
    ...config,
    train: {
      batch_size: 32,
      slots: 4,
      learning_rate: 0.01,
      epochs: 1,
      max_steps: 30,
      evaluate_every_epochs: 0,
      ...config.train,
    },
    evaluate: { kinds: ["clean"], clean_images: 1000, ...config.evaluate },
  };
}

/** For tests of who computes what: made-up gradients, of which a lost or repeated one changes all weights behind it. */
export const MADE_UP = { engine: "emulated" } as const;
/** The same for a command: whatever SAF_ENGINE says. */
export const MADE_UP_FLAGS = ["--engine", MADE_UP.engine, "--compute-ms", "5"];

/** Heartbeats are quick, so that lost workers are missed soon. */
export function testPool(pool: PoolInput = {}): PoolConfig {
  return poolSchema.parse({ heartbeat_ms: 250, ...pool });
}

export interface Programs {
  nats: NatsBinary;
  choice: EngineChoice;
  cacheDir: string;
  /** Of a process that computes: thread caps, library paths. */
  environment: Record<string, string>;
}

let found: Promise<Programs> | undefined;

/** What `npm test` has set up; SAF_ENGINE chooses the engine. */
export function programs(): Promise<Programs> {
  found ??= (async () => {
    const cacheDir = defaultCacheDir(process.env);
    const progress = (): void => undefined;
    const nats = await resolveNatsServer({ env: process.env, cacheDir, install: false, progress });
    const choice = await provisionEngine({ cacheDir, progress });
    return { nats, choice, cacheDir, environment: workerEnvironment(choice) };
  })();
  return found;
}

export async function temporaryDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "saf-test-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** A line of ledger.jsonl. */
export interface LedgerLine {
  step: number;
  epoch: number;
  first: number;
  end: number;
  samples: number;
  blocks: { slots: [number, number]; worker: string; engine: string; attempt: number; ms: number }[];
}

export interface ClusterSetting extends Pick<LocalClusterOptions, "open" | "route"> {
  workers: number;
  /** All workers are waited for, unless it says otherwise. */
  pool?: PoolInput;
  config?: TestConfig;
  /** More variables of the worker processes. */
  workerEnvironment?: Record<string, string>;
  /** Start a killed coordinator again. */
  restartCoordinator?: boolean;
  /** More arguments of `saf coordinator`. */
  coordinatorArguments?: string[];
  /** Several runs, each in a folder of its own name; instead of `config`. */
  runs?: TestConfig[];
  /** How many of them at the same time: all, unless it says otherwise. */
  sideBySide?: number;
  /** Somebody tries what he may not: that NATS refuses something to a process is no error. */
  isAttacked?: boolean;
  /** Its coordinator takes emulated work in, and has none of its own. */
  isQueue?: boolean;
  /** Made-up gradients that take their time (`pool.compute_ms`); else the engine that was set up. */
  isEmulated?: boolean;
}

/** Back when the processes are started; nothing need have joined. Everything is ended after the test. */
export async function startCluster(
  t: { after(end: () => Promise<void>): void },
  setting: ClusterSetting,
): Promise<TestCluster> {
  const home = await mkdtemp(join(tmpdir(), "saf-test-"));
  const out = join(home, "run");
  const cluster = new TestCluster(out, setting.runs?.length ?? 1);
  // The processes end before their files go.
  t.after(async () => {
    await cluster.stop();
    const refused = setting.isAttacked === true ? [] : cluster.refusals();
    await rm(home, { recursive: true, force: true });
    if (refused.length > 0)
      throw new Error(`Rights are missing, or too much was tried:\n${refused.join("\n")}`);
  });
  const { nats, choice, cacheDir, environment } = await programs();
  const configs = setting.runs ?? [setting.config ?? {}];
  const files = configs.map((_, i) => join(home, `run-${i}.yaml`));
  for (const [i, config] of configs.entries()) {
    const engine = setting.isEmulated === true ? ({ engine: "emulated" } as const) : {};
    await writeFile(files[i] as string, JSON.stringify(testConfig({ ...config, ...engine })));
  }
  const local = await LocalCluster.start({
    nats,
    engine: setting.isEmulated === true ? "emulated" : choice.engine,
    workerEnvironment: { ...(setting.isEmulated === true ? {} : environment), ...setting.workerEnvironment },
    workers: setting.workers,
    out,
    coordinatorArguments: [
      ...(setting.isQueue === true
        ? ["--queue", out, "--emulated"]
        : [
            ...files.flatMap((file) => ["--run", file]),
            ...["--out", out, "--side-by-side", String(setting.sideBySide ?? configs.length)],
          ]),
      ...(setting.coordinatorArguments ?? []),
    ],
    cacheDir,
    pool: testPool({ min_workers: Math.max(1, setting.workers), ...setting.pool }),
    clock: realClock,
    restartCoordinator: setting.restartCoordinator ?? false,
    open: setting.open,
    ...(setting.route === undefined ? {} : { route: setting.route }),
    onEvent: (event) => cluster.onEvent(event),
    onNote: (message) => cluster.onNote(message),
  });
  await cluster.watch(local);
  return cluster;
}

/** One calm cluster for several tests: it trains all its runs before the first of them, and its files go after the last. */
export function sharedCluster(setting: ClusterSetting, limits: { timeout: number }): () => TestCluster {
  const ends: (() => Promise<void>)[] = [];
  let cluster: TestCluster | undefined;
  before(async () => {
    cluster = await startCluster({ after: (end) => ends.push(end) }, setting);
    await cluster.trainedAndStopped();
  }, limits);
  after(async () => {
    for (const end of ends) await end();
  });
  return () => {
    assert.ok(cluster, "the cluster is not started");
    return cluster;
  };
}

interface Waiting {
  isThere: () => boolean;
  resolve: () => void;
}

/** What was pushed for the step that is in work. */
interface Push {
  step: number;
  chunks: number;
}

export class TestCluster {
  readonly out: string;
  readonly subjects: Subjects = subjectsOf("local");
  /** What LocalCluster said: ends and new starts of processes. */
  readonly notes: string[] = [];
  /** Runs whose training is over. */
  readonly #trained = new Set<string>();
  readonly #runs: number;
  /** Workers as the coordinator last told. */
  table: readonly saf.v1.WorkerRow.$Properties[] = [];
  /** Steps committed, by the newest parameters on the bus. It goes back when a coordinator resumes. */
  step = 0;
  /** Exclusive leases that were given, and how many steps of the newest one each worker said to have done. */
  readonly stretches: (Pick<saf.v1.ExclusiveLease, "runId" | "step" | "stepCount" | "attempt"> & {
    worker: string;
    done: number;
  })[] = [];
  /** Workers that have asked to be taken in. */
  readonly asked = new Set<string>();
  /** Each worker's newest push. */
  readonly pushes = new Map<string, Push>();
  readonly #waiting = new Set<Waiting>();
  #local: LocalCluster | undefined;
  #tap: Bus | undefined;
  #finished: Promise<number> | undefined;
  #exitCode: number | undefined;
  #stopped: Promise<void> | undefined;

  constructor(out: string, runs: number) {
    this.out = out;
    this.#runs = runs;
  }

  get local(): LocalCluster {
    if (this.#local === undefined) throw new Error("The cluster is not started");
    return this.#local;
  }

  // ---- What is seen -------------------------------------------------------------------------------------------

  /** Listens to the bus with the coordinator's rights: progress events alone are too rare to hit a step. */
  async watch(local: LocalCluster): Promise<void> {
    this.#local = local;
    this.#finished = local.finished().then((code) => {
      this.#exitCode = code;
      this.#look();
      return code;
    });
    const nats = await connectNats({
      url: local.server.url,
      identity: "coordinator",
      seedFile: local.server.credentials.coordinator.seedFile,
      purpose: "test",
      connectTimeoutMs: PATIENCE_MS,
    });
    const directory = local.sharedMemory;
    this.#tap = directory === undefined ? nats : sharedMemoryBus(nats, { directory, identity: "test" });
    this.#tap.subscribe(this.subjects.parameters(0), ({ data, inPlace }) =>
      this.#onChunk(data, inPlace, (header) => this.#onVersion(header)),
    );
    this.#tap.subscribe(this.subjects.gradientPattern(0), ({ subject, data, inPlace }) => {
      const worker = subject.slice(subject.lastIndexOf(".") + 1);
      this.#onChunk(data, inPlace, (header) => this.#onGradient(worker, header));
    });
    this.#tap.subscribe(this.subjects.commandPattern, ({ subject, data }) => {
      const lease = readMessage(wire.WorkerCommand, data)?.exclusive as saf.v1.ExclusiveLease | undefined;
      if (lease == null) return;
      this.stretches.push({ ...lease, worker: subject.slice(subject.lastIndexOf(".") + 1), done: 0 });
      this.#look();
    });
    this.#tap.subscribe(this.subjects.heartbeatPattern, ({ data }) => {
      const beat = readMessage(wire.Heartbeat, data);
      const stretch = this.stretches.findLast(({ worker }) => worker === beat?.workerId);
      if (stretch === undefined || beat?.progress == null) return;
      stretch.done = beat.progress.steps ?? 0;
      this.#look();
    });
    await this.#tap.flush();
  }

  /** From now on whoever asks to be taken in is seen. It makes a request that nobody answers wait, so no other test has it. */
  async watchJoins(): Promise<void> {
    this.#tap?.subscribe(this.subjects.joinPattern, ({ subject }) => {
      this.asked.add(subject.slice(subject.lastIndexOf(".") + 1));
      this.#look();
    });
    await this.#tap?.flush();
  }

  onEvent(event: saf.v1.Event): void {
    if (event.phase?.name === "evaluating") this.#trained.add(event.phase.runId ?? "");
    if (event.workers != null) this.table = event.workers.workers ?? [];
    if (event.note != null) this.notes.push(event.note.message ?? "");
    this.#look();
  }

  onNote(message: string): void {
    this.notes.push(message);
    this.#look();
  }

  #onChunk(frame: Uint8Array, inPlace: boolean | undefined, take: (header: ChunkHeader) => void): void {
    const decoded = decodeChunk(frame, inPlace);
    if (!decoded.ok) return;
    take(decoded.header);
    this.#look();
  }

  #onVersion({ step, kind }: ChunkHeader): void {
    if (kind === "parameters") this.step = step;
  }

  #onGradient(worker: string, { step }: ChunkHeader): void {
    const known = this.pushes.get(worker);
    this.pushes.set(worker, { step, chunks: known?.step === step ? known.chunks + 1 : 1 });
  }

  #look(): void {
    for (const waiting of this.#waiting) {
      if (!waiting.isThere()) continue;
      this.#waiting.delete(waiting);
      waiting.resolve();
    }
  }

  /** Resolves at the first moment at which it holds. Rejects after a minute and a half, and when the coordinator ends. */
  async until(what: string, isThere: () => boolean): Promise<void> {
    if (isThere()) return;
    let waiting: Waiting | undefined;
    let limit: NodeJS.Timeout | undefined;
    // What comes in the same read may end it again before we go on.
    let wasThere = false;
    const there = new Promise<void>((resolve) => {
      waiting = { isThere: () => (wasThere ||= isThere()) || this.#exitCode !== undefined, resolve };
      this.#waiting.add(waiting);
    });
    const late = new Promise<void>((resolve) => {
      limit = setTimeout(resolve, PATIENCE_MS);
    });
    await Promise.race([there, late]);
    clearTimeout(limit);
    if (waiting !== undefined) this.#waiting.delete(waiting);
    if (wasThere || isThere()) return;
    const why =
      this.#exitCode === undefined
        ? `waited ${PATIENCE_MS / 1000} s`
        : `the coordinator ended with exit code ${this.#exitCode}`;
    throw new Error(`${why} for ${what}; step ${this.step}, seed ${SEED}\n${this.words()}`);
  }

  /** So many steps are committed. */
  untilStep(steps: number): Promise<void> {
    return this.until(`step ${steps}`, () => this.step >= steps);
  }

  /** The worker has sent at least so many chunks of this step's push, or of a later one's. */
  untilPush(worker: string, step: number, chunks: number): Promise<void> {
    return this.until(`${chunks} chunk(s) of ${worker} in step ${step}`, () => {
      const push = this.pushes.get(worker);
      return push !== undefined && (push.step > step || (push.step === step && push.chunks >= chunks));
    });
  }

  /** The coordinator has ended with its work done: its events may not have reached us, while nats-server was dead. */
  get isOver(): boolean {
    return this.#exitCode === 0;
  }

  /** All steps of every run are committed; ledgers and last checkpoints are on the disk. */
  trained(): Promise<void> {
    return this.until("the end of training", () => this.#trained.size === this.#runs || this.isOver);
  }

  /** For a test of the training alone: what would be measured next costs as much as a start. */
  async trainedAndStopped(): Promise<void> {
    await this.trained();
    await this.stop();
  }

  /** The coordinator's exit code. */
  async finished(): Promise<number> {
    await this.until("the end of the coordinator", () => this.#exitCode !== undefined);
    return this.#exitCode as number;
  }

  // ---- What is done to it -------------------------------------------------------------------------------------

  signalWorker(id: string, signal: NodeJS.Signals): void {
    const pid = this.local.workerPid(id);
    if (pid === undefined) throw new Error(`There is no process of ${id}`);
    process.kill(pid, signal);
  }

  signalCoordinator(signal: NodeJS.Signals): void {
    process.kill(this.local.coordinatorPid as number, signal);
  }

  killNats(): void {
    process.kill(this.local.natsPid, "SIGKILL");
  }

  removeWorker(id: string, signal: NodeJS.Signals): Promise<ProcessExit | undefined> {
    return this.local.removeWorker(id, signal);
  }

  /** Ends all processes; may be called again. */
  stop(): Promise<void> {
    this.#stopped ??= (async () => {
      await this.#tap?.close();
      // A stopped process cannot be asked to end.
      for (const id of this.#local?.workerIds ?? []) {
        const pid = this.local.workerPid(id);
        try {
          if (pid !== undefined) process.kill(pid, "SIGCONT");
        } catch {
          // Ended already.
        }
      }
      await this.#local?.stop();
      await this.#finished;
    })();
    return this.#stopped;
  }

  // ---- What it left -------------------------------------------------------------------------------------------

  file(...parts: string[]): string {
    return join(this.out, ...parts);
  }

  json<Value>(...parts: string[]): Value {
    return JSON.parse(readFileSync(this.file(...parts), "utf8")) as Value;
  }

  /** Newest checkpoint: its step, and the SHA-256 of its weights, computed from the file. */
  checkpoint(): { step: number; sha256: string } {
    return checkpointOf(this.out);
  }

  ledger(): LedgerLine[] {
    return ledgerOf(this.out);
  }

  /** Lines of the coordinator's log. */
  log(): { level: string; msg: string }[] {
    return linesOf(this.file("log.jsonl")) as { level: string; msg: string }[];
  }

  /** Where the coordinator, or a worker, serves its metrics. */
  metricsUrl(worker?: string): string {
    const file = worker === undefined ? this.file("log.jsonl") : this.file("logs", `${worker}.jsonl`);
    const said = linesOf(file) as { msg: string }[];
    const url = /metrics at (\S+)$/.exec(
      said.findLast(({ msg }) => msg.includes("metrics at "))?.msg ?? "",
    )?.[1];
    if (url === undefined)
      throw new Error(`${worker ?? "The coordinator"} did not say where its metrics are`);
    return url;
  }

  /** Subjects that NATS refused to a process: in production counted and logged, in a test an error. */
  refusals(): string[] {
    const files = ["log.jsonl", ...names(this.file("logs")).map((name) => join("logs", name))];
    return files.flatMap((name) =>
      textOf(this.file(name))
        .split("\n")
        .filter((line) => line.includes("NATS refused:")),
    );
  }

  /** The ends of all logs, for a test that failed. */
  words(): string {
    const ends = ["log.jsonl", ...names(this.file("logs")).map((name) => join("logs", name))].map((name) => {
      const text = textOf(this.file(name)).trim();
      return text === "" ? "" : `--- ${name}\n${text.split("\n").slice(-12).join("\n")}`;
    });
    return [...this.notes.slice(-12), ...ends.filter((end) => end !== "")].join("\n");
  }
}

// ---- Files of a run directory ---------------------------------------------------------------------------------

export function checkpointOf(out: string): { step: number; sha256: string } {
  const folder = join(out, "checkpoints", "latest");
  const state = JSON.parse(readFileSync(join(folder, "state.json"), "utf8")) as CheckpointState;
  const file = readFileSync(join(folder, "model.safetensors"));
  // Tensors lie in the order of the parameter vector: behind the header, the file is the vector.
  const values = file.subarray(8 + Number(file.readBigUInt64LE(0)));
  return { step: state.step, sha256: createHash("sha256").update(values).digest("hex") };
}

export function ledgerOf(out: string): LedgerLine[] {
  return linesOf(join(out, "ledger.jsonl")) as LedgerLine[];
}

export function linesOf(file: string): unknown[] {
  return textOf(file)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as unknown);
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

function names(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
