/** The live region and the plain lines, from what is known. Pure: state and width to text. */
import {
  type BarCell,
  type Canvas,
  type Cell,
  type Paint,
  barWith,
  bytes,
  clean,
  clock,
  dash,
  dot,
  line,
  plain,
  rate,
  shortTime,
} from "./drawing.js";
import {
  duration,
  figure,
  percent,
  type ProgressState,
  type RunProgress,
  type Said,
} from "./progress-state.js";
import { sweepLines, sweepPlainLine } from "./sweep-progress-view.js";

/** Silence that is worth a word. */
const QUIET_MS = 5_000;

/** The live region: per run a phase line and a bar, or the sweep, then the workers. At most `height - 1` lines of `width` columns. */
export function renderRegion(state: ProgressState, canvas: Canvas): string[] {
  const room = Math.max(1, canvas.height - 1);
  const above =
    state.sweep === undefined ? runLines(state, canvas, room) : sweepAndPhase(state, canvas, room);
  const table = workerTable(state, canvas, room - above.length - 1);
  return table.length === 0 ? above : [...above, "", ...table];
}

/** The sweep, and what goes on besides its trials: workers are awaited, a report is drawn. */
function sweepAndPhase(state: ProgressState, canvas: Canvas, room: number): string[] {
  const phases = state.runs
    .filter(({ phase }) => phase !== "sweeping")
    .map((run) => phaseLine(state, run, canvas));
  const sweep = state.sweep === undefined ? [] : sweepLines(state.sweep, canvas, room - phases.length);
  return [...phases, ...sweep];
}

function runLines(state: ProgressState, canvas: Canvas, room: number): string[] {
  if (state.runs.length === 0) {
    return [
      line([{ text: `waiting for the coordinator ${dot(canvas)} ${since(state.startMs, canvas)}` }], canvas),
    ];
  }
  const blocks = state.runs.map((run) => [
    phaseLine(state, run, canvas),
    ...(hasBar(run) ? [barLine(run, canvas)] : []),
  ]);
  const shown: string[] = [];
  for (const [i, block] of blocks.entries()) {
    const hidden = blocks.length - i;
    if (i > 0 && shown.length + block.length > room - (hidden > 1 ? 1 : 0)) {
      return [...shown, line([{ text: `and ${hidden} more runs`, paint: canvas.palette.dim }], canvas)].slice(
        0,
        room,
      );
    }
    shown.push(...block);
  }
  return shown.slice(0, room);
}

function hasBar(run: RunProgress): boolean {
  return run.total > 0;
}

/** What goes on, since when, and why nothing moves if nothing moves. */
function phaseLine(state: ProgressState, run: RunProgress, canvas: Canvas): string {
  const { palette } = canvas;
  const separator: Cell = { text: ` ${dot(canvas)} `, paint: palette.dim };
  const cells: Cell[] = [{ text: phaseTitle(run), paint: palette.bold }];
  if (run.detail !== "") cells.push(separator, { text: clean(run.detail) });
  if (run.epochs > 0 && run.phase === "training") cells.push(separator, { text: `epoch ${epochOf(run)}` });
  cells.push(separator, { text: since(run.phaseSinceMs, canvas), paint: palette.dim });
  const silence = silenceOf(state, run, canvas.nowMs);
  if (silence !== undefined) cells.push(separator, { text: silence, paint: palette.yellow });
  return line(cells, canvas);
}

function phaseTitle(run: RunProgress): string {
  return [run.phase, run.model]
    .filter((part) => part !== "")
    .map(clean)
    .join(" ");
}

function epochOf(run: RunProgress): string {
  const whole = Number.isInteger(run.epochs) ? String(run.epochs) : run.epochs.toFixed(1);
  return `${run.epoch.toFixed(1)} of ${whole}`;
}

function since(startMs: number, { nowMs }: { nowMs: number }): string {
  return duration((nowMs - startMs) / 1000);
}

/** Why nothing moves, in words, once it has not moved for a while. */
function silenceOf(state: ProgressState, run: RunProgress, nowMs: number): string | undefined {
  if (run.phase === "training" || run.phase === "evaluating") {
    const stillMs = nowMs - run.advancedMs;
    if (stillMs < Math.max(QUIET_MS, 5 * usualMs(state))) return undefined;
    const what = run.phase === "training" ? "no step" : "no result";
    return `${what} for ${duration(stillMs / 1000)}, ${awaited(state, nowMs)}`;
  }
  const quietMs = nowMs - state.heardMs;
  return quietMs < 2 * QUIET_MS ? undefined : `nothing heard for ${duration(quietMs / 1000)}`;
}

/** The usual time of a lease over the living workers: silence shorter than a few of these is no news. */
function usualMs({ workers }: ProgressState): number {
  return Math.max(0, ...workers.filter(({ state }) => state !== "lost").map(({ leaseMs }) => leaseMs));
}

function awaited({ workers, heardMs }: ProgressState, nowMs: number): string {
  if (nowMs - heardMs > 2 * QUIET_MS) return "nothing heard from the coordinator";
  const alive = workers.filter(({ state }) => state !== "lost");
  if (workers.length > 0 && alive.length === 0) return "no worker is alive";
  const busy = alive.filter(({ state }) => state === "busy").map(({ workerId }) => clean(workerId));
  if (busy.length === 0) return "no worker is busy";
  const named = busy.slice(0, 3).join(", ");
  return `waiting for ${busy.length > 3 ? `${named} and ${busy.length - 3} more` : named}`;
}

/** The bar takes the room that the figures leave; the less telling figures give way first. */
function barLine(run: RunProgress, canvas: Canvas): string {
  const { palette } = canvas;
  const share = Math.min(1, Math.max(0, run.done / run.total));
  const training = run.phase === "training";
  const cells: BarCell[] = [
    { text: `${Math.floor(share * 100)} %`.padStart(5), paint: palette.bold, importance: 6 },
    { text: `${run.done}/${run.total}`.padStart(2 * String(run.total).length + 1), importance: 1 },
  ];
  if (training && run.done > 0) {
    cells.push(
      { text: `loss ${figure(run.loss)}`, importance: 4 },
      { text: `accuracy ${percent(run.accuracy)}`, importance: 3 },
    );
  }
  if (run.samplesPerSecond > 0) cells.push({ text: `${rate(run.samplesPerSecond)} img/s`, importance: 2 });
  if (run.etaSeconds >= 0)
    cells.push({ text: `${clock(run.etaSeconds)} left`, paint: palette.cyan, importance: 5 });
  return barWith(share, cells, canvas);
}

const COLUMNS = ["worker", "state", "engine", "img/s", "lease", "memory", "retries"] as const;
const RIGHT = new Set<string>(["img/s", "lease", "memory", "retries"]);

/** One line a worker; what has no room is counted. */
function workerTable({ workers }: ProgressState, canvas: Canvas, room: number): string[] {
  if (workers.length === 0 || room < 1) return [];
  const lost = workers.filter(({ state }) => state === "lost").length;
  const busy = workers.filter(({ state }) => state === "busy").length;
  const resting = workers.filter(({ state }) => state === "quarantined").length;
  const exceptions = `${resting > 0 ? `, ${resting} quarantined` : ""}${lost > 0 ? `, ${lost} lost` : ""}`;
  const overview = `${workers.length} workers: ${busy} busy, ${workers.length - busy - resting - lost} idle${exceptions}`;
  if (room < 3)
    return [line([{ text: overview, paint: lost > 0 ? canvas.palette.yellow : canvas.palette.dim }], canvas)];

  const listed = workers.length <= room - 1 ? workers : workers.slice(0, room - 2);
  const rows = listed.map((worker) => ({
    state: worker.state,
    cells: [
      clean(worker.workerId),
      clean(worker.state),
      clean(worker.engine),
      worker.samplesPerSecond > 0 ? rate(worker.samplesPerSecond) : dash(canvas),
      worker.leaseMs > 0 ? shortTime(worker.leaseMs) : dash(canvas),
      worker.rssBytes > 0 ? bytes(worker.rssBytes) : dash(canvas),
      worker.retries > 0 ? String(worker.retries) : "",
    ],
  }));
  const shown = COLUMNS.filter((_, i) => rows.some(({ cells }) => cells[i] !== ""));
  const widths = COLUMNS.map((name, i) =>
    Math.max(name.length, ...rows.map(({ cells }) => cells[i]?.length ?? 0)),
  );
  const layOut = (cells: readonly string[], paints: Partial<Record<string, Paint>>): string => {
    const laid = COLUMNS.flatMap((name, i) => {
      if (!shown.includes(name)) return [];
      const text = cells[i] ?? "";
      const padded = RIGHT.has(name) ? text.padStart(widths[i] ?? 0) : text.padEnd(widths[i] ?? 0);
      return [{ text: i === 0 ? padded : `  ${padded}`, paint: paints[name] }];
    });
    return line(laid, canvas);
  };
  const header = layOut(COLUMNS, Object.fromEntries(COLUMNS.map((name) => [name, canvas.palette.dim])));
  const body = rows.map(({ cells, state }) =>
    layOut(cells, { state: statePaint(state, canvas), retries: canvas.palette.yellow }),
  );
  const more = workers.length - listed.length;
  const rest =
    more > 0 ? [line([{ text: `and ${more} more (${overview})`, paint: canvas.palette.dim }], canvas)] : [];
  return [header, ...body, ...rest];
}

function statePaint(state: string, { palette }: Canvas): Paint {
  if (state === "busy") return palette.green;
  return state === "lost" ? palette.red : palette.dim;
}

/** One line of a log: everything about a run that changes, or about a sweep. */
export function plainLine(state: ProgressState, run: RunProgress | undefined, nowMs: number): string {
  const seconds = (nowMs - state.startMs) / 1000;
  if (run === undefined && state.sweep !== undefined) return sweepPlainLine(state.sweep, seconds);
  const clockText = `[${duration(seconds)}]`;
  if (run === undefined) return `${clockText} waiting for the coordinator`;
  const parts: string[] = [];
  if (run.detail !== "") parts.push(clean(run.detail));
  if (hasBar(run)) {
    const unit = run.phase === "training" ? "step " : "";
    if (run.phase === "training" && run.epochs > 0) parts.push(`epoch ${epochOf(run)}`);
    parts.push(`${unit}${run.done} of ${run.total} (${Math.floor((100 * run.done) / run.total)} %)`);
    if (run.phase === "training" && run.done > 0)
      parts.push(`loss ${figure(run.loss)}`, `accuracy ${percent(run.accuracy)}`);
    if (run.samplesPerSecond > 0) parts.push(`${rate(run.samplesPerSecond)} img/s`);
    if (run.etaSeconds >= 0) parts.push(`${duration(run.etaSeconds)} left`);
    const alive = state.workers.filter((worker) => worker.state !== "lost").length;
    if (state.workers.length > 0) parts.push(`${alive} of ${state.workers.length} workers`);
  } else {
    const waitedSeconds = (nowMs - run.phaseSinceMs) / 1000;
    if (waitedSeconds >= 1) parts.push(`${duration(waitedSeconds)} so far`);
  }
  const silence = silenceOf(state, run, nowMs);
  if (silence !== undefined) parts.push(silence);
  return `${clockText} ${phaseTitle(run)}${parts.length > 0 ? `: ${parts.join(", ")}` : ""}`;
}

/** Words that stay: a mark for their level, then the text, which may have several lines. */
export function saidLines(
  { level, text }: Said,
  { palette, unicode }: Pick<Canvas, "palette" | "unicode">,
): string[] {
  const marks = {
    info: ["", plain],
    done: [unicode ? "✓ " : "", palette.green],
    warning: [unicode ? "! " : "warning: ", palette.yellow],
    error: [unicode ? "✗ " : "error: ", palette.red],
  } as const;
  const [mark, paint] = marks[level];
  const [first = "", ...more] = text.split(/\r\n|\n|\r/).map(clean);
  return [
    `${mark === "" ? "" : paint(mark)}${first}`,
    ...more.map((part) => `${" ".repeat(mark.length)}${part}`),
  ];
}
