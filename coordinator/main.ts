/** Wiring of the coordinator process: one pool of workers, one or more runs on it, results and report. */
import { once } from "node:events";
import { cpus, platform, release, totalmem } from "node:os";
import { mkdir, rm } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import type { Bus } from "../shared/bus.js";
import type { PoolConfig } from "../shared/config/pool.js";
import type { Config } from "../shared/config/run.js";
import { ClusterError, exitCodeOf } from "../shared/errors.js";
import { countedBus } from "../shared/counted-bus.js";
import { busCounts, watchPending } from "../shared/io/bus-metrics.js";
import type { HttpOptions } from "../shared/io/http-server.js";
import { type HttpService, serveHttp } from "../shared/io/http-service.js";
import { type Log, createLogger, logTo } from "../shared/io/logger.js";
import { Metrics } from "../shared/io/metrics-registry.js";
import { type NatsAccess, checkNatsAccess, connectNats } from "../shared/io/nats-bus.js";
import { realClock } from "../shared/io/real-clock.js";
import { startTracing } from "../shared/io/otlp-tracing.js";
import { sharedMemoryBus } from "../shared/io/shared-memory-bus.js";
import type { ModelResult } from "../shared/results.js";
import { redactTexts } from "../shared/redact.js";
import { subjectsOf } from "../shared/subjects.js";
import { VERSION } from "../shared/version.js";
import type { RunOutcome } from "./runs/run.js";
import { type Ended, type RunFailure, conductRuns, telemetryOf } from "./runs/runs.js";
import { Coordinator } from "./coordinator.js";
import { EventPublisher } from "./telemetry/events.js";
import { storageError } from "../shared/io/atomic-file.js";
import { codeCommit } from "./io/code-commit.js";
import { DataShelf } from "./io/data-shelf.js";
import type { LivePage } from "./live/live-thread.js";
import { settleResults } from "./io/model-results.js";
import { RunDirectory } from "./io/run-directory.js";
import { ProgressLog } from "./telemetry/progress-log.js";
import { reportAside } from "./results/report/report-thread.js";
import { Telemetry } from "./telemetry/telemetry.js";
import type { LiveEvent } from "../shared/events.js";

export interface CoordinatorOptions {
  nats: NatsAccess;
  /** Names the pool: a token of every subject. */
  poolName: string;
  pool: PoolConfig;
  /** Folder of shared memory for bulk bytes, when all processes run on one machine. */
  sharedMemory?: string | undefined;
  /** One run each, begun in this order. */
  configs: readonly Config[];
  /** Runs that are conducted at the same time; the next one begins when one ends. */
  sideBySide: number;
  /** Where the runs live: one run uses the folder itself, several get a folder each inside. */
  out: string;
  title: string;
  /** The command that makes the same again; for the report. */
  command: string;
  http: HttpOptions;
  /** Measure the newest checkpoint as it is; train no further. */
  evaluateOnly: boolean;
  /** Tell the workers to stop when everything is done. */
  dismissWorkers: boolean;
  /** When everything is done, go on serving until the signal comes. */
  stay: boolean;
  logLevel?: string | undefined;
  logFile?: string | undefined;
  /** Give up when NATS cannot be reached for this long at the start. */
  connectTimeoutMs: number;
}

/** `results.json`, and what `--json` prints. */
export interface ResultsDocument {
  title: string;
  directory: string;
  models: ModelResult[];
  /** SHA-256 of each model's final weights. */
  weights_sha256: Record<string, string>;
  /** Runs that ended in an error, where others went on. */
  failed: Record<string, RunFailure>;
  seconds: number;
  interrupted: boolean;
  report: string | null;
}

const LIVE_THREAD = new URL("./live/live-thread.js", import.meta.url);
/** After these exit codes the same again would end the same: nobody starts us again, so the workers may go too. */
const FINAL_EXIT_CODES: readonly number[] = [2, 3, 4, 6, 7];
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
    // They are printed, and were typed by somebody.
    const { title, command } = options;
    return await serve({ ...options, ...redactTexts({ title, command }) }, home, signal);
  } catch (error) {
    const record = {
      message: error instanceof Error ? error.message : String(error),
      code: error instanceof ClusterError ? error.code : "unexpected",
      hint: error instanceof ClusterError ? (error.hint ?? null) : null,
      exit_code: exitCodeOf(error),
      stack: error instanceof Error ? (error.stack ?? null) : null,
      time: new Date().toISOString(),
    };
    await home.writeJson("error.json", redactTexts(record)).catch(() => undefined);
    throw error;
  }
}

async function serve(
  options: CoordinatorOptions,
  home: RunDirectory,
  signal: AbortSignal,
): Promise<ResultsDocument> {
  const [first] = options.configs;
  if (first === undefined) throw new ClusterError("usage", "A coordinator needs at least one run");
  checkNatsAccess(options.nats, "coordinator");
  const onStderr = options.logFile === "-";
  const logger = createLogger("coordinator", {
    level: options.logLevel,
    file: (onStderr ? undefined : options.logFile) ?? home.file("log.jsonl"),
    alsoStderr: onStderr,
  });
  const log = logTo(logger);
  const metrics = new Metrics("coordinator", VERSION);
  let unready: () => string | undefined = () => "not connected to NATS yet";
  const page: LivePage = {
    title: options.title,
    pool: options.poolName,
    version: VERSION,
    started: Date.now(),
  };
  const http = await serveHttp({
    script: LIVE_THREAD,
    http: options.http,
    page,
    metrics: (accept) => metrics.exposition(accept),
    ready: () => unready(),
    log,
  });
  try {
    return await lead({
      options,
      home,
      signal,
      first,
      log,
      metrics,
      http,
      whenReady: (reason) => (unready = reason),
    });
  } finally {
    await http.close();
    logger.flush();
  }
}

interface Edges {
  options: CoordinatorOptions;
  home: RunDirectory;
  signal: AbortSignal;
  first: Config;
  log: Log;
  metrics: Metrics;
  http: HttpService;
  /** From now on this says why the process is not ready, if it is not. */
  whenReady: (reason: () => string | undefined) => void;
}

async function lead(edges: Edges): Promise<ResultsDocument> {
  const { options, home, signal, first, log, metrics, http, whenReady } = edges;
  const { pool } = options;
  const began = performance.now();
  const subjects = subjectsOf(options.poolName);
  const tracing = await startTracing({ identity: "coordinator", role: "coordinator", env: process.env, log });
  const commit = await codeCommit();
  const shelf = new DataShelf(options.configs.map(({ data }) => data));
  const opened: Bus[] = [];
  const connect = async (purpose: string): Promise<Bus> => {
    const bus = await connectNats({
      ...options.nats,
      identity: "coordinator",
      purpose,
      connectTimeoutMs: options.connectTimeoutMs,
      signal,
      onWaiting: (reason) => log("warn", reason),
      onPermissionError: (message) => {
        log("error", `NATS refused: ${message}`);
        metrics.add("natsRefusals");
      },
      onWarning: (message) => log("warn", message),
    });
    opened.push(bus);
    return bus;
  };
  const begin = async (): Promise<[Bus, Bus]> => {
    // One run cannot begin without its images; of several, one may fail while the others go on.
    if (options.configs.length === 1) await shelf.dataset(first.data);
    return Promise.all([connect("control"), connect("bulk")]);
  };
  const [controlNats, bulkNats] = await begin().catch(async (error: unknown) => {
    // What is open would keep the process from ending.
    await Promise.all(opened.map((bus) => bus.close()));
    throw error;
  });
  const sharedBulk =
    options.sharedMemory === undefined
      ? bulkNats
      : sharedMemoryBus(bulkNats, { directory: options.sharedMemory, identity: "coordinator" });
  const counts = busCounts(metrics);
  const [control, bulk] = [countedBus(controlNats, counts), countedBus(sharedBulk, counts)];
  watchPending(metrics, [controlNats, bulkNats]);
  const clock = realClock.now;
  const progress = new ProgressLog(log, clock);
  const events = new EventPublisher(control, subjects, clock, (event: LiveEvent) => {
    http.tell(event);
    progress.take(event);
  });
  const telemetry = new Telemetry({ metrics, clock, log });
  const term = Date.now();
  const coordinator = new Coordinator({
    control,
    bulk,
    subjects,
    clock: realClock,
    term,
    heartbeatMs: pool.heartbeat_ms,
    quarantine: { after: pool.quarantine_after, firstMs: pool.quarantine_ms },
    dataRange: (request) => shelf.range(request),
    log: (level, message, fields) => {
      log(level, message, fields);
      if (level === "warn" || level === "error") events.note(level === "warn" ? "warning" : "error", message);
    },
    metrics: telemetry.pool,
  });
  telemetry.watchPool(() => coordinator.members());
  whenReady(() => (control.connected && bulk.connected ? undefined : "not connected to NATS"));
  log("info", `Coordinator ready; live page at ${http.url}/; metrics at ${http.url}/metrics`);
  const ticker = setInterval(() => events.workers(coordinator.table()), 500);

  let isFinal = false;
  try {
    await coordinator.start();
    events.serving(`${http.url}/`);
    events.phase("waiting", `for ${pool.min_workers} worker(s)`);
    for (const config of options.configs) telemetryOf({ options, telemetry }, config);
    await waitForWorkers(coordinator, pool, signal);
    const ended = await conductRuns({
      options,
      coordinator,
      shelf,
      events,
      telemetry,
      tracer: tracing.tracer,
      term,
      signal,
      clock,
      broadcast,
      mapped: bulk.mapped,
      report: ({ path }, name) =>
        reportAside(path, { title: `${options.title}: ${name}`, command: options.command }),
      environment: () => environment(coordinator, commit),
    });
    const document = await documentOf(options, ended, signal.aborted);
    if (!document.interrupted && document.models.length > 0) {
      events.phase("reporting", "tables, plots, report.html");
      document.report = await reportAside(options.out, { title: options.title, command: options.command });
      events.finished("report written");
    }
    document.seconds = (performance.now() - began) / 1000;
    await home.writeJson("results.json", document);
    isFinal = !document.interrupted;
    if (options.stay && !signal.aborted) {
      if (options.dismissWorkers) coordinator.dismiss("the work is done");
      log("info", "Everything is done; serving until a signal comes");
      await once(signal, "abort");
    }
    return document;
  } catch (error) {
    isFinal = FINAL_EXIT_CODES.includes(exitCodeOf(error));
    events.failed(error);
    throw error;
  } finally {
    clearInterval(ticker);
    // Whoever takes up an interrupted run needs them.
    if (options.dismissWorkers && isFinal) coordinator.dismiss("the work is done");
    await Promise.all([control.flush(), bulk.flush()]);
    await delay(FAREWELL_MS);
    coordinator.stop();
    await Promise.all([control.close(), bulk.close(), tracing.stop()]);
  }

  function broadcast(shard: number, frame: Uint8Array): void {
    bulk.publish(subjects.parameters(shard), frame);
  }
}

async function waitForWorkers(
  coordinator: Coordinator,
  { min_workers: wanted, wait_for_workers_ms: patience }: PoolConfig,
  signal: AbortSignal,
): Promise<void> {
  const patient = AbortSignal.any([signal, AbortSignal.timeout(patience)]);
  await coordinator.waitForWorkers(wanted, patient);
  if (coordinator.workerCount < wanted && !signal.aborted) {
    throw new ClusterError(
      "dependency",
      `Waited ${patience / 1000} s for ${wanted} worker(s); ${coordinator.workerCount} joined`,
      { hint: "look at the workers' logs, or lower pool.min_workers" },
    );
  }
}

async function documentOf(
  options: CoordinatorOptions,
  ended: readonly Ended[],
  isStopped: boolean,
): Promise<ResultsDocument> {
  const measured = ended.flatMap((run) =>
    "outcome" in run && !run.outcome.interrupted
      ? [{ dataset: run.dataset, result: run.outcome.result, directory: run.directory }]
      : [],
  );
  const outcomes = ended.flatMap((run): RunOutcome[] => ("outcome" in run ? [run.outcome] : []));
  return {
    title: options.title,
    directory: options.out,
    models: await settleResults(measured),
    weights_sha256: Object.fromEntries(
      outcomes.map(({ result, weightsSha256 }) => [result.name, weightsSha256]),
    ),
    failed: Object.fromEntries(ended.flatMap((run) => ("failure" in run ? [[run.name, run.failure]] : []))),
    seconds: 0,
    interrupted: isStopped || outcomes.some(({ interrupted }) => interrupted),
    report: null,
  };
}

function environment(coordinator: Coordinator, commit: string | null): Record<string, string> {
  const [core] = cpus();
  const engines = new Set(coordinator.table().map((row) => row.engine ?? ""));
  return {
    saf: VERSION,
    ...(commit === null ? {} : { commit }),
    node: process.version,
    engine: [...engines].join(", "),
    workers: String(coordinator.workerCount),
    system: `${platform()} ${release()}`,
    processor: `${cpus().length} x ${core?.model ?? "unknown"}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
  };
}
