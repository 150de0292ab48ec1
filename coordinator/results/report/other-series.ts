/** Curves beside the main ones, as rows for a terminal: other procedures, attacks and norms. */
import {
  type CurvePoint,
  type ModelResult,
  PERTURBATION_KINDS,
  procedureOf,
  seriesOf,
} from "../../../shared/results.js";
import { mainPoints } from "./curves.js";
import { at } from "../../../shared/core/at.js";

interface SeriesRow {
  model: string;
  /** "modern adversarial pgd-40". */
  series: string;
  points: readonly CurvePoint[];
}

/** Rows with the same strengths belong into one table. */
export interface SeriesGroup {
  /** "ε" in the norm. */
  heading: string;
  strengths: readonly number[];
  rows: SeriesRow[];
}

/** `withMain`: those too that have tables and plots of their own elsewhere. */
export function otherSeries(models: readonly ModelResult[], withMain = false): SeriesGroup[] {
  const groups = new Map<string, SeriesGroup>();
  const order = new Map<string, number>();
  for (const model of models) {
    const shown = new Set(PERTURBATION_KINDS.flatMap((kind) => mainPoints(model, kind).map(seriesOf)));
    for (const [key, points] of bySeries(model)) {
      if (!withMain && shown.has(key)) continue;
      if (!order.has(key)) order.set(key, order.size);
      const strengths = points.map(({ strength }) => strength);
      const first = at(points, 0);
      const norm = first.norm === "l2" ? "L2 " : "";
      const where = `${norm}${strengths.join(" ")}`;
      const group = groups.get(where) ?? { heading: `error % at ${norm}ε =`, strengths, rows: [] };
      groups.set(where, group);
      group.rows.push({ model: model.name, series: rowName(first), points });
    }
  }
  // The rows of one series beside each other, whatever model they are of.
  for (const group of groups.values()) group.rows.sort((a, b) => rank(a, order) - rank(b, order));
  return [...groups.values()];
}

function rank({ points }: SeriesRow, order: ReadonlyMap<string, number>): number {
  return order.get(seriesOf(at(points, 0))) ?? 0;
}

function bySeries(model: ModelResult): Map<string, CurvePoint[]> {
  const found = new Map<string, CurvePoint[]>();
  for (const point of model.curves)
    found.set(seriesOf(point), [...(found.get(seriesOf(point)) ?? []), point]);
  return found;
}

function rowName(point: CurvePoint): string {
  const { kind, attack = kind } = point;
  return `${procedureOf(point)} ${kind} ${attack}`;
}
