/** The product's coordinator as a simulated process: its locks and its term, its loop, its list of runs, its files. */
import { mkdir } from "node:fs/promises";
import { Coordinator } from "../../coordinator/coordinator.js";
import { DataShelf } from "../../coordinator/io/data-shelf.js";
import { DirectoryLocks } from "../../coordinator/io/directory-locks.js";
import type { Processes } from "../../coordinator/io/process-mark.js";
import { DiskStorage } from "../../coordinator/io/run-storage.js";
import { nextTerm } from "../../coordinator/io/term.js";
import { conductList } from "../../coordinator/runs/conduct-list.js";
import type { RunEdges } from "../../coordinator/runs/context.js";
import type { ResultsDocument } from "../../coordinator/runs/results-document.js";
import type { PoolConfig } from "../../shared/config/pool.js";
import type { Config } from "../../shared/config/run.js";
import { VectorMemory } from "../../shared/core/vectors/vector-memory.js";
import { ClusterError, type ErrorCode } from "../../shared/errors.js";
import { storageError } from "../../shared/io/atomic-file.js";
import { subjectsOf } from "../../shared/subjects.js";
import type { SimulatedBus } from "./network.js";
import { DISK_ROOT, type Surroundings } from "./surroundings.js";
import { type Overheard, OverheardTelemetry, overheardEvents } from "./telling.js";
import { TINY_DATA } from "./tiny-networks.js";
import type { Witness } from "./watch.js";

/** A folder of that name gives its runs their ids. */
const TITLE = "sim";

/** What a coordinator conducts, and where. */
export interface Task {
  /** The name of its pool. */
  pool: string;
  runs: readonly Config[];
  /** Where the runs live: one run uses the folder itself, several get a folder each inside. */
  out: string;
  evaluateOnly: boolean;
  /** Runs at a time. */
  sideBySide: number;
}

export const runIdOf = (config: Config): string => `${TITLE}-${config.name ?? ""}`;
/** Below a folder of the disk, which all coordinators on that disk share. */
export const outBelow = (folder: string): string => `${DISK_ROOT}/${folder}/${TITLE}`;
export const folderOf = ({ out, runs }: Task, config: Config): string =>
  runs.length === 1 ? out : `${out}/${config.name ?? ""}`;

export interface CoordinatorSetting {
  process: Surroundings;
  control: SimulatedBus;
  bulk: SimulatedBus;
  task: Task;
  rules: PoolConfig;
  processes: Processes;
  /** Milliseconds since 1970, as its machine counts them. */
  wallClock: () => number;
  witness: Witness;
  note: (text: string) => void;
  /** Its lock was taken away: it ends at once. */
  lost: (why: string) => void;
}

/** How it ended; it never does while work is left and nothing failed. */
export type CoordinatorEnd = { kind: "done" } | { kind: "failed"; code: ErrorCode; message: string };

/** Vectors of all worlds: a memory of its own for each would take the address space. */
let vectors = new VectorMemory();
let vectorsUsed = 0;

function vectorMemory(): VectorMemory {
  // What died without giving its vectors back is forgotten from time to time.
  if (vectorsUsed++ % 50 === 49) vectors = new VectorMemory();
  return vectors;
}

const WORKERS_TOLD_EVERY_MS = 500;

/** As coordinator/main.ts does it. */
export async function coordinate(setting: CoordinatorSetting): Promise<CoordinatorEnd> {
  const { process, processes, wallClock, lost, task } = setting;
  const { clock } = process;
  const onLost = ({ message }: ClusterError): void => lost(message);
  const locks = new DirectoryLocks({ clock, processes, wallClock, onLost });
  const home = new DiskStorage(task.out, clock);
  try {
    await mkdir(task.out, { recursive: true }).catch((cause: unknown) => {
      throw storageError(`create the run directory ${task.out}`, cause);
    });
    await locks.take(home.path);
    try {
      await lead(setting, locks, await nextTerm(home, wallClock()));
    } finally {
      await locks.release(home.path);
    }
    return { kind: "done" };
  } catch (error) {
    const { message } = error as Error;
    return { kind: "failed", code: error instanceof ClusterError ? error.code : "unexpected", message };
  }
}

/** Throws what a run failed with, and ClusterError("dependency") when a newer coordinator leads the pool. */
async function lead(setting: CoordinatorSetting, locks: DirectoryLocks, term: number): Promise<void> {
  const { process, control, bulk, rules, task, witness, note, wallClock } = setting;
  const subjects = subjectsOf(task.pool);
  const { clock } = process;
  const overheard = { clock, witness, note, wallClock };
  const telemetry = new OverheardTelemetry(overheard);
  const events = overheardEvents(control, subjects, overheard);
  const shelf = new DataShelf([], () => Promise.resolve(TINY_DATA));
  const rival = new AbortController();
  const coordinator = new Coordinator({
    ...{ control, bulk, subjects, clock, term },
    heartbeatMs: rules.heartbeat_ms,
    quarantine: { after: rules.quarantine_after, firstMs: rules.quarantine_ms },
    ...{ hungAfter: rules.hung_after, mixedEngines: rules.mixed_engines, committedEngines: [] },
    dataRange: (request) => shelf.range(request),
    log: (level, message) => note(`${level}: ${message}`),
    metrics: {
      ...telemetry.pool,
      unheard: (why) => {
        if (why === "failed" || why === "size")
          witness.violate(`The coordinator failed over a message: ${why}`);
      },
    },
    superseded: (by) => rival.abort(new ClusterError("dependency", `Superseded by term ${by}`)),
  });
  telemetry.watchPool(() => coordinator.members());
  const stopTelling = clock.every(WORKERS_TOLD_EVERY_MS, () =>
    events.workers(coordinator.table(), coordinator.view()),
  );
  try {
    witness.book = () => coordinator.book;
    await coordinator.start();
    const parts = { coordinator, shelf, telemetry, events, locks, term, signal: rival.signal };
    const { failed, weights_sha256: weights } = await conduct(setting, overheard, parts);
    rival.signal.throwIfAborted();
    for (const { code, message } of Object.values(failed)) throw new ClusterError(code, message);
    for (const config of task.runs) witness.weights(runIdOf(config), weights[config.name ?? ""]);
    coordinator.dismiss("the work is done");
  } finally {
    stopTelling();
    coordinator.stop();
  }
}

interface Parts {
  coordinator: Coordinator;
  shelf: DataShelf;
  telemetry: OverheardTelemetry;
  events: ReturnType<typeof overheardEvents>;
  locks: DirectoryLocks;
  term: number;
  signal: AbortSignal;
}

function conduct(
  { process, bulk, task, rules, witness }: CoordinatorSetting,
  { wallClock }: Overheard,
  { coordinator, shelf, telemetry, events, locks, term, signal }: Parts,
): Promise<ResultsDocument> {
  const subjects = subjectsOf(task.pool);
  const { clock } = process;
  const edges: RunEdges = {
    ...{ coordinator, term, shelf, clock, wallClock, signal },
    leaseFloorMs: rules.lease_floor_ms,
    broadcast: (shard, frame) => {
      witness.broadcast(frame);
      bulk.publish(subjects.parameters(shard), frame);
    },
    mapped: { vectors: vectorMemory(), allocate: () => undefined, release: () => undefined },
    surroundings: NOTHING_BESIDE,
  };
  const { runs: configs, out, evaluateOnly, sideBySide } = task;
  return conductList(
    {
      ...{ configs, sideBySide, out, title: TITLE, evaluateOnly, beganMs: clock.now() },
      minWorkers: rules.min_workers,
      patienceMs: rules.wait_for_workers_ms,
    },
    {
      ...{ edges, events, telemetry, recruits: coordinator },
      storage: (directory) => new DiskStorage(directory, clock, locks),
      report: (directory) => Promise.resolve(directory),
      environment: () => ({}),
    },
  );
}

const unasked = (): never => {
  throw new Error("Nothing outside the run's own directory is asked for");
};

const NOTHING_BESIDE: RunEdges["surroundings"] = {
  findSource: unasked,
  readSource: unasked,
  foreignImages: unasked,
};
