/** The trials as plots show them: each with one number, the best told apart from the rest, thinned where there are too many. */
import { INKS, SERIES_INKS } from "../../report/plot-style.js";
import type { Objective } from "../../../../shared/config/objectives.js";
import type { TrialRow } from "../../../../shared/records/sweep-line.js";
import { thinned } from "../thinned.js";
import { isShare } from "../metric-text.js";
import { largest, least } from "../parameters.js";
import { type Scale, linearScale, logScale } from "./axes.js";

export const BEST_INK = SERIES_INKS[1].light;
export const DONE_INK = SERIES_INKS[0].light;
export const EARLY_INK = INKS.axis.light;

export interface PlottedTrial {
  row: TrialRow;
  /** The metric at its newest rung. */
  value: number;
  /** best: of those that are done; early: it was not trained to the end. */
  tone: "best" | "done" | "early";
}

/** So many at most are told apart as the best, and no more than this share. */
const MOST_BEST = 10;
const BEST_SHARE = 0.1;

/** Of all trials with a number, worst first, so that the best are drawn over the rest. */
export function plottedTrials(rows: readonly TrialRow[], { metric, goal }: Objective): PlottedTrial[] {
  const sign = goal === "maximize" ? 1 : -1;
  const plotted = rows.flatMap((row): PlottedTrial[] => {
    const value = row.metrics[metric];
    if (value === undefined || !Number.isFinite(value) || row.state === "failed") return [];
    return [{ row, value, tone: row.state === "done" ? "done" : "early" }];
  });
  const order: readonly PlottedTrial["tone"][] = ["early", "done"];
  plotted.sort((a, b) => order.indexOf(a.tone) - order.indexOf(b.tone) || sign * (a.value - b.value));
  const done = plotted.filter(({ tone }) => tone === "done").length;
  const field = done > 0 ? done : plotted.length;
  const best = Math.max(1, Math.min(MOST_BEST, Math.round(field * BEST_SHARE)));
  const first = plotted.length - best;
  return plotted.map((trial, i) => (i >= first ? { ...trial, tone: "best" } : trial));
}

/** At most `most`: the best and, evenly, of the rest. */
export function thinnedTrials(trials: readonly PlottedTrial[], most: number): PlottedTrial[] {
  const best = trials.filter(({ tone }) => tone === "best");
  const rest = trials.filter(({ tone }) => tone !== "best");
  return [...thinned(rest, most - best.length), ...best];
}

/** A loss that spans orders of magnitude gets a logarithmic axis. */
const WIDE = 100;

export function metricScale({ metric, goal }: Objective, values: readonly number[]): Scale {
  const [low, high] = [least(values), largest(values)];
  const write = isShare(metric) ? percentText : undefined;
  const isLog = goal === "minimize" && low > 0 && high / low > WIDE && !isShare(metric);
  return (isLog ? logScale : linearScale)(low, high, write);
}

function percentText(share: number): string {
  return `${Number((100 * share).toPrecision(4))} %`;
}

/** A number in [-0.5, 0.5) for each trial, evenly spread: tells dots of one category apart. */
export function spreadOf({ number }: Pick<TrialRow, "number">): number {
  const golden = 0.6180339887498949;
  return (((number + 0.5) * golden) % 1) - 0.5;
}

export function middleOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  const upper = sorted[half] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? NaN) + upper) / 2;
}
