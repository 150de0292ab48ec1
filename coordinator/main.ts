/** Wiring of the coordinator process: one pool of workers, one or more runs in turn, results and report. */
import { cpus, platform, release, totalmem } from "node:os";
import { mkdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Config } from "../shared/config.js";
import { stepsPerEpoch } from "../shared/core/schedule.js";
import { ClusterError, exitCodeOf } from "../shared/errors.js";
import { serveProbes } from "../shared/io/http-server.js";
import { createLogger, logTo } from "../shared/io/logger.js";
import { Metrics } from "../shared/io/metrics-registry.js";
import { connectNats } from "../shared/io/nats-bus.js";
import { sharedMemoryBus } from "../shared/io/shared-memory-bus.js";
import { resolveRun, stepPlan } from "../shared/resolve.js";
import type { ModelResult } from "../shared/results.js";
import { subjectsOf } from "../shared/subjects.js";
import { VERSION } from "../shared/version.js";
import { type RunContext, type RunObserver, type RunOutcome, conductRun } from "./conduct-run.js";
import { Coordinator } from "./coordinator.js";
import { EventPublisher } from "./events.js";
import { storageError } from "./io/atomic-file.js";
import { loadDataset } from "./io/datasets/data-sets.js";
import { PartitionedDataset } from "./io/datasets/dataset.js";
import { settleResults } from "./io/model-results.js";
import { RunDirectory } from "./io/run-directory.js";
import { reportRun } from "./report/report-run.js";

export interface CoordinatorOptions {
  natsUrl: string;
  seedFile?: string | undefined;
  pool: string;
  /** Folder of shared memory for bulk bytes, when all processes run on one machine. */
  sharedMemory?: string | undefined;
  /** One run each, conducted in this order. */
  configs: readonly Config[];
  /** Where the runs live: one run uses the folder itself, several get a folder each inside. */
  out: string;
  title: string;
  /** The command that makes the same again; for the report. */
  command: string;
  metricsHost: string;
  metricsPort: number;
  /** Measure the newest checkpoint as it is; train no further. */
  evaluateOnly: boolean;
  /** Tell the workers to stop when everything is done. */
  dismissWorkers: boolean;
  logLevel?: string | undefined;
  logFile?: string | undefined;
}

/** `results.json`, and what `--json` prints. */
export interface ResultsDocument {
  title: string;
  directory: string;
  models: ModelResult[];
  /** SHA-256 of each model's final weights. */
  weights_sha256: Record<string, string>;
  seconds: number;
  interrupted: boolean;
  report: string | null;
}

const CONNECT_TIMEOUT_MS = 60_000;
/** The last messages to workers and watchers get this long to leave. */
const FAREWELL_MS = 150;

/** Conducts the runs and returns what was found. Throws ClusterError; `error.json` then says why. */
export async function runCoordinator(
  options: CoordinatorOptions,
  signal: AbortSignal,
): Promise<ResultsDocument> {
  const home = new RunDirectory(options.out);
  await mkdir(options.out, { recursive: true }).catch((cause: unknown) => {
    throw storageError(`create the run directory ${options.out}`, cause);
  });
  await home.linkLatest();
  // Of an attempt before this one.
  await rm(home.file("error.json"), { force: true });
  try {
    return await serve(options, home, signal);
  } catch (error) {
    await home
      .writeJson("error.json", {
        message: error instanceof Error ? error.message : String(error),
        code: error instanceof ClusterError ? error.code : "unexpected",
        hint: error instanceof ClusterError ? (error.hint ?? null) : null,
        exit_code: exitCodeOf(error),
        stack: error instanceof Error ? (error.stack ?? null) : null,
        time: new Date().toISOString(),
      })
      .catch(() => undefined);
    throw error;
  }
}

async function serve(
  options: CoordinatorOptions,
  home: RunDirectory,
  signal: AbortSignal,
): Promise<ResultsDocument> {
  const began = performance.now();
  const [first] = options.configs;
  if (first === undefined) throw new ClusterError("usage", "A coordinator needs at least one run");
  const logger = createLogger("coordinator", {
    level: options.logLevel,
    file: options.logFile ?? home.file("log.jsonl"),
  });
  const log = logTo(logger);
  const metrics = new Metrics("coordinator", VERSION);
  const subjects = subjectsOf(options.pool);
  const dataset = new PartitionedDataset(await loadDataset(first.data.set, first.data.dir, process.env));

  const connect = (purpose: string): ReturnType<typeof connectNats> =>
    connectNats({
      url: options.natsUrl,
      identity: "coordinator",
      purpose,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      ...(options.seedFile === undefined ? {} : { seedFile: options.seedFile }),
      onPermissionError: (message) => log("error", `NATS refused: ${message}`),
    });
  const [control, bulkNats] = await Promise.all([connect("control"), connect("bulk")]);
  const bulk =
    options.sharedMemory === undefined
      ? bulkNats
      : sharedMemoryBus(bulkNats, { directory: options.sharedMemory, identity: "coordinator" });
  const clock = (): number => performance.now();
  const events = new EventPublisher(control, subjects, clock);
  const epoch = Date.now();
  const coordinator = new Coordinator({
    control,
    bulk,
    subjects,
    clock,
    epoch,
    heartbeatMs: first.cluster.heartbeat_ms,
    quarantine: { after: first.cluster.quarantine_after, firstMs: first.cluster.quarantine_ms },
    dataRange: (request) => dataset.range(request),
    log: (level, message, fields) => {
      log(level, message, fields);
      if (level !== "info") events.note(level === "warn" ? "warning" : "error", message);
    },
    metrics: {
      gradient: (outcome) => metrics.add("gradients", 1, { outcome }),
      wire: (direction, kind, bytes) => metrics.add("wireBytes", bytes, { direction, kind }),
      lease: (outcome) => metrics.add("leases", 1, { outcome }),
      workerRefused: (reason) => metrics.add("refusedWorkers", 1, { reason }),
      workers: (counts) => {
        for (const [state, count] of Object.entries(counts)) metrics.set("workers", count, { state });
      },
      quarantined: () => metrics.add("quarantines"),
      workerTime: (worker, seconds) => metrics.set("workerStepSeconds", seconds, { worker }),
      workerGone: (worker) => {
        metrics.remove("workerStepSeconds", { worker });
        metrics.remove("workerSamples", { worker });
      },
      reconnected: () => metrics.add("reconnects"),
    },
  });
  const probes = await serveProbes({
    host: options.metricsHost,
    port: options.metricsPort,
    registry: metrics.registry,
    ready: () => (control.connected && bulk.connected ? undefined : "not connected to NATS"),
  });
  log("info", `Coordinator ready; metrics at ${probes.url}/metrics`);
  const ticker = setInterval(() => events.workers(coordinator.table()), 500);

  try {
    await coordinator.start();
    events.phase("waiting", `for ${first.cluster.min_workers} worker(s)`);
    await waitForWorkers(coordinator, first, signal);
    const outcomes: { config: Config; outcome: RunOutcome }[] = [];
    for (const config of options.configs) {
      if (signal.aborted) break;
      const outcome = await oneRun({
        options,
        config,
        coordinator,
        dataset,
        events,
        metrics,
        epoch,
        home,
        signal,
        clock,
        broadcast,
      });
      outcomes.push({ config, outcome });
      events.finished(outcome.interrupted);
      if (outcome.interrupted) break;
    }
    const measured = outcomes.filter(({ outcome }) => !outcome.interrupted);
    const models = await settleResults(
      measured.map(({ config, outcome }) => ({
        result: outcome.result,
        directory: directoryOf(options, home, config),
      })),
    );
    const interrupted = signal.aborted || outcomes.length < options.configs.length;
    const document: ResultsDocument = {
      title: options.title,
      directory: options.out,
      models,
      weights_sha256: Object.fromEntries(
        outcomes.map(({ outcome }) => [outcome.result.name, outcome.weightsSha256]),
      ),
      seconds: (performance.now() - began) / 1000,
      interrupted,
      report: null,
    };
    if (!interrupted) {
      // Of all runs, not of the last one.
      events.beginRun("", "");
      events.phase("reporting", "tables, plots, report.html");
      document.report = await reportRun(options.out, options);
    }
    document.seconds = (performance.now() - began) / 1000;
    await home.writeJson("results.json", document);
    return document;
  } catch (error) {
    events.failed(error);
    throw error;
  } finally {
    clearInterval(ticker);
    if (options.dismissWorkers) coordinator.dismiss("the work is done");
    await Promise.all([control.flush(), bulk.flush()]);
    await delay(FAREWELL_MS);
    coordinator.stop();
    await Promise.all([control.close(), bulk.close(), probes.close()]);
    logger.flush();
  }

  function broadcast(frame: Uint8Array): void {
    bulk.publish(subjects.parameters(0), frame);
    metrics.add("wireBytes", frame.byteLength, { direction: "out", kind: "parameters" });
  }
}

async function waitForWorkers(coordinator: Coordinator, config: Config, signal: AbortSignal): Promise<void> {
  const { min_workers: wanted, wait_for_workers_ms: patience } = config.cluster;
  const patient = AbortSignal.any([signal, AbortSignal.timeout(patience)]);
  await coordinator.waitForWorkers(wanted, patient);
  if (coordinator.workerCount < wanted && !signal.aborted) {
    throw new ClusterError(
      "dependency",
      `Waited ${patience / 1000} s for ${wanted} worker(s); ${coordinator.workerCount} joined`,
      { hint: "look at the workers' logs, or lower cluster.min_workers" },
    );
  }
}

interface OneRun {
  options: CoordinatorOptions;
  config: Config;
  coordinator: Coordinator;
  dataset: PartitionedDataset;
  events: EventPublisher;
  metrics: Metrics;
  epoch: number;
  home: RunDirectory;
  signal: AbortSignal;
  clock: () => number;
  broadcast: RunContext["broadcast"];
}

async function oneRun(parts: OneRun): Promise<RunOutcome> {
  const { options, config, coordinator, dataset, events, metrics, epoch, home, signal, clock, broadcast } =
    parts;
  const run = resolveRun(config);
  const plan = stepPlan(config, run, dataset.dataset.train.labels.length);
  const directory = directoryOf(options, home, config);
  await directory.create();
  await directory.writeJson("env.json", environment(coordinator));
  const runId = runIdOf(options.out, run.name);
  const labels = { run: run.name };
  events.beginRun(runId, run.name);

  const observer: RunObserver = {
    phase: (name, detail) => events.phase(name, detail),
    committed: (step, total) => {
      const done = step.step + 1;
      const accuracy = step.hits / step.samples;
      events.trained(done, total, stepsPerEpoch(plan), step.loss, accuracy, step.samples);
      metrics.add("steps", 1, labels);
      metrics.add("samples", step.samples, labels);
      metrics.set("parameterVersion", done, labels);
      metrics.set("runProgress", done / total, labels);
      metrics.set("loss", step.loss, labels);
      metrics.set("learningRate", step.learningRate, labels);
      metrics.observe("barrierSeconds", step.barrierMs / 1000);
      metrics.observe("stepSeconds", step.seconds);
      for (const block of step.blocks) {
        metrics.add("workerSamples", (step.samples * block.count) / plan.slots, { worker: block.worker });
      }
    },
    evaluating: (done, total, detail) => {
      events.evaluated(done, total, detail);
      metrics.set("evaluationTasks", done, { ...labels, state: "done" });
      metrics.set("evaluationTasks", total - done, { ...labels, state: "open" });
    },
    accuracy: (value) => {
      metrics.set("accuracy", value, labels);
      events.note("info", `${run.name}: clean accuracy ${(100 * value).toFixed(2)} %`);
    },
    checkpoint: (outcome, seconds) => {
      metrics.add("checkpoints", 1, { outcome });
      metrics.observe("checkpointSeconds", seconds);
      if (outcome === "written") metrics.set("checkpointTime", Date.now() / 1000);
    },
    note: (level, message) => events.note(level, message),
  };
  const outcome = await conductRun({
    coordinator,
    dataset,
    directory,
    runId,
    config,
    epoch,
    signal,
    clock,
    broadcast,
    observer,
    evaluateOnly: options.evaluateOnly,
  });
  // Once more: workers may have joined on the way.
  await directory.writeJson("env.json", environment(coordinator));
  return outcome;
}

function directoryOf(options: CoordinatorOptions, home: RunDirectory, config: Config): RunDirectory {
  return options.configs.length === 1
    ? home
    : new RunDirectory(join(options.out, config.name ?? config.model));
}

/** The same for every process that works on this folder; letters, digits and dashes. */
function runIdOf(out: string, name: string): string {
  return `${basename(out)
    .toLowerCase()
    .replace(/[^a-z0-9-]/g, "-")}-${name}`;
}

function environment(coordinator: Coordinator): Record<string, string> {
  const [core] = cpus();
  const engines = new Set(coordinator.table().map((row) => row.engine ?? ""));
  return {
    saf: VERSION,
    node: process.version,
    engine: [...engines].join(", "),
    workers: String(coordinator.workerCount),
    system: `${platform()} ${release()}`,
    processor: `${cpus().length} x ${core?.model ?? "unknown"}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
  };
}
