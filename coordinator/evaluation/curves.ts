/** Error against strength, from outcomes per image. */
import {
  type CurvePoint,
  PERTURBATION_KINDS,
  type PerturbationKind,
  PROCEDURES,
  procedureOf,
  type SeriesLabel,
  seriesOf,
} from "../../shared/results.js";
import type { CurveOutcomes } from "../../shared/records/image-outcomes.js";
import { wilsonInterval } from "../../shared/core/wilson.js";

/** The outcomes of one task, as far as a curve needs them. */
export interface MeasuredRange {
  task: SeriesLabel & { kind: PerturbationKind };
  outcomes: readonly CurveOutcomes[];
}

interface Series {
  label: SeriesLabel & { kind: PerturbationKind };
  points: Map<number, { n: number; errors: number; confidence: number }>;
}

/**
 * One point for each series and strength: the paper's procedure first, kinds in their own order, then series as they
 * first came, strengths rising. `clean` is measured, not drawn: its strength is 0.
 */
export function curvesOf(ranges: readonly MeasuredRange[]): CurvePoint[] {
  const tally = new CurveTally();
  for (const range of ranges) tally.add(range);
  const rank = ({ label }: Series): number =>
    PROCEDURES.indexOf(procedureOf(label)) * PERTURBATION_KINDS.length +
    PERTURBATION_KINDS.indexOf(label.kind);
  return tally.series.sort((a, b) => rank(a) - rank(b)).flatMap(pointsOf);
}

/** Curves as they come in: the work for a range does not grow with what was measured before. */
export class CurveTally {
  readonly #all = new Map<string, Series>();

  get series(): Series[] {
    return [...this.#all.values()];
  }

  /** The points so far of the series that this range belongs to. */
  add({ task, outcomes }: MeasuredRange): CurvePoint[] {
    const key = seriesOf(task);
    const series: Series = this.#all.get(key) ?? { label: task, points: new Map() };
    this.#all.set(key, series);
    for (const { strength, wrong, confidences } of outcomes) {
      const point = series.points.get(strength) ?? { n: 0, errors: 0, confidence: 0 };
      point.n += wrong.length;
      point.errors += wrong.reduce((sum, flag) => sum + flag, 0);
      point.confidence += confidences.reduce((sum, value) => sum + value, 0);
      series.points.set(strength, point);
    }
    return pointsOf(series);
  }
}

function pointsOf({ label, points }: Series): CurvePoint[] {
  const { kind, protocol, attack, norm } = label;
  return [...points]
    .sort(([a], [b]) => a - b)
    .map(([strength, { n, errors, confidence }]) => {
      const { low, high } = wilsonInterval(errors, n);
      return {
        kind,
        strength,
        n,
        error: errors / n,
        ci_low: low,
        ci_high: high,
        mean_confidence: confidence / n,
        ...(protocol === undefined ? {} : { protocol }),
        ...(attack === undefined ? {} : { attack }),
        ...(norm === undefined ? {} : { norm }),
      };
    });
}
