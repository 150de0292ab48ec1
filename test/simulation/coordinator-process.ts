/** The product's coordinator as a simulated process: its loop, its list of runs, its files. */
import { mkdir } from "node:fs/promises";
import { Coordinator } from "../../coordinator/coordinator.js";
import { DataShelf } from "../../coordinator/io/data-shelf.js";
import { DiskStorage } from "../../coordinator/io/run-storage.js";
import { conductList } from "../../coordinator/runs/conduct-list.js";
import type { RunEdges } from "../../coordinator/runs/context.js";
import type { ResultsDocument } from "../../coordinator/runs/results-document.js";
import type { PoolConfig } from "../../shared/config/pool.js";
import type { Config } from "../../shared/config/run.js";
import { VectorMemory } from "../../shared/core/vectors/vector-memory.js";
import { ClusterError, type ErrorCode } from "../../shared/errors.js";
import { subjectsOf } from "../../shared/subjects.js";
import type { SimulatedBus } from "./network.js";
import { CALENDAR_MS, DISK_ROOT, type Surroundings } from "./surroundings.js";
import { type Overheard, OverheardTelemetry, overheardEvents } from "./telling.js";
import { TINY_DATA } from "./tiny-networks.js";
import type { Watch } from "./watch.js";

export const POOL = "sim";
/** Where the runs live: one run uses the folder itself, several get a folder each inside. */
const OUT = `${DISK_ROOT}/coordinator/sim`;

export const runIdOf = (config: Config): string => `sim-${config.name ?? ""}`;
export const folderOf = (config: Config, isAlone: boolean): string =>
  isAlone ? OUT : `${OUT}/${config.name ?? ""}`;

export interface CoordinatorSetting {
  process: Surroundings;
  control: SimulatedBus;
  bulk: SimulatedBus;
  runs: readonly Config[];
  /** Runs at a time. */
  sideBySide: number;
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

const WORKERS_TOLD_EVERY_MS = 500;

export async function coordinate(setting: CoordinatorSetting): Promise<CoordinatorEnd> {
  const { process, control, bulk, pool, term, watch, note } = setting;
  const subjects = subjectsOf(POOL);
  const { clock } = process;
  const overheard = { clock, watch, note, wallClock: () => CALENDAR_MS + Math.floor(clock.now()) };
  const telemetry = new OverheardTelemetry(overheard);
  const events = overheardEvents(control, subjects, overheard);
  const shelf = new DataShelf([], () => Promise.resolve(TINY_DATA));
  const coordinator = new Coordinator({
    ...{ control, bulk, subjects, clock, term },
    heartbeatMs: pool.heartbeat_ms,
    quarantine: { after: pool.quarantine_after, firstMs: pool.quarantine_ms },
    ...{ hungAfter: pool.hung_after, mixedEngines: pool.mixed_engines, committedEngines: [] },
    dataRange: (request) => shelf.range(request),
    log: (level, message) => note(`${level}: ${message}`),
    metrics: {
      ...telemetry.pool,
      unheard: (why) => {
        if (why === "failed" || why === "size")
          watch.violate(`The coordinator failed over a message: ${why}`);
      },
    },
    superseded: (rival) => note(`superseded by ${rival}`),
  });
  telemetry.watchPool(() => coordinator.members());
  const stopTelling = clock.every(WORKERS_TOLD_EVERY_MS, () => events.workers(coordinator.table(), coordinator.view()));
  try {
    watch.book = () => coordinator.book;
    await mkdir(OUT, { recursive: true });
    await coordinator.start();
    const parts = { coordinator, shelf, telemetry, events };
    const { failed, weights_sha256: weights } = await conduct(setting, overheard, parts);
    for (const { code, message } of Object.values(failed)) return { kind: "failed", code, message };
    for (const config of setting.runs) watch.weights(runIdOf(config), weights[config.name ?? ""]);
    coordinator.dismiss("the work is done");
    return { kind: "done" };
  } catch (error) {
    const { message } = error as Error;
    return { kind: "failed", code: error instanceof ClusterError ? error.code : "unexpected", message };
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
}

function conduct(
  { process, bulk, runs: configs, sideBySide, pool, term, watch }: CoordinatorSetting,
  { wallClock }: Overheard,
  { coordinator, shelf, telemetry, events }: Parts,
): Promise<ResultsDocument> {
  const subjects = subjectsOf(POOL);
  const { clock } = process;
  const edges: RunEdges = {
    ...{ coordinator, term, shelf, clock, wallClock },
    leaseFloorMs: pool.lease_floor_ms,
    signal: new AbortController().signal,
    broadcast: (shard, frame) => {
      watch.broadcast(frame);
      bulk.publish(subjects.parameters(shard), frame);
    },
    mapped: { vectors: vectorMemory(), allocate: () => undefined, release: () => undefined },
    surroundings: NOTHING_BESIDE,
  };
  return conductList(
    {
      ...{ configs, sideBySide, out: OUT, title: POOL, evaluateOnly: false, beganMs: clock.now() },
      minWorkers: pool.min_workers,
      patienceMs: pool.wait_for_workers_ms,
    },
    {
      ...{ edges, events, telemetry, recruits: coordinator },
      storage: (directory) => new DiskStorage(directory, clock),
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
