/** Error against strength, from outcomes per image. */
import { type CurvePoint, PERTURBATION_KINDS, type PerturbationKind } from "../../shared/results.js";
import { wilsonInterval } from "./wilson.js";

/** The outcomes of one task, as far as a curve needs them. */
export interface MeasuredRange {
  task: { kind: PerturbationKind };
  outcomes: { strength: number; wrong: Uint8Array; confidences: Float32Array }[];
}

/** One point for each kind and strength, strengths rising; `clean` is measured, not drawn: its strength is 0. */
export function curvesOf(ranges: readonly MeasuredRange[]): CurvePoint[] {
  return PERTURBATION_KINDS.flatMap((kind) => {
    const points = new Map<number, { n: number; errors: number; confidence: number }>();
    for (const range of ranges.filter(({ task }) => task.kind === kind)) {
      for (const { strength, wrong, confidences } of range.outcomes) {
        const point = points.get(strength) ?? { n: 0, errors: 0, confidence: 0 };
        point.n += wrong.length;
        point.errors += wrong.reduce((sum, flag) => sum + flag, 0);
        point.confidence += confidences.reduce((sum, value) => sum + value, 0);
        points.set(strength, point);
      }
    }
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
        };
      });
  });
}
