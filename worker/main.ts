/** Wiring of a worker process. */
import { pause } from "../shared/clock.js";
import { ENGINE_NAMES, type EngineName } from "../shared/engine.js";
import { ClusterError } from "../shared/errors.js";
import { countedBus } from "../shared/counted-bus.js";
import { busCounts, watchPending } from "../shared/io/bus-metrics.js";
import type { HttpOptions } from "../shared/io/http-server.js";
import { serveHttp } from "../shared/io/http-service.js";
import { createLogger, logTo } from "../shared/io/logger.js";
import { Metrics } from "../shared/io/metrics-registry.js";
import { failedMessages, refusedMessages } from "../shared/io/failed-messages.js";
import { type NatsAccess, checkNatsAccess, connectNats } from "../shared/io/nats-bus.js";
import { startTracing } from "../shared/io/otlp-tracing.js";
import { removeFilesOf, sharedMemoryBus } from "../shared/io/shared-memory-bus.js";
import { realClock } from "../shared/io/real-clock.js";
import { type Subjects, isToken, subjectsOf } from "../shared/subjects.js";
import { tracedBus } from "../shared/traced-bus.js";
import type { TakePart } from "../shared/tracing.js";
import { VERSION } from "../shared/version.js";
import type { Bus } from "../shared/bus.js";
import type { Host, Log, WorkerMetrics } from "./edges.js";
import type { EngineTrouble } from "./engine-watch.js";
import { startEngineThread } from "./engine/port.js";
import { hostIdIn } from "./io/host-id.js";
import { partFiles } from "./io/part-files.js";
import { Worker } from "./worker.js";

export interface WorkerOptions {
  id: string;
  nats: NatsAccess;
  pool: string;
  /** Folder of shared memory for bulk bytes, when coordinator and worker run on one machine. */
  sharedMemory?: string | undefined;
  /** The same of the workers of this machine alone, when the coordinator runs on another one. */
  hostMemory?: string | undefined;
  engine: EngineName;
  /** Who chose it, in words; for the log. */
  engineWhy?: string | undefined;
  /** Of the emulated engine: time for a slot. */
  computeMs: number;
  cacheDirectory: string;
  http: HttpOptions;
  logLevel?: string | undefined;
  logFile?: string | undefined;
  /** Give up when NATS cannot be reached for this long at the start. */
  connectTimeoutMs: number;
  /** End when no coordinator is heard of for this long; 0: never. */
  coordinatorTimeoutMs: number;
  /** Wait for the next run when one is over. */
  stay?: boolean;
}

const PROBE_THREAD = new URL("../shared/io/probe-thread.js", import.meta.url);

/** What the parts of a worker process are started with. */
interface Startup {
  options: WorkerOptions;
  signal: AbortSignal;
  log: Log;
  metrics: Metrics;
  /** Why the process is not ready yet, for the probes. */
  unready: { reason: () => string | undefined };
  /** Why it will never be ready again, however the heart beats. */
  engine: { hangs: () => string | undefined; stop: () => Promise<void> };
  /** Closes what was opened; all of it in the end. */
  closing: (() => Promise<void>)[];
}

/** A hung engine gets this long to end when it is told to. */
const HUNG_ENGINE_MS = 2000;
/** Then the process says why it ends, and is killed. */
const LAST_WORDS_MS = 500;

/**
 * Serves until `signal` aborts or the pool sends it away. Throws ClusterError. HTTP comes first, so that the probes can
 * say what a worker that does not become ready is waiting for.
 */
export async function runWorker(options: WorkerOptions, signal: AbortSignal): Promise<void> {
  if (!isToken(options.id)) {
    throw new ClusterError("usage", `Worker id "${options.id}" must be 1 to 32 of a-z, 0-9 and -`);
  }
  const subjects = subjectsOf(options.pool);
  checkNatsAccess(options.nats, options.id);
  const logger = createLogger("worker", { level: options.logLevel, file: options.logFile }).child({
    worker: options.id,
  });
  const log = logTo(logger);
  const metrics = new Metrics("worker", VERSION);
  const unready: Startup["unready"] = { reason: () => "the engine is starting" };
  const engine: Startup["engine"] = { hangs: () => undefined, stop: () => Promise.resolve() };
  const http = await serveHttp({
    script: PROBE_THREAD,
    http: options.http,
    metrics: (accept) => metrics.exposition(accept),
    ready: () => unready.reason(),
    hangs: () => engine.hangs(),
    log,
  });
  log("info", `Worker ${options.id} starts; metrics at ${http.url}/metrics`);

  const closing = [() => http.close()];
  try {
    await serve({ options, signal, log, metrics, unready, engine, closing }, subjects, http.url);
  } catch (error) {
    // Told to end while it was still starting.
    if (!signal.aborted) throw error;
  } finally {
    await Promise.all([endEngine(engine), ...closing.map((close) => close())]);
  }
}

/**
 * A thread in a native call cannot be ended, and process.exit would wait for it. The process must end all the same, or
 * nobody starts it again: it says why first, and then kills itself.
 */
async function endEngine({ hangs, stop }: Startup["engine"]): Promise<void> {
  if (hangs() === undefined) return stop();
  const late = new AbortController();
  const ended = stop().then(() => late.abort());
  await Promise.race([ended, pause(realClock, HUNG_ENGINE_MS, late.signal)]);
  if (!late.signal.aborted) setTimeout(() => process.kill(process.pid, "SIGKILL"), LAST_WORDS_MS);
}

async function serve(startup: Startup, subjects: Subjects, metricsUrl: string): Promise<void> {
  const { options, signal, log, metrics, unready, closing } = startup;
  const engine = await startEngineThread(options, signal);
  startup.engine.stop = () => engine.stop();
  metrics.set("engineInfo", 1, { backend: engine.info.name, version: engine.info.version });
  const { flags, cpu, sample } = engine.fingerprint;
  const why = options.engineWhy === undefined ? "" : `, ${options.engineWhy}`;
  log("info", `Engine ${engine.info.version} on ${engine.info.device}${why}`, { flags, cpu, sample });

  unready.reason = () => "not connected to NATS yet";
  const tracing = await startTracing({ identity: options.id, role: "worker", env: process.env, log });
  closing.push(() => tracing.stop());
  const { control, bulk, host } = await connectBuses(startup, tracing.tracer.part);
  const worker = new Worker(options.id, {
    control,
    bulk,
    engine,
    subjects,
    parts: partFiles(options.cacheDirectory),
    clock: realClock,
    process: {
      pid: process.pid,
      incarnation: Math.floor(performance.timeOrigin + performance.now()),
      rssBytes: () => process.memoryUsage.rss(),
      metricsUrl,
    },
    coordinatorTimeoutMs: options.coordinatorTimeoutMs,
    outlivesRuns: options.stay === true,
    isFar: options.sharedMemory === undefined,
    host,
    log,
    tracer: tracing.tracer,
    metrics: countedIn(metrics),
  });
  startup.engine.hangs = () => hangOf(worker.engineTrouble);
  unready.reason = () =>
    control.connected && bulk.connected ? worker.engineTrouble?.words : "not connected to NATS";
  try {
    await worker.serve(signal);
  } finally {
    await control.flush();
  }
}

function hangOf(trouble: EngineTrouble | undefined): string | undefined {
  return trouble?.state === "hangs" ? trouble.words : undefined;
}

async function connectBuses(
  { options, signal, log, metrics, closing }: Startup,
  part: TakePart | undefined,
): Promise<{ control: Bus; bulk: Bus; host: Host | undefined }> {
  const onFailedMessage = failedMessages(log, metrics, realClock.now);
  const onPermissionError = refusedMessages(log, metrics, realClock.now);
  const connect = async (purpose: string): Promise<Bus> => {
    const bus = await connectNats({
      ...options.nats,
      identity: options.id,
      purpose,
      connectTimeoutMs: options.connectTimeoutMs,
      signal,
      onWaiting: (reason) => log("warn", reason),
      onPermissionError,
      onWarning: (message) => log("warn", message),
      onFailedMessage,
    });
    closing.push(() => bus.close());
    return bus;
  };
  const [controlNats, bulkNats] = await Promise.all([connect("control"), connect("bulk")]);
  const { sharedMemory: directory, id: identity } = options;
  const sharedBulk = directory === undefined ? bulkNats : sharedMemoryBus(bulkNats, { directory, identity });
  if (sharedBulk !== bulkNats) closing.push(() => sharedBulk.close());
  watchPending(metrics, [controlNats, bulkNats]);
  const counts = busCounts(metrics);
  const watched = (bus: Bus): Bus => tracedBus(countedBus(bus, counts), part, realClock.now);
  // What lies in memory is not counted: what travels to the mates is the references.
  const host = hostOf(options, countedBus(bulkNats, counts), log);
  if (host !== undefined) closing.push(() => host.bus.close());
  return { control: watched(controlNats), bulk: watched(sharedBulk), host };
}

function hostOf(
  { sharedMemory, hostMemory, id: identity }: WorkerOptions,
  bulk: Bus,
  log: Log,
): Host | undefined {
  if (sharedMemory !== undefined || hostMemory === undefined) return undefined;
  removeFilesOf(hostMemory, identity);
  const id = hostIdIn(hostMemory);
  if (id !== undefined) return { id, bus: sharedMemoryBus(bulk, { directory: hostMemory, identity }) };
  log("warn", `The folder ${hostMemory} of host memory cannot be used: this worker shares none with others`);
  return undefined;
}

function countedIn(metrics: Metrics): WorkerMetrics {
  return {
    phase: (phase, seconds) => metrics.observe("phaseSeconds", seconds, { phase }),
    tensors: (count, bytes) => {
      metrics.set("tensors", count);
      metrics.set("tensorBytes", bytes);
    },
    reconnected: () => metrics.add("reconnects"),
  };
}

export function engineNamed(name: string): EngineName {
  const found = ENGINE_NAMES.find((candidate) => candidate === name);
  if (found === undefined) {
    throw new ClusterError("usage", `Unknown engine "${name}"`, {
      hint: `engines: ${ENGINE_NAMES.join(", ")}`,
    });
  }
  return found;
}
