/** The workers as the live page knows them: who is there, and for a while who was. */
import { WORKER_STATES, type WorkerRow } from "../../../shared/events.js";
import { CLEARLY_SLOWER, type WorkerStanding, timesSlower } from "../../../shared/pool-view.js";
import type { WorkerView } from "./views.js";

/** Workers that left stay in the table, the newest so many. */
const MOST_GONE = 16;

interface Comings {
  joined: string[];
  left: string[];
}

export class LiveWorkers {
  #rows = new Map<string, WorkerView>();

  get rows(): WorkerView[] {
    return [...this.#rows.values()];
  }

  /** The table as the coordinator has it now, and what the book of leases says of each. `nameOf`: of a run, by its id. */
  update(
    table: readonly WorkerRow[],
    standings: readonly WorkerStanding[],
    nameOf: (runId: string) => string,
    timeMs: number,
  ): Comings {
    const before = this.#rows;
    const isThere = (row: WorkerView | undefined): boolean => row !== undefined && row.state !== "gone";
    const byId = new Map(standings.map((standing) => [standing.id, standing]));
    const present = table.map((row) => rowOf(row, byId.get(row.workerId ?? ""), nameOf, timeMs));
    const ids = new Set(present.map(({ id }) => id));
    const left = [...before.values()].filter((row) => isThere(row) && !ids.has(row.id));
    const gone = [...before.values()]
      .filter(({ id }) => !ids.has(id))
      .map((row): WorkerView => ({
        ...row,
        ...{ state: "gone", slowest: false, holds: null, times_slower: null, rests_seconds: 0 },
      }))
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

function rowOf(
  row: WorkerRow,
  standing: WorkerStanding | undefined,
  nameOf: (runId: string) => string,
  timeMs: number,
): WorkerView {
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
    holds: holdsOf(standing, nameOf),
    times_slower: null,
    rests_seconds: standing?.rests_seconds ?? 0,
    note: row.note ?? "",
    last_seen: Math.round(timeMs - 1000 * (row.silentSeconds ?? 0)),
    slowest: false,
  };
}

function holdsOf(
  standing: WorkerStanding | undefined,
  nameOf: (runId: string) => string,
): WorkerView["holds"] {
  if (standing?.holds == null) return null;
  const { runId, ...lease } = standing.holds;
  return { run: nameOf(runId), ...lease };
}

function markSlowest(rows: WorkerView[]): void {
  const slower = timesSlower(rows.map(({ samples_per_second: speed }) => speed));
  const most = Math.max(...slower.map((times) => times ?? 0));
  for (const [i, row] of rows.entries()) {
    const times = slower[i] ?? null;
    row.times_slower = times === null ? null : Number(times.toPrecision(3));
    row.slowest = times === most && most > CLEARLY_SLOWER;
  }
}

/** worker-2 before worker-10. */
function byName(a: WorkerView, b: WorkerView): number {
  return a.id.localeCompare(b.id, "en", { numeric: true });
}
