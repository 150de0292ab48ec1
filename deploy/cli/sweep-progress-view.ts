/** A sweep's live lines: how many trials are over, at which rungs the others are, and the best so far. Pure. */
import { metricHeading, metricPhrase, metricText } from "../../coordinator/results/sweep/metric-text.js";
import { shortNames, valueText } from "../../coordinator/results/sweep/parameters.js";
import { TRIAL_STATES, type TrialState, type Values, stateWord } from "../../shared/records/sweep-line.js";
import type { SweepProgress, SweepTrial } from "../../shared/sweep-progress.js";
import { shortId, trialName } from "../../shared/trial-name.js";
import {
  type BarCell,
  type Canvas,
  type Cell,
  barWith,
  clean,
  clock,
  dot,
  line,
  plain,
  rate,
} from "./drawing.js";
import { duration } from "./progress-state.js";

const OVER: readonly TrialState[] = ["done", "stopped", "failed"];
const BEST = 5;
/** Text among figures. */
const ID_COLUMN = 2;
const GAP = "  ";

/** At most `room` lines. */
export function sweepLines(sweep: SweepProgress, canvas: Canvas, room: number): string[] {
  const lines = [headLine(sweep, canvas), barLine(sweep, canvas), ...rungLines(sweep, canvas)];
  const table = bestTable(sweep, canvas, room - lines.length - 1);
  return (table.length === 0 ? lines : [...lines, "", ...table]).slice(0, room);
}

function headLine(sweep: SweepProgress, canvas: Canvas): string {
  const { palette } = canvas;
  const parts = [
    sweep.state === "cancelled" ? "cancelled" : undefined,
    ...TRIAL_STATES.flatMap((state) => countText(sweep, state) ?? []),
    duration(sweep.seconds),
  ];
  const rest = parts.filter((part) => part !== undefined).join(` ${dot(canvas)} `);
  return line(
    [
      { text: `sweep ${clean(sweep.name)}`, paint: palette.bold },
      { text: ` ${dot(canvas)} ${rest}`, paint: sweep.counts.failed > 0 ? palette.yellow : palette.dim },
    ],
    canvas,
  );
}

function countText({ counts, state: whole }: SweepProgress, state: TrialState): string | undefined {
  return counts[state] === 0 ? undefined : `${counts[state]} ${stateWord(state, whole === "running")}`;
}

/** Trials that are over; without a bar where nobody knows how many there will be. */
function barLine(sweep: SweepProgress, canvas: Canvas): string {
  const { palette } = canvas;
  const over = trialsOver(sweep);
  const { planned, samplesPerSecond, etaSeconds } = sweep;
  const figures: BarCell[] = [
    { text: planned === undefined ? `${over} trials over` : `${over}/${planned} trials`, importance: 4 },
  ];
  if (samplesPerSecond > 0) figures.push({ text: `${rate(samplesPerSecond)} img/s`, importance: 2 });
  if (etaSeconds !== undefined)
    figures.push({ text: `${clock(etaSeconds)} left`, paint: palette.cyan, importance: 5 });
  if (planned === undefined) return line(spaced(figures), canvas);
  const share = planned === 0 ? 1 : Math.min(1, over / planned);
  return barWith(
    share,
    [{ text: `${Math.floor(share * 100)} %`.padStart(5), paint: palette.bold, importance: 6 }, ...figures],
    canvas,
  );
}

export function trialsOver({ counts }: Pick<SweepProgress, "counts">): number {
  return OVER.reduce((sum, state) => sum + counts[state], 0);
}

/** "rungs  6,000 images: 12  18,000: 4"; of a sweep without early stopping there is nothing to say. */
function rungLines({ rungs }: SweepProgress, canvas: Canvas): string[] {
  if (rungs.length < 2) return [];
  const parts = rungs.map(
    ({ samples, count }, i) => `${thousands(samples)}${i === 0 ? " images" : ""}: ${count}`,
  );
  return [line([{ text: `rungs  ${parts.join("   ")}`, paint: canvas.palette.dim }], canvas)];
}

function bestTable(sweep: SweepProgress, canvas: Canvas, room: number): string[] {
  const shown = sweep.best.slice(0, Math.min(BEST, room - 1));
  if (shown.length === 0) return [];
  const metrics = metricsShown(sweep);
  const names = shortNames(shown.flatMap(({ values }) => Object.keys(values)));
  const heads = [
    "best",
    "trial",
    "id",
    ...metrics.map(metricHeading),
    ...(sweep.rungs.length > 1 ? ["rung"] : []),
  ];
  const rows = shown.map((trial, i) => [
    String(i + 1),
    String(trial.number),
    shortId(trial.id),
    ...metrics.map((metric) => metricText(metric, trial.metrics[metric])),
    ...(sweep.rungs.length > 1 ? [String(trial.rung)] : []),
  ]);
  const widths = heads.map((head, i) => Math.max(head.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const { palette } = canvas;
  const layOut = (cells: readonly string[], last: string, paint: Cell["paint"]): string =>
    line(
      [
        ...spaced(
          cells.map((text, i) => ({
            text: i === ID_COLUMN ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0),
            paint,
          })),
        ),
        { text: `${GAP}${last}`, paint: palette.dim },
      ],
      canvas,
    );
  return [
    layOut(heads, "settings", palette.dim),
    ...shown.map((trial, i) =>
      layOut(rows[i] ?? [], settingsOf(trial, names), i === 0 ? palette.green : plain),
    ),
  ];
}

/** What is wanted, and how many clean images are answered right. */
function metricsShown({ objectives, best }: SweepProgress): string[] {
  const wanted = objectives.map(({ metric }) => metric);
  const hasClean = best.some(({ metrics }) => metrics["clean"] !== undefined);
  return hasClean && !wanted.includes("clean") ? [...wanted, "clean"] : wanted;
}

function settingsOf({ values, note }: SweepTrial, names: ReadonlyMap<string, string>): string {
  const text = valuesText(values, names);
  return note === "" ? text : `${text} (${clean(note)})`;
}

/** "learning_rate=0.05 slots=8" */
export function valuesText(values: Values, names: ReadonlyMap<string, string>): string {
  return Object.entries(values)
    .map(([path, value]) => `${clean(names.get(path) ?? path)}=${clean(valueText(value))}`)
    .join(" ");
}

function spaced(cells: readonly Cell[]): Cell[] {
  return cells.map(({ text, paint }, i) => ({ text: i === 0 ? text : `${GAP}${text}`, paint }));
}

export function thousands(count: number): string {
  return Math.round(count).toLocaleString("en-US");
}

/** One line of a log. */
export function sweepPlainLine(sweep: SweepProgress, seconds: number): string {
  const over = trialsOver(sweep);
  const parts = [
    sweep.planned === undefined ? `${over} trials over` : `${over} of ${sweep.planned} trials over`,
    ...TRIAL_STATES.flatMap((state) => countText(sweep, state) ?? []),
    ...(sweep.samplesPerSecond > 0 ? [`${rate(sweep.samplesPerSecond)} img/s`] : []),
    ...bestWords(sweep),
    ...(sweep.etaSeconds === undefined ? [] : [`${duration(sweep.etaSeconds)} left`]),
  ];
  return `[${duration(seconds)}] sweep ${clean(sweep.name)}: ${parts.join(", ")}`;
}

function bestWords({ best: [first], objectives: [objective] }: SweepProgress): string[] {
  const value = objective === undefined ? undefined : first?.metrics[objective.metric];
  if (first === undefined || objective === undefined || value === undefined) return [];
  return [
    `best ${objective.metric} ${metricPhrase(objective.metric, value)} of ${trialName(first.number, first.id)}`,
  ];
}
