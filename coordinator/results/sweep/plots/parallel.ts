/** Parallel coordinates: a line a trial, through what it sets to what came of it. */
import { INKS } from "../../report/plot-style.js";
import type { Objective } from "../../../../shared/config/objectives.js";
import type { TrialRow } from "../../../../shared/records/sweep-line.js";
import { metricHeading } from "../metric-text.js";
import { type ShownParameter, placeOf } from "../parameters.js";
import { type Box, type Scale, line, parameterScale, px, svgOf, textAt } from "./axes.js";
import {
  BEST_INK,
  DONE_INK,
  EARLY_INK,
  type PlottedTrial,
  metricScale,
  spreadOf,
  thinnedTrials,
} from "./plotted.js";

export const PARALLEL_WIDTH = 1060;
const HEIGHT = 380;
const TOP = 44;
const BOTTOM = 34;
const LEFT = 24;
/** Room for the last axis's texts. */
const RIGHT = 96;
const MOST_LINES = 300;
/** Where a line passes an axis whose parameter the trial does not set. */
const UNSET = -0.07;
const SPREAD = 0.5;

interface Axis {
  name: string;
  scale: Scale;
  place: (trial: PlottedTrial) => number;
  hasUnset: boolean;
}

/** `parameters` from left to right; the metric is the last axis. */
export function parallelSvg(
  trials: readonly PlottedTrial[],
  parameters: readonly ShownParameter[],
  objective: Objective,
): string {
  const values = metricScale(
    objective,
    trials.map(({ value }) => value),
  );
  const axes: Axis[] = [
    ...parameters.map((parameter) => parameterAxis(parameter, trials)),
    {
      name: metricHeading(objective.metric),
      scale: values,
      place: ({ value }) => values.place(value),
      hasUnset: false,
    },
  ];
  const box: Box = {
    left: LEFT,
    top: TOP,
    width: PARALLEL_WIDTH - LEFT - RIGHT,
    height: HEIGHT - TOP - BOTTOM,
  };
  const x = (i: number): number => (axes.length > 1 ? i / (axes.length - 1) : 0);
  const lines = thinnedTrials(trials, MOST_LINES).map((trial) =>
    line(
      axes.map((axis, i) => [x(i), axis.place(trial)] as const),
      box,
      look(trial),
    ),
  );
  return svgOf(
    PARALLEL_WIDTH,
    HEIGHT,
    lines.join("") + axes.map((axis, i) => axisSvg(axis, box, x(i), axes.length)).join(""),
  );
}

function parameterAxis(parameter: ShownParameter, trials: readonly PlottedTrial[]): Axis {
  const scale = parameterScale(parameter);
  const spread = parameter.range === undefined ? SPREAD / parameter.categories.length : 0;
  const of = (row: TrialRow): number => {
    const place = placeOf(parameter, row);
    return place === undefined ? UNSET : scale.place(place) + spread * spreadOf(row);
  };
  return {
    name: parameter.name,
    scale,
    place: ({ row }) => of(row),
    hasUnset: trials.some(({ row }) => placeOf(parameter, row) === undefined),
  };
}

function look({ tone }: PlottedTrial): { ink: string; width: number; opacity: number } {
  if (tone === "best") return { ink: BEST_INK, width: 2, opacity: 0.95 };
  return tone === "done"
    ? { ink: DONE_INK, width: 1.1, opacity: 0.45 }
    : { ink: EARLY_INK, width: 1, opacity: 0.4 };
}

function axisSvg({ name, scale, hasUnset }: Axis, box: Box, place: number, axes: number): string {
  const x = box.left + place * box.width;
  const isLast = place === 1 || axes === 1;
  const room = isLast ? RIGHT - 10 : box.width / (axes - 1) - 12;
  const anchor = place === 0 ? "start" : isLast ? "end" : "middle";
  const titleX = place === 0 ? 2 : isLast ? PARALLEL_WIDTH - 2 : x;
  const y = (at: number): number => box.top + (1 - at) * box.height;
  const ticks = [...scale.ticks, ...(hasUnset ? [{ place: UNSET, text: "not set" }] : [])].map(
    (tick) =>
      `<path d="M${px(x - 3)} ${px(y(tick.place))}h6" stroke="${INKS.muted.light}"/>` +
      textAt(x + 7, y(tick.place) + 4, tick.text, { ink: INKS.text.light, room, hasEdge: true }),
  );
  return (
    `<path d="M${px(x)} ${px(box.top)}v${px(box.height)}" stroke="${INKS.muted.light}" stroke-width="1.4"/>` +
    textAt(titleX, 18, name, { anchor, ink: INKS.text.light, isBold: true, room: isLast ? 190 : room + 20 }) +
    ticks.join("")
  );
}
