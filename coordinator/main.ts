/** Wiring of the coordinator process: one pool of workers, one or more runs on it, results and report. */
import { once } from "node:events";
import { join } from "node:path";
import type { PoolConfig } from "../shared/config/pool.js";
import type { Config } from "../shared/config/run.js";
import { pause } from "../shared/clock.js";
import { EMULATED, type EngineName, enginesFor } from "../shared/engine.js";
import { ClusterError, exitCodeOf } from "../shared/errors.js";
import type { EngineFingerprint } from "../shared/fingerprint.js";
import type { HttpOptions } from "../shared/io/http-server.js";
import { type HttpService, serveHttp } from "../shared/io/http-service.js";
import { type Log, createLogger, logTo } from "../shared/io/logger.js";
import { Metrics } from "../shared/io/metrics-registry.js";
import { checkNatsAccess } from "../shared/io/nats-bus.js";
import { startTracing } from "../shared/io/otlp-tracing.js";
import { realClock } from "../shared/io/real-clock.js";
import { redactTexts } from "../shared/redact.js";
import { subjectsOf } from "../shared/subjects.js";
import type { Tracer } from "../shared/tracing.js";
import { VERSION } from "../shared/version.js";
import { Coordinator } from "./coordinator.js";
import { storageError } from "../shared/io/atomic-file.js";
import { type BusOptions, type Buses, connectBuses } from "./io/buses.js";
import { codeCommit } from "./io/code-commit.js";
import { DirectoryLocks } from "./io/directory-locks.js";
import { whenThereIsRoom } from "./io/room.js";
import { DataShelf } from "./io/data-shelf.js";
import { environment } from "./io/environment.js";
import { foreignImages } from "./io/foreign-images.js";
import { FarWorkers } from "./pool/far-workers.js";
import { LIVE_FILE, type LiveFile } from "./io/live-file.js";
import { realProcesses } from "./io/process-mark.js";
import { RunDirectory, realDirectory } from "./io/run-directory.js";
import { type PlaceKind, checkRunDirectory } from "./io/run-place.js";
import { DiskStorage } from "./io/run-storage.js";
import { nextTermIn } from "./io/term.js";
import { findSource, readSource } from "./io/transfer-sources.js";
import type { LiveEvent } from "../shared/events.js";
import type { LivePage } from "./live/live-thread.js";
import { reportAside } from "./results/report/report-thread.js";
import { recordedEngines } from "./runs/engines.js";
import { attemptIn } from "./runs/failure.js";
import { ListSource } from "./runs/list-source.js";
import { type ListContext, conductList } from "./runs/conduct-list.js";
import { type QueueSetting, leadQueue } from "./lead-queue.js";
import { type SweepSetting, leadSweep } from "./lead-sweep.js";
import { type QueueDisk, openQueueDisk } from "./io/queue-disk.js";
import { SubmissionEvents } from "./queue/submission-events.js";
import { withEngines } from "./pool/engines.js";
import type { ResultsDocument } from "./runs/results-document.js";
import { EventPublisher } from "./telemetry/events.js";
import { ProgressLog } from "./telemetry/progress-log.js";
import { Telemetry } from "./telemetry/telemetry.js";
import { makeFolder } from "../shared/io/folders.js";

export interface CoordinatorOptions extends BusOptions {
  /** Names the pool: a token of every subject. */
  poolName: string;
  pool: PoolConfig;
  /** One run each, begun in this order. */
  configs: readonly Config[];
  /** Searches, beside the runs. */
  sweeps: readonly SweepSetting[];
  /** Takes work in until a signal comes: with it there are no other runs or sweeps, and `out` is the queue's folder. */
  queue?: QueueSetting | undefined;
  /** Runs that are conducted at the same time; the next one begins when one ends. */
  sideBySide: number;
  /** Where the runs live: one run uses the folder itself, several get a folder each inside. */
  out: string;
  /** `latest`, beside `out`, is to lead to it: whoever keeps runs in one folder says so. */
  isLatest?: boolean;
  title: string;
  /** The command that makes the same again; for the report. */
  command: string;
  http: HttpOptions;
  /** Each run begins with the weights that the one before it ended with. */
  lineage?: boolean;
  /** Measure the newest checkpoint as it is; train no further. */
  evaluateOnly: boolean;
  /** Tell the workers to stop when everything is done. */
  dismissWorkers: boolean;
  /** When everything is done, go on serving until the signal comes. */
  stay: boolean;
  /** Where a pool that outlives runs keeps the last term. */
  termFolder?: string | undefined;
  /** Whoever starts the workers tells of those that end: takes the one that is to hear of it. */
  onWorkerDeath?: (tell: (worker: string, pid: number) => void) => void;
  logLevel?: string | undefined;
  logFile?: string | undefined;
}

const LIVE_THREAD = new URL("./live/live-thread.js", import.meta.url);
/** After these exit codes the same again would end the same: nobody starts us again, so the workers may go too. */
const FINAL_EXIT_CODES: readonly number[] = [2, 3, 4, 6, 7];
/** The last messages to workers and watchers get this long to leave. */
const FAREWELL_MS = 150;
const WORKERS_TOLD_EVERY_MS = 500;

/** How all of it ended: what failed while the rest went on, by the name of the run or the trial. */
export type Ended = Pick<ResultsDocument, "failed" | "interrupted">;

/** Conducts runs and sweeps until they are over; what they found is in their directories. Throws ClusterError; `error.json` then says why. */
export async function runCoordinator(given: CoordinatorOptions, signal: AbortSignal): Promise<Ended> {
  await makeFolder(given.out).catch((cause: unknown) => {
    throw storageError(`create the run directory ${given.out}`, cause);
  });
  const options = { ...given, out: await realDirectory(given.out) };
  checkRunDirectory(options.out, placeKindOf(options));
  const locks = new DirectoryLocks({
    clock: realClock,
    wallClock: () => Date.now(),
    processes: realProcesses,
    onLost: endWithoutLock,
  });
  const home = new DiskStorage(options.out, realClock);
  // Before anything is written, and until nothing is any more.
  await whenThereIsRoom(() => locks.take(home.path), {
    clock: realClock,
    signal,
    onWaiting: (message) => process.stderr.write(`saf: ${message}\n`),
  });
  try {
    return await attemptIn(home, Date.now, async () => {
      if (options.isLatest === true) await home.linkLatest();
      // They are printed, and were typed by somebody.
      const { title, command } = options;
      return serve({ ...options, ...redactTexts({ title, command }) }, home, locks, signal);
    });
  } finally {
    await home.remove(LIVE_FILE).catch(() => undefined);
    await locks.release(home.path);
  }
}

/** At once: whatever this process still wrote would come between another one's lines. */
function endWithoutLock(error: ClusterError): never {
  process.stderr.write(`saf: ${error.message}\n`);
  process.exit(error.exitCode);
}

/** Log, metrics and the live page: what is there before NATS is, and until the end. */
async function serve(
  options: CoordinatorOptions,
  home: DiskStorage,
  locks: DirectoryLocks,
  signal: AbortSignal,
): Promise<Ended> {
  if (options.configs.length + options.sweeps.length === 0 && options.queue === undefined)
    throw new ClusterError("usage", "A coordinator needs at least one run, or a sweep");
  enginesOf(options);
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
    const whenReady: Edges["whenReady"] = (reason) => (unready = reason);
    const live: LiveFile = { url: `${http.url}/`, started: page.started };
    // Who looks for it without it must be told the address.
    await home.writeJson(LIVE_FILE, live).catch((error: Error) => log("warn", error.message));
    const note = (message: string): void => log("warn", message);
    const queue =
      options.queue === undefined
        ? undefined
        : await openQueueDisk(home.path, { clock: realClock, wallMs: Date.now(), note });
    const committedEngines = await enginesBefore(options, queue, log);
    return await connectAndLead({
      ...{ options, signal, log, metrics, http, whenReady, home, locks, committedEngines, queue },
    });
  } finally {
    await http.close();
  }
}

/** A measurement is nobody's weights: any engine may make one. */
async function enginesBefore(
  options: CoordinatorOptions,
  queue: QueueDisk | undefined,
  log: Log,
): Promise<readonly EngineFingerprint[]> {
  if (options.evaluateOnly) return [];
  const orders = new ListSource(options.configs, options).soon(Infinity);
  const unfinished = queue?.book.submissions.filter(({ end }) => end === undefined) ?? [];
  const directories = [
    ...orders.map(({ directory }) => directory),
    ...options.sweeps.map(({ space }) => sweepFolder(options, space.spec.name)),
    ...unfinished.map(({ line }) => join(options.out, line.id)),
  ];
  const records = await Promise.all(
    directories.map((directory) => recordedEngines(new DiskStorage(directory, realClock))),
  );
  const engines = withEngines([], records.flat());
  for (const { version, device, sample } of engines)
    log("info", `What is here was computed by ${version} on ${device}`, { sample });
  return engines;
}

interface Edges {
  options: CoordinatorOptions;
  signal: AbortSignal;
  log: Log;
  metrics: Metrics;
  http: HttpService;
  home: DiskStorage;
  locks: DirectoryLocks;
  /** Whose bits the runs have, as they were left. */
  committedEngines: readonly EngineFingerprint[];
  /** What the coordinator was given to do before, where it takes work in. */
  queue: QueueDisk | undefined;
  /** From now on this says why the process is not ready, if it is not. */
  whenReady: (reason: () => string | undefined) => void;
}

/** Settings of everything that is conducted; trials have those of their sweep's base, as far as the pool must know. */
function allSettings({ configs, sweeps }: Pick<CoordinatorOptions, "configs" | "sweeps">): Config[] {
  return [...configs, ...sweeps.map(({ space }) => space.base)];
}

function enginesOf(options: CoordinatorOptions): readonly EngineName[] {
  return options.queue?.isEmulated === true ? [EMULATED] : enginesFor(allSettings(options));
}

async function connectAndLead(edges: Edges): Promise<Ended> {
  const { options, log } = edges;
  const configs = allSettings(options);
  const beganMs = realClock.now();
  const tracing = await startTracing({ identity: "coordinator", role: "coordinator", env: process.env, log });
  const shelf = new DataShelf(configs.map(({ data }) => data));
  const [only] = configs;
  // One run cannot begin without its images; of several, one may fail while the others go on.
  if (only !== undefined && configs.length === 1) await shelf.dataset(only.data);
  const buses = await connectBuses(options, edges, tracing.tracer.part);
  const events = publisherOf(edges, buses);
  const term = await newTerm(edges, events).catch(async (error: unknown) => {
    await Promise.all([buses.control.close(), buses.bulk.close(), tracing.stop()]);
    throw error;
  });
  const parts = assemble(edges, buses, { shelf, events, term });
  let isFinal = false;
  try {
    const ended = await work(
      { ...edges, signal: AbortSignal.any([edges.signal, parts.rival]) },
      { ...parts, buses, shelf, tracer: tracing.tracer, beganMs },
    );
    parts.rival.throwIfAborted();
    isFinal = !ended.interrupted;
    if (options.stay && !edges.signal.aborted) {
      if (options.dismissWorkers) parts.coordinator.dismiss("the work is done");
      log("info", "Everything is done; serving until a signal comes");
      await once(edges.signal, "abort");
    }
    return ended;
  } catch (error) {
    isFinal = FINAL_EXIT_CODES.includes(exitCodeOf(error));
    parts.events.failed(error);
    throw error;
  } finally {
    parts.stopTelling();
    // Whoever takes up an interrupted run needs them.
    if (options.dismissWorkers && isFinal) parts.coordinator.dismiss("the work is done");
    await Promise.all([buses.control.flush(), buses.bulk.flush()]);
    await pause(realClock, FAREWELL_MS);
    parts.coordinator.stop();
    await Promise.all([buses.control.close(), buses.bulk.close(), tracing.stop()]);
  }
}

/** Whoever listens to what happens. */
function publisherOf(edges: Edges, buses: Buses): EventPublisher {
  return new EventPublisher(...publishing(edges, buses, () => undefined));
}

/** `hear`: somebody else who wants to know. */
function publishing(
  { options, log, http }: Edges,
  { control }: Buses,
  hear: (event: LiveEvent) => void,
): ConstructorParameters<typeof EventPublisher> {
  const progress = new ProgressLog(log, realClock.now);
  const tell = (event: LiveEvent): void => {
    http.tell(event);
    progress.take(event);
    hear(event);
  };
  return [control, subjectsOf(options.poolName), realClock.now, () => Date.now(), tell];
}

/** Safe on the disk before anybody hears of it: a term that was given once is never given again. */
function newTerm({ options, home, signal, log, whenReady }: Edges, events: EventPublisher): Promise<number> {
  const onWaiting = (message: string): void => {
    whenReady(() => message);
    log("warn", message);
    events.note("warning", message);
  };
  const { termFolder } = options;
  const pool = termFolder === undefined ? undefined : new RunDirectory(termFolder);
  return whenThereIsRoom(() => nextTermIn(home, pool, Date.now()), { clock: realClock, signal, onWaiting });
}

interface Parts {
  coordinator: Coordinator;
  farWorkers: FarWorkers;
  term: number;
  /** Aborts, with a ClusterError, when a newer coordinator leads the pool. */
  rival: AbortSignal;
  events: EventPublisher;
  telemetry: Telemetry;
  /** The workers are told of no more. */
  stopTelling: () => void;
}

/** The coordinator, and who hears of it. */
function assemble(
  { options, log, metrics, http, whenReady, committedEngines }: Edges,
  { control, bulk }: Buses,
  { shelf, events, term }: { shelf: DataShelf; events: EventPublisher; term: number },
): Parts {
  const { pool } = options;
  const subjects = subjectsOf(options.poolName);
  const telemetry = new Telemetry({ metrics, clock: realClock.now, wallClock: () => Date.now(), log });
  const rival = new AbortController();
  const farWorkers = new FarWorkers();
  const coordinator = new Coordinator({
    control,
    bulk,
    subjects,
    clock: realClock,
    term,
    heartbeatMs: pool.heartbeat_ms,
    quarantine: { after: pool.quarantine_after, firstMs: pool.quarantine_ms },
    hungAfter: pool.hung_after,
    mixedEngines: pool.mixed_engines,
    committedEngines,
    engines: enginesOf(options),
    farWorkers,
    dataRange: (request) => shelf.range(request),
    log: (level, message, fields) => {
      log(level, message, fields);
      if (level === "warn" || level === "error") events.note(level === "warn" ? "warning" : "error", message);
    },
    metrics: telemetry.pool,
    superseded: (rivalTerm) => rival.abort(supersededBy(options.poolName, rivalTerm)),
  });
  options.onWorkerDeath?.((worker, pid) => coordinator.workerDied(worker, pid));
  telemetry.watchPool(() => coordinator.members());
  whenReady(() => (control.connected && bulk.connected ? undefined : "not connected to NATS"));
  log("info", `Coordinator ready; live page at ${http.url}/; metrics at ${http.url}/metrics`);
  const stopTelling = realClock.every(WORKERS_TOLD_EVERY_MS, () =>
    events.workers(coordinator.table(), coordinator.view()),
  );
  return { coordinator, farWorkers, term, rival: rival.signal, events, telemetry, stopTelling };
}

function supersededBy(poolName: string, term: number): ClusterError {
  return new ClusterError(
    "dependency",
    `Another coordinator, started later, leads pool "${poolName}" (term ${term}); this one has stopped`,
    { hint: "give each coordinator a pool of its own (--pool), or stop one of the two" },
  );
}

type WorkParts = Parts & { buses: Buses; shelf: DataShelf; tracer: Tracer; beganMs: number };

function placeKindOf({ queue, configs, sweeps }: CoordinatorOptions): PlaceKind {
  if (queue !== undefined) return "queue";
  return configs.length === 0 && sweeps.length > 0 ? "sweep" : "run";
}

/** A sweep that is all there is uses the folder itself. */
function sweepFolder({ configs, sweeps, out }: CoordinatorOptions, name: string): string {
  return configs.length === 0 && sweeps.length === 1 ? out : join(out, name);
}

/** Conducts runs and sweeps side by side, and writes what they found. */
async function work(edges: Edges, parts: WorkParts): Promise<Ended> {
  const { options, http } = edges;
  const { min_workers: minWorkers, wait_for_workers_ms: patienceMs } = options.pool;
  const commit = await codeCommit();
  await parts.coordinator.start();
  parts.events.serving(`${http.url}/`);
  const { configs, sweeps } = options;
  if (edges.queue !== undefined) return workOnQueue(edges, parts, edges.queue, commit);
  return together(edges.signal, (signal) => {
    const context = contextOf(edges, parts, { signal, commit });
    const lists =
      configs.length === 0
        ? []
        : [conductList({ ...options, minWorkers, patienceMs, beganMs: parts.beganMs }, context)];
    return [
      ...lists,
      ...sweeps.map(({ space, isForced }) =>
        leadSweep(
          { space, isForced, minWorkers, patienceMs, directory: sweepFolder(options, space.spec.name) },
          { ...context, locks: edges.locks },
        ),
      ),
    ];
  });
}

/** What is handed in while the coordinator runs. */
function workOnQueue(edges: Edges, parts: WorkParts, disk: QueueDisk, commit: string | null): Promise<Ended> {
  const { options, signal, locks, log } = edges;
  const { out, pool, queue } = options;
  return leadQueue({
    ...{
      out,
      disk,
      signal,
      locks,
      log,
      minWorkers: pool.min_workers,
      isEmulated: queue?.isEmulated === true,
    },
    bus: parts.buses.control,
    subjects: subjectsOf(options.poolName),
    unheard: (why) => parts.telemetry.pool.unheard(why),
    events: parts.events,
    eventsOf: (id, hear) => new SubmissionEvents(id, ...publishing(edges, parts.buses, hear)),
    contextOf: (until) => contextOf(edges, parts, { signal: until, commit }),
  });
}

/** When one of them throws, the others come to a clean end first. */
async function together(
  signal: AbortSignal,
  begin: (signal: AbortSignal) => readonly Promise<Ended>[],
): Promise<Ended> {
  const fault = new AbortController();
  const all = begin(AbortSignal.any([signal, fault.signal])).map((work) =>
    work.catch((error: unknown) => {
      fault.abort(error);
      throw error;
    }),
  );
  const ends = await Promise.allSettled(all);
  if (fault.signal.aborted) throw fault.signal.reason;
  const ended = ends.flatMap((end) => (end.status === "fulfilled" ? [end.value] : []));
  return {
    failed: Object.fromEntries(ended.flatMap(({ failed }) => Object.entries(failed))),
    interrupted: ended.some(({ interrupted }) => interrupted),
  };
}

/** What runs and sweeps are conducted with. */
function contextOf(
  { options, locks }: Edges,
  { coordinator, farWorkers, term, events, telemetry, buses, shelf, tracer }: WorkParts,
  { signal, commit }: { signal: AbortSignal; commit: string | null },
): ListContext & { recruits: Coordinator } {
  const subjects = subjectsOf(options.poolName);
  return {
    edges: {
      coordinator,
      term,
      leaseFloorMs: options.pool.lease_floor_ms,
      signal,
      clock: realClock,
      wallClock: () => Date.now(),
      broadcast: (shard, frame) => {
        buses.bulk.publish(subjects.parameters(shard), frame);
        // A copy: the memory changes with the next step, and these bytes may wait for the network.
        if (farWorkers.isAmong(coordinator.book.members))
          buses.bytes?.publish(subjects.parametersAsBytes(shard), Uint8Array.from(frame));
      },
      mapped: buses.bulk.mapped,
      shelf,
      surroundings: {
        findSource,
        readSource,
        foreignImages: (own, shape, holder) => foreignImages(shelf, own, shape, holder),
      },
      tracer,
    },
    recruits: coordinator,
    storage: (directory) => new DiskStorage(directory, realClock, locks),
    events,
    telemetry,
    report: (directory, title) => reportAside(directory, { title, command: options.command }),
    environment: () =>
      environment(
        coordinator.table().map(({ engine }) => engine ?? ""),
        commit,
      ),
  };
}
