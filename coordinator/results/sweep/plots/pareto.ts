/** Two objectives against each other: the front, and what it leaves behind. */
import type { Objective } from "../../../../shared/config/objectives.js";
import { thinned } from "../thinned.js";
import { metricHeading } from "../metric-text.js";
import type { Standing } from "../standings.js";
import { type Box, bottomAxis, dots, leftAxis, line, svgOf } from "./axes.js";
import { BEST_INK, DONE_INK, EARLY_INK, metricScale } from "./plotted.js";

const WIDTH = 400;
const HEIGHT = 300;
const BOX: Box = { left: 58, top: 26, width: WIDTH - 74, height: HEIGHT - 72 };
const MOST_DOTS = 800;

interface Point {
  x: number;
  y: number;
  standing: Standing;
}

/** Objectives `across` and `up` by their places; undefined where nobody reports both. */
export function paretoSvg(
  standings: readonly Standing[],
  objectives: readonly Objective[],
  across: number,
  up: number,
): string | undefined {
  const [first, second] = [objectives[across], objectives[up]];
  const points = standings.flatMap((standing): Point[] => {
    const [x, y] = [standing.estimates[across]?.value, standing.estimates[up]?.value];
    return x === undefined || y === undefined || !Number.isFinite(x + y) ? [] : [{ x, y, standing }];
  });
  if (first === undefined || second === undefined || points.length === 0) return undefined;
  const bottom = metricScale(
    first,
    points.map(({ x }) => x),
  );
  const left = metricScale(
    second,
    points.map(({ y }) => y),
  );
  const places = (some: readonly Point[]): [number, number][] =>
    some.map(({ x, y }) => [bottom.place(x), left.place(y)]);
  const front = points.filter(({ standing }) => standing.isOnFront).sort((a, b) => a.x - b.x);
  const behind = points.filter(({ standing }) => !standing.isOnFront);
  const [meeting, missing] = [
    behind.filter(({ standing }) => standing.unmet.length === 0),
    behind.filter(({ standing }) => standing.unmet.length > 0),
  ];
  return svgOf(
    WIDTH,
    HEIGHT,
    bottomAxis(bottom, BOX, metricHeading(first.metric)) +
      leftAxis(left, BOX, metricHeading(second.metric)) +
      dots(places(thinned(missing, MOST_DOTS)), BOX, { size: 4.5, ink: EARLY_INK }) +
      dots(places(thinned(meeting, MOST_DOTS)), BOX, { size: 4.5, ink: DONE_INK, opacity: 0.7 }) +
      // Of more objectives the front is no line in this plane.
      (objectives.length === 2 ? line(places(front), BOX, { ink: BEST_INK, width: 1.4, dash: "4 3" }) : "") +
      dots(places(front), BOX, { size: 6, ink: BEST_INK }),
  );
}
