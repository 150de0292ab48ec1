/** What the sanity checks of METHOD.md 4.4 look at, and how they say what they saw. */
import type { Diagnostics } from "../../../shared/diagnostics.js";
import type { ModelResult, SanityCheck } from "../../../shared/results.js";
import type { ImageSeries } from "../image-series.js";
import { wilsonInterval } from "../../../shared/core/wilson.js";
import type { ImageOutcomes } from "../../../shared/records/image-outcomes.js";

export interface Evidence {
  /** Of one network. */
  series: readonly ImageSeries[];
  diagnostics: Diagnostics | undefined;
  /** At this L∞ strength every image must fall. */
  everything: number;
}

/** A check's finding, before it is known which curves that concerns. */
export type Finding = Pick<SanityCheck, "status" | "detail">;

export interface NumberedCheck extends SanityCheck {
  /** Keys of the series that a failure concerns; absent: all that gradients made. */
  concerns?: string[];
}

export const notRun = (detail: string): Finding => ({ status: "not run", detail });
export const passed = (detail: string): Finding => ({ status: "passed", detail });
export const failed = (detail: string): Finding => ({ status: "failed", detail });
export const noted = (detail: string): Finding => ({ status: "noted", detail });

export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** Two series on the same images at the same strength: images that only one of them has wrong. */
export interface Paired {
  strength: number;
  /** Images that both saw. */
  n: number;
  onlyFirst: number;
  onlySecond: number;
}

export function paired(first: ImageOutcomes, second: ImageOutcomes): Paired {
  const n = Math.min(first.wrong.length, second.wrong.length);
  let [onlyFirst, onlySecond] = [0, 0];
  for (let i = 0; i < n; i++) {
    if (first.wrong[i] === 1 && second.wrong[i] === 0) onlyFirst++;
    if (first.wrong[i] === 0 && second.wrong[i] === 1) onlySecond++;
  }
  return { strength: second.strength, n, onlyFirst, onlySecond };
}

/** Pairs at every strength that both series have. */
export function pairedSeries(first: ImageSeries, second: ImageSeries): Paired[] {
  return first.points.flatMap((point) => {
    const other = second.points.find(({ strength }) => strength === point.strength);
    return other === undefined ? [] : [paired(point, other)];
  });
}

/**
 * Is `more` above `fewer` beyond chance? Of the images on which two attacks disagree, either one is as likely to have won
 * if they are equally strong (McNemar 1947): two standard deviations.
 */
export function exceeds(more: number, fewer: number): boolean {
  return more - fewer > 2 * Math.sqrt(more + fewer);
}

export function errorOf(point: ImageOutcomes): number {
  return point.wrong.reduce((sum, flag) => sum + flag, 0) / point.wrong.length;
}

/** Is the share above `limit` beyond chance: the lower end of its 95 % interval? */
export function surelyAbove(count: number, n: number, limit: number): boolean {
  return wilsonInterval(count, n).low > limit;
}

/** Headline strength of a data set's modern evaluation is whatever was measured nearest below it. */
export function pointNear(
  result: ModelResult,
  attack: string,
  strength: number,
): ModelResult["curves"][0] | undefined {
  return result.curves
    .filter((point) => point.protocol === "modern" && point.attack === attack && point.norm === "linf")
    .filter((point) => Math.abs(point.strength - strength) < 1e-9)[0];
}
