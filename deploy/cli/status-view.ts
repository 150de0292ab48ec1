/** What goes on in a cluster, as people read it in a terminal. Pure: what a coordinator answered, and a width, to lines. */
import type { StatusView } from "../../coordinator/live/core/api.js";
import type { RunView, SweepView, WorkerView } from "../../coordinator/live/core/views.js";
import { TRIAL_STATES } from "../../shared/records/sweep-line.js";
import { CLEARLY_SLOWER } from "../../shared/pool-view.js";
import { duration } from "./progress-state.js";
import { type Terminal, hanging, plainWords, wrapped } from "./terminal.js";

/** A coordinator that answered. */
export interface Running {
  /** As a user would type it; null where only the address is known. */
  directory: string | null;
  url: string;
  status: StatusView;
  /** None of a coordinator of before. */
  sweeps?: readonly SweepView[];
}

/** The coordinator tells of its workers twice a second; so long without a word, and it hangs. */
const SILENT_MS = 10_000;
const GAP = "  ";

export function renderStatus(
  { directory, url, status, sweeps = [] }: Running,
  nowMs: number,
  terminal: Terminal,
): string[] {
  const { palette } = terminal;
  const { cluster, runs, workers } = status;
  const silentMs = nowMs - cluster.heard;
  const title = [...(directory === null ? [cluster.title] : [directory]), url].map(plainWords);
  return [
    ...wrapped(title.join(GAP), terminal.width).map(palette.bold),
    ...(silentMs > SILENT_MS
      ? [palette.yellow(`the coordinator has said nothing for ${duration(silentMs / 1000)}`)]
      : []),
    ...(cluster.phase === ""
      ? []
      : wrapped(plainWords(`${cluster.phase} ${cluster.detail}`), terminal.width)),
    ...table(
      runs.map((run) => runRow(run, terminal)),
      terminal,
    ),
    ...sweeps.flatMap((sweep) => sweepWords(sweep, terminal)),
    ...waitLines(status, terminal),
    "",
    ...(workers.length === 0 ? [palette.dim("no worker has joined yet")] : workerLines(status, terminal)),
    ...takenLines(status, nowMs, terminal),
  ];
}

type Paint = (text: string) => string;

export interface Cell {
  text: string;
  paint?: Paint;
  right?: true;
}

// ---- Runs -------------------------------------------------------------------------------------------------------

function runRow(run: RunView, { palette }: Terminal): Cell[] {
  const now = run.phase === "evaluating" && run.evaluation !== null ? run.evaluation : run.training;
  const unit = run.phase === "evaluating" ? "" : "step ";
  const isAtWork = run.phase === "training" || run.phase === "evaluating";
  const share = now.total === 0 ? "" : `${Math.floor((100 * now.done) / now.total)} %`;
  const state = run.outcome?.ok === false ? palette.red : run.outcome === null ? palette.cyan : palette.green;
  return [
    { text: run.name, paint: palette.bold },
    { text: run.phase, paint: state },
    { text: now.total === 0 ? "" : `${unit}${now.done}/${now.total}` },
    { text: share, right: true },
    { text: isAtWork && now.per_second > 0 ? `${rate(now.per_second)} img/s` : "", right: true },
    {
      text: isAtWork && now.eta_seconds !== null ? `${duration(now.eta_seconds)} left` : "",
      paint: palette.cyan,
    },
  ];
}

/** How far it is, in one line; `saf sweep status` says more. */
function sweepWords({ name, trials, planned, ...sweep }: SweepView, { width, palette }: Terminal): string[] {
  const over = trials.done + trials.stopped + trials.failed;
  const words = [
    `sweep ${name}`,
    `${over}${planned === null ? "" : ` of ${planned}`} trials over`,
    ...TRIAL_STATES.flatMap((state) => (trials[state] === 0 ? [] : [`${trials[state]} ${state}`])),
    ...(sweep.samples_per_second > 0 ? [`${rate(sweep.samples_per_second)} img/s`] : []),
    ...(sweep.eta_seconds === null ? [] : [`${duration(sweep.eta_seconds)} left`]),
  ];
  return wrapped(plainWords(words.join(", ")), width).map(palette.cyan);
}

function waitLines({ waits, runs }: StatusView, { width, palette }: Terminal): string[] {
  return waits.flatMap(({ run, text, is_late: isLate }) => {
    const words = runs.length > 1 ? `${run}: ${text}` : text;
    const lines = wrapped(plainWords(words), width - GAP.length).map((line) => `${GAP}${line}`);
    return isLate ? lines.map(palette.yellow) : lines;
  });
}

// ---- Workers ----------------------------------------------------------------------------------------------------

/** What has no room at 80 columns is left out, the last of these first. */
const WORKER_COLUMNS = [
  "worker",
  "state",
  "holds",
  "since",
  "img/s",
  "vs median",
  "deadline",
  "retries",
  "engine",
] as const;
const RIGHT = new Set<string>(["since", "img/s", "deadline", "retries"]);
/** Of a unit's words; longer ones are cut. */
const WIDEST_UNIT = 30;

function workerLines(status: StatusView, terminal: Terminal): string[] {
  const { palette, width } = terminal;
  const rows = status.workers.map((worker) => workerRow(worker, status, terminal));
  const header = WORKER_COLUMNS.map((text): Cell => ({
    text,
    paint: palette.dim,
  }));
  const isUsed = WORKER_COLUMNS.map((_, i) => rows.some((row) => row[i]?.text !== ""));
  let columns = WORKER_COLUMNS.map((_, i) => i).filter((i) => isUsed[i]);
  const widthOf = (i: number): number =>
    Math.max(...[header, ...rows].map((row) => row[i]?.text.length ?? 0));
  const needed = (): number => columns.reduce((sum, i) => sum + widthOf(i) + GAP.length, -GAP.length);
  while (columns.length > 1 && needed() > width) columns = columns.slice(0, -1);
  const pick = (row: readonly Cell[]): Cell[] =>
    columns.map((i) => ({
      text: "",
      ...row[i],
      ...(RIGHT.has(WORKER_COLUMNS[i] ?? "") ? { right: true as const } : {}),
    }));
  const lines = table([pick(header), ...rows.map(pick)], terminal);
  // The last words of a worker stand below its row, unless they are among the newest of all.
  return lines.flatMap((line, i) => {
    const worker = status.workers[i - 1];
    if (worker === undefined || worker.note === "" || isTold(worker, status)) return [line];
    const words = wrapped(plainWords(`last lease taken away: ${worker.note}`), width - 4);
    return [line, ...words.map((text) => palette.dim(`    ${text}`))];
  });
}

function isTold({ id, note }: WorkerView, { taken }: StatusView): boolean {
  return taken.some(({ worker, reason }) => worker === id && reason === note);
}

function workerRow(worker: WorkerView, { runs }: StatusView, { palette, unicode }: Terminal): Cell[] {
  const { holds, times_slower: slower } = worker;
  const dash = unicode ? "–" : "-";
  const unit = holds === null ? dash : runs.length > 1 ? `${holds.run} ${holds.unit}` : holds.unit;
  const isSlow = slower !== null && slower > CLEARLY_SLOWER;
  const isOverdue = holds !== null && holds.deadline_seconds < 0;
  const state = worker.rests_seconds > 0 ? `rests ${shortly(worker.rests_seconds)}` : worker.state;
  return [
    { text: worker.id, paint: isSlow ? palette.yellow : plain },
    { text: state, paint: statePaint(worker, palette) },
    { text: cut(unit, WIDEST_UNIT, unicode) },
    { text: holds === null ? "" : shortly(holds.held_seconds) },
    { text: worker.samples_per_second === null ? dash : rate(worker.samples_per_second) },
    { text: isSlow ? `${slower.toFixed(1)}x slower` : "", paint: palette.yellow },
    {
      text:
        holds === null
          ? ""
          : isOverdue
            ? `${shortly(-holds.deadline_seconds)} ago`
            : `in ${shortly(holds.deadline_seconds)}`,
      paint: isOverdue ? palette.yellow : plain,
    },
    { text: worker.retries === 0 ? "" : String(worker.retries), paint: palette.yellow },
    { text: worker.engine, paint: palette.dim },
  ];
}

function statePaint({ state, rests_seconds: rests }: WorkerView, palette: Terminal["palette"]): Paint {
  if (rests > 0 || state === "quarantined") return palette.yellow;
  if (state === "busy") return palette.green;
  return state === "gone" ? palette.red : palette.dim;
}

function takenLines({ taken, runs }: StatusView, nowMs: number, terminal: Terminal): string[] {
  if (taken.length === 0) return [];
  const { width, palette } = terminal;
  const heads = taken.map(({ time, worker }) => ({
    ago: `${shortly(Math.max(0, nowMs - time) / 1000)} ago`,
    worker: plainWords(worker),
  }));
  const agoWidth = Math.max(...heads.map(({ ago }) => ago.length));
  const workerWidth = Math.max(...heads.map(({ worker }) => worker.length));
  const start = agoWidth + workerWidth + 3 * GAP.length;
  const lines = taken.flatMap(({ run, unit, reason }, i) => {
    const head = `${GAP}${heads[i]?.ago.padStart(agoWidth)}${GAP}${heads[i]?.worker.padEnd(workerWidth)}${GAP}`;
    const words = `${runs.length > 1 ? `${run} ` : ""}${unit}: ${reason}`;
    const { first, more } = hanging(start, plainWords(words), width);
    return [cut(`${head}${first}`.trimEnd(), width, terminal.unicode), ...more];
  });
  return ["", palette.dim("leases taken away"), ...lines];
}

// ---- Text -------------------------------------------------------------------------------------------------------

/** Rows of cells in columns; columns that are empty everywhere are left out, and no line is wider than the terminal. */
export function table(rows: readonly (readonly Cell[])[], { width, unicode }: Terminal): string[] {
  const count = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: count }, (_, i) =>
    Math.max(...rows.map((row) => row[i]?.text.length ?? 0)),
  );
  return rows.map((row) => {
    let room = width;
    const cells = row.flatMap(({ text, paint = plain, right }, i) => {
      const full = widths[i] ?? 0;
      if (full === 0) return [];
      const clean = plainWords(text);
      const padded = `${room === width ? "" : GAP}${right === true ? clean.padStart(full) : clean.padEnd(full)}`;
      const shown = cut(padded, room, unicode);
      room -= shown.length;
      return shown === "" ? [] : [paint(shown)];
    });
    return cells.join("").trimEnd();
  });
}

const plain: Paint = (text) => text;

function cut(text: string, width: number, unicode: boolean): string {
  if (text.length <= width) return text;
  const ellipsis = unicode ? "…" : "...";
  return width <= ellipsis.length ? "" : text.slice(0, width - ellipsis.length) + ellipsis;
}

function rate(perSecond: number): string {
  return perSecond < 10 ? perSecond.toFixed(1) : String(Math.round(perSecond));
}

/** 142 ms · 4.2 s · 3 min 05 s */
function shortly(seconds: number): string {
  if (seconds < 1) return `${Math.round(1000 * seconds)} ms`;
  return seconds < 60 ? `${seconds.toFixed(1)} s` : duration(seconds);
}
