/** The product's coordinator as a simulated process: its loop, its runs, its files. */
import { Coordinator } from "../../coordinator/coordinator.js";
import { DataShelf } from "../../coordinator/io/data-shelf.js";
import { RunDirectory } from "../../coordinator/io/run-directory.js";
import { type RunBeside, type RunObserver, conductRun } from "../../coordinator/runs/run.js";
import type { PoolConfig } from "../../shared/config/pool.js";
import type { Config } from "../../shared/config/run.js";
import { VectorMemory } from "../../shared/core/vectors/vector-memory.js";
import { ClusterError, type ErrorCode } from "../../shared/errors.js";
import { subjectsOf } from "../../shared/subjects.js";
import type { SimulatedBus } from "./network.js";
import type { Surroundings } from "./surroundings.js";
import { DISK_ROOT } from "./surroundings.js";
import { TINY_DATA } from "./tiny-networks.js";
import type { Watch } from "./watch.js";

export const POOL = "sim";
export const COORDINATOR_DISK = `${DISK_ROOT}/coordinator`;

export const runIdOf = (config: Config): string => `sim-${config.name ?? ""}`;
export const folderOf = (config: Config): string => `${COORDINATOR_DISK}/${config.name ?? ""}`;

export interface CoordinatorSetting {
  process: Surroundings;
  control: SimulatedBus;
  bulk: SimulatedBus;
  runs: readonly Config[];
  pool: PoolConfig;
  term: number;
  watch: Watch;
  note: (text: string) => void;
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

const UNCOUNTED = {
  gradient: () => undefined,
  nonfinite: () => undefined,
  lease: () => undefined,
  workerRefused: () => undefined,
  workers: () => undefined,
  workerLost: () => undefined,
  quarantined: () => undefined,
  workerJoined: () => undefined,
  workerGone: () => undefined,
  reconnected: () => undefined,
};

export async function coordinate(setting: CoordinatorSetting): Promise<CoordinatorEnd> {
  const { process, control, bulk, pool, term, watch, note } = setting;
  const subjects = subjectsOf(POOL);
  const { clock } = process;
  const shelf = new DataShelf([], () => Promise.resolve(TINY_DATA));
  const coordinator = new Coordinator({
    ...{ control, bulk, subjects, clock, term },
    heartbeatMs: pool.heartbeat_ms,
    quarantine: { after: pool.quarantine_after, firstMs: pool.quarantine_ms },
    dataRange: (request) => shelf.range(request),
    log: (level, message) => note(`${level}: ${message}`),
    metrics: UNCOUNTED,
  });
  try {
    watch.book = () => coordinator.book;
    await coordinator.start();
    await conductAll(setting, coordinator, shelf);
    coordinator.dismiss("the work is done");
    return { kind: "done" };
  } catch (error) {
    const { message } = error as Error;
    return { kind: "failed", code: error instanceof ClusterError ? error.code : "unexpected", message };
  } finally {
    coordinator.stop();
  }
}

async function conductAll(
  { process, bulk, runs, pool, term, watch, note }: CoordinatorSetting,
  coordinator: Coordinator,
  shelf: DataShelf,
): Promise<void> {
  const subjects = subjectsOf(POOL);
  const beside = new Map<string, RunBeside>(
    runs.map((config) => [folderOf(config), { isTrained: false, isOver: false }]),
  );
  const memory = vectorMemory();
  let active = runs.length;
  const conduct = async (config: Config): Promise<void> => {
    const directory = new RunDirectory(folderOf(config));
    await directory.create();
    const outcome = await conductRun({
      ...{ coordinator, directory, config, term, shelf, beside },
      dataset: await shelf.dataset(config.data),
      runId: runIdOf(config),
      evaluateOnly: false,
      leaseFloorMs: pool.lease_floor_ms,
      signal: new AbortController().signal,
      clock: () => process.clock.now(),
      broadcast: (shard, frame) => {
        watch.broadcast(frame);
        bulk.publish(subjects.parameters(shard), frame);
      },
      mapped: { vectors: memory, allocate: () => undefined, release: () => undefined },
      runsSideBySide: () => active,
      observer: observerOf(runIdOf(config), watch, note),
    });
    active--;
    watch.finish(runIdOf(config), outcome.weightsSha256);
  };
  await Promise.all(runs.map(conduct));
}

function observerOf(runId: string, watch: Watch, note: (text: string) => void): RunObserver {
  let step = 0;
  return {
    opened: (from) => {
      step = from;
      watch.opened(runId, from);
    },
    committed: (committed) => {
      step = committed.step + 1;
      note(`${runId} commits step ${committed.step}`);
      watch.commit(runId, committed);
    },
    checkpoint: (outcome) => {
      note(`${runId}: checkpoint of step ${step} ${outcome}`);
      if (outcome === "written") watch.checkpointWritten(runId, step);
    },
    measured: (record) => watch.task(runId, record, step),
    note: (level, message) => note(`${runId} ${level}: ${message}`),
    phase: (name) => note(`${runId}: ${name}`),
    advanced: () => undefined,
    evaluating: () => undefined,
    accuracy: () => undefined,
    evaluationBegins: () => undefined,
    tasks: () => undefined,
    taskRetried: () => undefined,
  };
}
