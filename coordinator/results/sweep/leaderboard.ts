/** The leaderboard as rows of texts, before it is laid out for a terminal, a Markdown file or a page. */
import { count } from "../report/format.js";
import { type Analysis, type Board } from "./analysis.js";
import type { Estimate } from "./estimates.js";
import { metricHeading, metricText } from "./metric-text.js";
import { settingsText } from "./parameters.js";
import type { Standing } from "./standings.js";

/** Behind a number that must not be believed. */
export const UNRELIABLE_MARK = "!";
/** Behind the place of one that misses a constraint. */
export const UNMET_MARK = "×";
/** In place of a place. */
export const BEHIND_MARK = "–";
/** Before one on the Pareto front. */
export const FRONT_MARK = "*";

export interface BoardColumns {
  headings: readonly string[];
  rows: readonly BoardRow[];
  /** What the marks mean that are there. */
  legend: readonly string[];
}

export interface BoardRow {
  standing: Standing;
  /** One for each heading. */
  cells: readonly string[];
  /** What it sets. */
  settings: string;
}

/** The first `places` of a board. Beside its objectives it shows the other boards' metrics. */
export function boardColumns(analysis: Analysis, board: Board, places: number): BoardColumns {
  const shown = shownPlaces(board, places);
  const hasSeeds = shown.some(({ members }) => members.length > 1);
  const besides = otherMetrics(analysis, board);
  const headings = [
    "#",
    "trial",
    "id",
    ...board.objectives.flatMap(({ metric }) => [metricHeading(metric), "95 %"]),
    ...(hasSeeds ? ["seeds"] : []),
    ...besides.map(metricHeading),
    "images seen",
  ];
  const rows = shown.map((standing): BoardRow => {
    const cells = [
      placeText(standing),
      String(standing.best.number),
      idText(standing),
      ...board.objectives.flatMap(({ metric }, i) => {
        const estimate = standing.estimates[i];
        return [metricText(metric, estimate?.value), widestInterval(metric, estimate)];
      }),
      ...(hasSeeds ? [String(standing.members.length)] : []),
      ...besides.map((metric) => metricText(metric, meanOf(standing, metric))),
      count(standing.best.samples),
    ];
    return { standing, cells, settings: settingsText(standing.best, analysis.parameters) };
  });
  return { headings, rows, legend: legendOf(shown) };
}

/** Those that are ranked, then those behind. */
export function shownPlaces({ standings, behind }: Board, places: number): Standing[] {
  return [...standings, ...behind].slice(0, places);
}

/** Metrics of the other boards, which a reader compares too. */
export function otherMetrics({ boards }: Analysis, board: Board): string[] {
  const own = board.objectives.map(({ metric }) => metric);
  const all = boards.flatMap(({ objectives }) => objectives.map(({ metric }) => metric));
  return [...new Set(all)].filter((metric) => !own.includes(metric));
}

export function meanOf({ members }: Standing, metric: string): number | undefined {
  const values = members.flatMap((row) => row.metrics[metric] ?? []);
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;
}

function placeText({ place, unmet, isOnFront }: Standing): string {
  if (place === undefined) return BEHIND_MARK;
  return `${isOnFront ? FRONT_MARK : ""}${place}${unmet.length > 0 ? UNMET_MARK : ""}`;
}

/** The beginning of the id. */
function idText({ best, members }: Standing): string {
  const mark = members.some(({ unreliable = [] }) => unreliable.length > 0) ? UNRELIABLE_MARK : "";
  return `${best.trial.slice(0, 8)}${mark}`;
}

/** Over the seeds where there are several: that one holds the images' chance too. */
function widestInterval(metric: string, estimate: Estimate | undefined): string {
  const interval = estimate?.overSeeds ?? estimate?.overImages;
  if (interval === undefined) return "";
  return `${metricText(metric, interval.low)}–${metricText(metric, interval.high)}`;
}

function legendOf(shown: readonly Standing[]): string[] {
  const has = (test: (standing: Standing) => boolean): boolean => shown.some(test);
  const hasSeeds = has(({ estimates: [first] }) => first?.overSeeds !== undefined);
  const hasImages = has(
    ({ estimates: [first] }) => first?.overSeeds === undefined && first?.overImages !== undefined,
  );
  return [
    ...(hasSeeds
      ? ["95 %: interval over the seeds; a trial is named by its best seed, numbers are means"]
      : []),
    ...(hasImages
      ? [`95 %: interval over the test images${hasSeeds ? " where there is one seed" : ""}`]
      : []),
    ...(has(({ place }) => place === undefined)
      ? [`${BEHIND_MARK} not as far: an earlier rung's numbers, which do not compare`]
      : []),
    ...(has(({ isOnFront }) => isOnFront) ? [`${FRONT_MARK} on the Pareto front`] : []),
    ...(has(({ unmet }) => unmet.length > 0) ? [`${UNMET_MARK} misses a constraint`] : []),
    ...(has(({ members }) => members.some(({ unreliable = [] }) => unreliable.length > 0))
      ? [`${UNRELIABLE_MARK} its evaluation is marked unreliable`]
      : []),
  ];
}

/** "the best 50 of 10,000 settings": undefined where all are shown. */
export function shownOf(board: Board, places: number): string | undefined {
  const all = board.standings.length;
  const what = board.standings.some(({ members }) => members.length > 1) ? "settings" : "trials";
  return all > places ? `the best ${count(places)} of ${count(all)} ${what}` : undefined;
}
