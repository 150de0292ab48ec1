/** The metric from rung to rung: a line a trial. */
import { INKS } from "../../report/plot-style.js";
import type { Objective } from "../../../../shared/config/objectives.js";
import { largest, least } from "../parameters.js";
import { type Box, bottomAxis, dots, leftAxis, line, linearScale, logScale, svgOf } from "./axes.js";
import { BEST_INK, DONE_INK, EARLY_INK, type PlottedTrial, metricScale, thinnedTrials } from "./plotted.js";

const WIDTH = 400;
const HEIGHT = 270;
const BOX: Box = { left: 54, top: 12, width: WIDTH - 70, height: HEIGHT - 56 };
const MOST_LINES = 250;
/** Rungs that are so many times as long are shown on a logarithmic axis. */
const WIDE = 4;

interface Curve {
  trial: PlottedTrial;
  points: readonly { samples: number; value: number }[];
}

/** Undefined where no trial was measured at two rungs: then there is nothing to follow. */
export function learningSvg(trials: readonly PlottedTrial[], objective: Objective): string | undefined {
  const curves = thinnedTrials(trials, MOST_LINES).map((trial) => curveOf(trial, objective));
  const points = curves.flatMap((curve) => curve.points);
  if (!curves.some((curve) => curve.points.length > 1)) return undefined;
  const samples = points.map((point) => point.samples);
  const [first, last] = [least(samples), largest(samples)];
  const across = (first > 0 && last / first >= WIDE ? logScale : linearScale)(first, last);
  const up = metricScale(
    objective,
    points.map(({ value }) => value),
  );
  const placesOf = (curve: Curve): [number, number][] =>
    curve.points.map((point) => [across.place(point.samples), up.place(point.value)]);
  const of = (tone: PlottedTrial["tone"]): Curve[] => curves.filter(({ trial }) => trial.tone === tone);
  const ends = (some: readonly Curve[]): [number, number][] =>
    some.flatMap((curve) => placesOf(curve).slice(-1));
  return svgOf(
    WIDTH,
    HEIGHT,
    bottomAxis(across, BOX, "training images seen") +
      leftAxis(up, BOX) +
      rungLines(samples, across.place) +
      of("early")
        .map((curve) => line(placesOf(curve), BOX, { ink: EARLY_INK, opacity: 0.6 }))
        .join("") +
      dots(ends(of("early")), BOX, { size: 3.5, ink: EARLY_INK }) +
      of("done")
        .map((curve) => line(placesOf(curve), BOX, { ink: DONE_INK, opacity: 0.55, width: 1.2 }))
        .join("") +
      dots(ends(of("done")), BOX, { size: 4, ink: DONE_INK }) +
      of("best")
        .map((curve) => line(placesOf(curve), BOX, { ink: BEST_INK, width: 2 }))
        .join("") +
      dots(ends(of("best")), BOX, { size: 5.5, ink: BEST_INK }),
  );
}

function curveOf(trial: PlottedTrial, { metric }: Objective): Curve {
  const points = trial.row.rungs.flatMap(({ samples, metrics }) => {
    const value = metrics[metric];
    return value === undefined || !Number.isFinite(value) ? [] : [{ samples, value }];
  });
  return { trial, points };
}

function rungLines(samples: readonly number[], place: (value: number) => number): string {
  return [...new Set(samples)]
    .slice(0, 20)
    .map(place)
    .map((x) => {
      const ends = [
        [x, 0],
        [x, 1],
      ] as const;
      return line(ends, BOX, { ink: INKS.axis.light, dash: "2 3" });
    })
    .join("");
}
