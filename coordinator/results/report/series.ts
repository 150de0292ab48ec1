/** Thins and smooths what was measured at every step. */
import type { StepMetric } from "../../../shared/results.js";
import { at } from "../../../shared/core/at.js";

export type TrainingMeasure = "loss" | "accuracy";

/** One point of a training curve: as measured, and the mean of its neighbourhood. */
interface TrainingPoint {
  step: number;
  raw: number;
  smooth: number;
}

/** More points than pixels only make the file large. */
const MAX_POINTS = 600;

/** How many steps the mean around a step takes in: a thirtieth of the run, odd, at least 3 and at most 301. */
export function smoothingWindow(stepCount: number): number {
  const half = Math.floor(stepCount / 60);
  return 2 * Math.min(150, Math.max(1, half)) + 1;
}

/**
 * Every k-th step's value with the centred mean over all steps around it (fewer at the ends). Steps whose value is
 * not finite are left out, so a diverged run still draws.
 */
export function trainingCurve(steps: readonly StepMetric[], measure: TrainingMeasure): TrainingPoint[] {
  const finite = steps.filter((step) => Number.isFinite(step[measure]));
  const half = (smoothingWindow(finite.length) - 1) / 2;
  const sums = [0];
  for (const step of finite) sums.push(at(sums, sums.length - 1) + step[measure]);

  const stride = Math.max(1, Math.ceil(finite.length / MAX_POINTS));
  const points: TrainingPoint[] = [];
  finite.forEach((step, i) => {
    if (i % stride !== 0 && i !== finite.length - 1) return;
    const first = Math.max(0, i - half);
    const end = Math.min(finite.length, i + half + 1);
    const smooth = (at(sums, end) - at(sums, first)) / (end - first);
    points.push({ step: step.step, raw: step[measure], smooth });
  });
  return points;
}
