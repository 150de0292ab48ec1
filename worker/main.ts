/** Wiring of a worker process. */
import { ENGINE_NAMES, type EngineName } from "../shared/engine.js";
import { ClusterError } from "../shared/errors.js";
import { countedBus } from "../shared/counted-bus.js";
import { busCounts, watchPending } from "../shared/io/bus-metrics.js";
import { type HttpOptions, serveProbes } from "../shared/io/http-server.js";
import { createLogger, logTo } from "../shared/io/logger.js";
import { Metrics } from "../shared/io/metrics-registry.js";
import { type NatsAccess, checkNatsAccess, connectNats } from "../shared/io/nats-bus.js";
import { startTracing } from "../shared/io/otlp-tracing.js";
import { sharedMemoryBus } from "../shared/io/shared-memory-bus.js";
import { isToken, subjectsOf } from "../shared/subjects.js";
import { VERSION } from "../shared/version.js";
import { startEngineThread } from "./engine-port.js";
import { Worker } from "./worker.js";

export interface WorkerOptions {
  id: string;
  nats: NatsAccess;
  pool: string;
  /** Folder of shared memory for bulk bytes, when coordinator and worker run on one machine. */
  sharedMemory?: string | undefined;
  engine: EngineName;
  cacheDirectory: string;
  http: HttpOptions;
  logLevel?: string | undefined;
  logFile?: string | undefined;
}

/** The event loop may not stand still for this long: heartbeats would be missed. */
const CONNECT_TIMEOUT_MS = 60_000;

/** Serves until `signal` aborts or the pool sends it away. Throws ClusterError. */
export async function runWorker(options: WorkerOptions, signal: AbortSignal): Promise<void> {
  if (!isToken(options.id)) {
    throw new ClusterError("usage", `Worker id "${options.id}" must be 1 to 32 of a-z, 0-9 and -`);
  }
  checkNatsAccess(options.nats, options.id);
  const logger = createLogger("worker", { level: options.logLevel, file: options.logFile }).child({
    worker: options.id,
  });
  const log = logTo(logger);
  const metrics = new Metrics("worker", VERSION);
  const engine = await startEngineThread(options.engine);
  metrics.set("engineInfo", 1, { backend: engine.info.name, version: engine.info.version });

  const connect = (purpose: string) =>
    connectNats({
      ...options.nats,
      identity: options.id,
      purpose,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      onPermissionError: (message) => {
        log("error", `NATS refused: ${message}`);
        metrics.add("natsRefusals");
      },
      onWarning: (message) => log("warn", message),
    });
  const [controlNats, bulkNats] = await Promise.all([connect("control"), connect("bulk")]);
  const sharedBulk =
    options.sharedMemory === undefined
      ? bulkNats
      : sharedMemoryBus(bulkNats, { directory: options.sharedMemory, identity: options.id });
  const tracing = await startTracing({ identity: options.id, role: "worker", env: process.env, log });
  const counts = busCounts(metrics);
  const [control, bulk] = [countedBus(controlNats, counts), countedBus(sharedBulk, counts)];
  watchPending(metrics, [controlNats, bulkNats]);
  const probes = await serveProbes({
    ...options.http,
    metrics: (accept) => metrics.exposition(accept),
    ready: () => (control.connected && bulk.connected ? undefined : "not connected to NATS"),
  });
  log("info", `Engine ${engine.info.version} on ${engine.info.device}; metrics at ${probes.url}/metrics`);

  try {
    await new Worker(options.id, {
      control,
      bulk,
      engine,
      subjects: subjectsOf(options.pool),
      cacheDirectory: options.cacheDirectory,
      clock: () => performance.timeOrigin + performance.now(),
      rssBytes: () => process.memoryUsage.rss(),
      log,
      metricsUrl: probes.url,
      tracer: tracing.tracer,
      metrics: {
        phase: (phase, seconds) => metrics.observe("phaseSeconds", seconds, { phase }),
        tensors: (count, bytes) => {
          metrics.set("tensors", count);
          metrics.set("tensorBytes", bytes);
        },
        reconnected: () => metrics.add("reconnects"),
      },
    }).serve(signal);
  } finally {
    await control.flush();
    await Promise.all([control.close(), bulk.close(), probes.close(), engine.stop(), tracing.stop()]);
    logger.flush();
  }
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
