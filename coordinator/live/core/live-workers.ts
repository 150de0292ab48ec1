/** The workers as the live page knows them: who is there, and for a while who was. */
import { WORKER_STATES, type WorkerRow } from "../../../shared/events.js";
import type { WorkerView } from "./views.js";
import { at } from "../../../shared/core/at.js";

/** Workers that left stay in the table, the newest so many. */
const MOST_GONE = 16;
/** The slowest is marked when it does less than this share of the median. */
const CLEARLY_SLOWER = 0.9;

interface Comings {
  joined: string[];
  left: string[];
}

export class LiveWorkers {
  #rows = new Map<string, WorkerView>();

  get rows(): WorkerView[] {
    return [...this.#rows.values()];
  }

  /** The table as the coordinator has it now. */
  update(table: readonly WorkerRow[], timeMs: number): Comings {
    const before = this.#rows;
    const isThere = (row: WorkerView | undefined): boolean => row !== undefined && row.state !== "gone";
    const present = table.map((row) => rowOf(row, timeMs));
    const ids = new Set(present.map(({ id }) => id));
    const left = [...before.values()].filter((row) => isThere(row) && !ids.has(row.id));
    const gone = [...before.values()]
      .filter(({ id }) => !ids.has(id))
      .map((row): WorkerView => ({ ...row, state: "gone", slowest: false }))
      .sort((a, b) => b.last_seen - a.last_seen)
      .slice(0, MOST_GONE);
    markSlowest(present);
    this.#rows = new Map([...present.sort(byName), ...gone.sort(byName)].map((row) => [row.id, row]));
    return {
      joined: present.filter(({ id }) => !isThere(before.get(id))).map(({ id }) => id),
      left: left.map(({ id }) => id),
    };
  }
}

function rowOf(row: WorkerRow, timeMs: number): WorkerView {
  const known = (value: number | null | undefined): number | null =>
    value == null || !(value > 0) || !Number.isFinite(value) ? null : Number(value.toPrecision(4));
  const { state } = row;
  return {
    id: row.workerId ?? "",
    state: WORKER_STATES.find((known) => known === state) ?? "idle",
    engine: row.engine ?? "",
    step_seconds: known((row.leaseMs ?? 0) / 1000),
    samples_per_second: known(row.samplesPerSecond),
    samples: Math.round(row.samples ?? 0),
    rss_bytes: row.rssBytes ?? 0,
    retries: row.retries ?? 0,
    note: row.note ?? "",
    last_seen: Math.round(timeMs - 1000 * (row.silentSeconds ?? 0)),
    slowest: false,
  };
}

function markSlowest(rows: WorkerView[]): void {
  const speeds = rows.flatMap(({ samples_per_second: speed }) => speed ?? []).sort((a, b) => a - b);
  const [lowest] = speeds;
  if (lowest === undefined || speeds.length < 2) return;
  // With two workers, the faster one.
  const median = at(speeds, Math.floor(speeds.length / 2));
  if (lowest >= CLEARLY_SLOWER * median) return;
  const slowest = rows.find(({ samples_per_second: speed }) => speed === lowest);
  if (slowest !== undefined) slowest.slowest = true;
}

/** worker-2 before worker-10. */
function byName(a: WorkerView, b: WorkerView): number {
  return a.id.localeCompare(b.id, "en", { numeric: true });
}
