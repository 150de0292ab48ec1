/** The lemma's figures: error against units, and what a block answers along rays from the template. */
import type { TopLevelSpec } from "vega-lite";
import {
  type BallSettings,
  type BlockError,
  UNIT_NAMES,
  type UnitName,
  planeDecisions,
  radialMoments,
  rayResponses,
} from "./ball-blocks.js";
import { type Panel, figure, panelTitle, titleOf, whole } from "../report/plot-frame.js";
import { FONT_FAMILY, INKS, SERIES_INKS, seriesStyle } from "../report/plot-style.js";
import { at } from "../../../shared/core/at.js";

export const UNIT_TITLES: Readonly<Record<UnitName, string>> = { mrelu: "mReLU", rbf: "RBF" };

/** Error against units per block, both axes logarithmic: marks measured, lines predicted. */
export function errorSpec(errors: readonly BlockError[], blocks: number, isFile: boolean): TopLevelSpec {
  const panel = errorPanel(errors, blocks);
  if (!isFile) return whole({ ...panel, title: null });
  return figure(
    [panel],
    "Points put on the wrong side of the ball",
    "blue, circles: mReLU · orange, squares: RBF · line: expected of normal means · bar: 95 % interval over blocks",
  );
}

function errorPanel(errors: readonly BlockError[], blocks: number): Panel {
  const values = errors.map(({ unit, units, error, deviation, predicted }) => {
    const half = (1.96 * deviation) / Math.sqrt(blocks);
    return { unit, units, error, predicted, low: Math.max(1e-4, error - half), high: error + half };
  });
  const sizes = [...new Set(errors.map(({ units }) => units))];
  const x = {
    field: "units",
    type: "quantitative",
    title: "units in a block",
    scale: { type: "log", base: 2, nice: false },
    axis: { values: sizes, format: "d", labelOverlap: "greedy" },
  };
  const low = Math.min(...values.map(({ low: bottom, predicted }) => Math.min(bottom, predicted)));
  const ticks = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5];
  const bottom = Math.max(0.001, ticks.findLast((tick) => tick <= low) ?? 0.002);
  const y = {
    type: "quantitative",
    title: "points on the wrong side",
    scale: { type: "log", domain: [bottom, 0.6], nice: false, clamp: true },
    axis: { values: ticks.filter((tick) => tick >= bottom), format: "~%" },
  };
  const layer = UNIT_NAMES.flatMap((unit, place): Panel[] => {
    const { ink, shape, dash } = seriesStyle(place);
    const transform = [{ filter: { field: "unit", equal: unit } }];
    return [
      {
        transform,
        mark: { type: "line", color: ink.light, strokeWidth: 1.5, strokeDash: [...dash] },
        encoding: { x, y: { ...y, field: "predicted" } },
      },
      {
        transform,
        mark: { type: "rule", color: ink.light, strokeWidth: 1.5 },
        encoding: { x, y: { ...y, field: "low" }, y2: { field: "high" } },
      },
      {
        transform,
        mark: { type: "point", filled: true, opacity: 1, size: 52, color: ink.light, shape },
        encoding: { x, y: { ...y, field: "error" } },
      },
    ];
  });
  return { width: 460, height: 300, title: panelTitle("Error against units"), data: { values }, layer };
}

const RAYS = 12;

/** The mean of 1, 16, 256 units along rays: thin lines. The limit of infinitely many: dashed. */
export function raysSpec(settings: BallSettings, unit: UnitName): TopLevelSpec {
  const title = `${RAYS} rays from the template, ${UNIT_TITLES[unit]}`;
  return figure(rayPanels(settings, unit), title, "dashed: infinitely many units");
}

/** The panels by themselves, for a page: title and specification. */
export function raysPlots(settings: BallSettings, unit: UnitName): { title: string; spec: TopLevelSpec }[] {
  return rayPanels(settings, unit).map((panel) => ({
    title: titleOf(panel),
    spec: whole({ ...panel, title: null }),
  }));
}

function rayPanels(settings: BallSettings, unit: UnitName): Panel[] {
  const { radius } = settings;
  const distances = Array.from({ length: 61 }, (_, i) => (2.5 * radius * i) / 60);
  return [1, 16, 256].map((units): Panel => {
    const answers = rayResponses(settings, unit, units, distances, RAYS);
    const values = answers.flatMap((ray, r) =>
      ray.map((answer, i) => ({ ray: r, distance: at(distances, i) / radius, answer })),
    );
    const limit = distances.map((distance) => ({
      distance: distance / radius,
      answer: radialMoments(unit, settings, distance).mean,
    }));
    const x = {
      field: "distance",
      type: "quantitative",
      title: "distance from the template, in radii",
      axis: { values: [0, 0.5, 1, 1.5, 2, 2.5] },
      scale: { domain: [0, 2.5], nice: false },
    };
    const y = {
      field: "answer",
      type: "quantitative",
      title: "mean of the units",
      axis: { values: [0, 0.2, 0.4, 0.6, 0.8, 1] },
      scale: { domain: [0, 1], nice: false },
    };
    const ink = at(SERIES_INKS, UNIT_NAMES.indexOf(unit)).light;
    return {
      width: 220,
      height: 170,
      title: panelTitle(units === 1 ? "1 unit" : `${units} units`),
      layer: [
        {
          data: { values: [{ distance: 1 }] },
          mark: { type: "rule", color: INKS.muted.light, strokeDash: [1.5, 3] },
          encoding: { x },
        },
        {
          data: { values },
          mark: { type: "line", color: ink, strokeWidth: 1, opacity: 0.55 },
          encoding: { x, y, detail: { field: "ray" } },
        },
        {
          data: { values: limit },
          mark: { type: "line", color: INKS.text.light, strokeWidth: 2, strokeDash: [6, 3] },
          encoding: { x, y },
        },
      ],
    };
  });
}

/** Units of the blocks that are drawn in the plane. */
export const PLANE_SIZES = [4, 16, 64, 256];

const CELLS = 72;
const EXTENT = 2;
const SIDE = 170;

/** In the plane: the region a block calls "inside" (filled), beside the true ball (line). */
export function planeSvg(seed: number, unit: UnitName, sizes: readonly number[] = PLANE_SIZES): string {
  const gap = 16;
  const width = sizes.length * (SIDE + gap) - gap + 4;
  const ink = at(SERIES_INKS, UNIT_NAMES.indexOf(unit)).light;
  const panels = sizes.map((units, k) => {
    const left = 2 + k * (SIDE + gap);
    const centre = `cx="${left + SIDE / 2}" cy="${22 + SIDE / 2}"`;
    return (
      `<text x="${left}" y="14" font-size="13" fill="${INKS.text.light}">${units} units</text>` +
      `<rect x="${left}" y="22" width="${SIDE}" height="${SIDE}" fill="none" stroke="${INKS.axis.light}"/>` +
      `<path d="${regionPath(planeDecisions(seed, unit, units, CELLS, EXTENT), left)}" fill="${ink}" fill-opacity="0.45"/>` +
      `<circle ${centre} r="${SIDE / 2 / EXTENT}" fill="none" stroke="${INKS.text.light}" stroke-width="1.8" stroke-dasharray="5 3"/>` +
      `<circle ${centre} r="2" fill="${INKS.text.light}"/>`
    );
  });
  const height = SIDE + 26;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="${FONT_FAMILY}">` +
    `${panels.join("")}</svg>`
  );
}

/** Runs of cells as rectangles of one path. */
function regionPath(inside: readonly boolean[], left: number): string {
  const size = SIDE / CELLS;
  let path = "";
  for (let row = 0; row < CELLS; row++) {
    for (let column = 0; column < CELLS; column++) {
      if (inside[row * CELLS + column] !== true) continue;
      const begin = column;
      while (column + 1 < CELLS && inside[row * CELLS + column + 1] === true) column++;
      const round = (value: number): number => Number(value.toFixed(2));
      const x = round(left + begin * size);
      path += `M${x} ${round(22 + row * size)}h${round((column + 1 - begin) * size)}v${round(size)}H${x}z`;
    }
  }
  return path;
}
