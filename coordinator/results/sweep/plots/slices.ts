/** The metric against one parameter: a dot a trial, and the median along the way. */
import type { Objective } from "../../../../shared/config/objectives.js";
import { type ShownParameter, placeOf } from "../parameters.js";
import { type Box, bottomAxis, dots, leftAxis, line, parameterScale, rings, svgOf } from "./axes.js";
import {
  BEST_INK,
  DONE_INK,
  EARLY_INK,
  type PlottedTrial,
  metricScale,
  middleOf,
  spreadOf,
  thinnedTrials,
} from "./plotted.js";
import { INKS } from "../../report/plot-style.js";

const WIDTH = 320;
const HEIGHT = 214;
const BOX: Box = { left: 52, top: 12, width: WIDTH - 64, height: HEIGHT - 44 };
const MOST_DOTS = 600;
/** Parts of a range that have a median of their own, and how many trials one needs. */
const PARTS = 10;
const FEWEST_FOR_MEDIAN = 3;
/** Of a category's width. */
const SPREAD = 0.6;

interface Placed {
  x: number;
  /** Without the spread. */
  centre: number;
  trial: PlottedTrial;
}

/** Undefined where fewer than two trials set the parameter. */
export function sliceSvg(
  trials: readonly PlottedTrial[],
  parameter: ShownParameter,
  objective: Objective,
): string | undefined {
  const scale = parameterScale(parameter);
  const width = parameter.range === undefined ? SPREAD / parameter.categories.length : 0;
  const placed = (trial: PlottedTrial): Placed[] => {
    const place = placeOf(parameter, trial.row);
    if (place === undefined) return [];
    const centre = scale.place(place);
    return [{ x: centre + width * spreadOf(trial.row), centre, trial }];
  };
  const all = trials.flatMap(placed);
  if (all.length < 2) return undefined;
  const values = metricScale(
    objective,
    all.map(({ trial }) => trial.value),
  );
  const shown = thinnedTrials(
    all.map(({ trial }) => trial),
    MOST_DOTS,
  ).flatMap(placed);
  const of = (tone: PlottedTrial["tone"]): [number, number][] =>
    shown.filter(({ trial }) => trial.tone === tone).map(({ x, trial }) => [x, values.place(trial.value)]);
  const size = shown.length > 200 ? 3.5 : 5;
  const median = medians(all, parameter.range === undefined ? parameter.categories.length : PARTS);
  return svgOf(
    WIDTH,
    HEIGHT,
    bottomAxis(scale, BOX) +
      leftAxis(values, BOX) +
      dots(of("early"), BOX, { size, ink: EARLY_INK, opacity: 0.7 }) +
      dots(of("done"), BOX, { size, ink: DONE_INK, opacity: 0.7 }) +
      line(
        median.map(([x, value]) => [x, values.place(value)]),
        BOX,
        { ink: INKS.text.light, width: 1.6, dash: "4 3" },
      ) +
      dots(of("best"), BOX, { size, ink: BEST_INK }) +
      rings(of("best"), BOX, { radius: 4, ink: BEST_INK }),
  );
}

/** Of the trials that are done where there are any: the others' numbers are from earlier rungs. */
function medians(all: readonly Placed[], parts: number): [number, number][] {
  const done = all.filter(({ trial }) => trial.row.state === "done");
  const groups = new Map<number, Placed[]>();
  for (const one of done.length > 0 ? done : all) {
    const part = Math.min(parts - 1, Math.max(0, Math.floor(one.centre * parts)));
    const members = groups.get(part);
    if (members === undefined) groups.set(part, [one]);
    else members.push(one);
  }
  return [...groups]
    .filter(([, members]) => members.length >= FEWEST_FOR_MEDIAN)
    .sort(([a], [b]) => a - b)
    .map(([, members]) => [
      middleOf(members.map(({ centre }) => centre)),
      middleOf(members.map(({ trial }) => trial.value)),
    ]);
}
