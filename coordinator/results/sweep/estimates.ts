/** What is known of a setting's metric: a mean over its seeds, and how far chance may have moved it. */
import { type Interval, differenceInterval, wilsonInterval } from "../../../shared/core/wilson.js";
import type { TrialRow } from "../../../shared/records/sweep-line.js";
import { boundsOf, isShare } from "./metric-text.js";

export interface Estimate {
  /** Over the seeds. */
  value: number;
  /** Trials behind it. */
  seeds: number;
  /** 95 % of the mean over further seeds: Student's t, within what the metric can be. Absent with one seed. */
  overSeeds?: Interval;
  /** Half the width of that interval where nothing bounds it: by it, leads are judged. */
  seedSpread?: number;
  /** 95 % over further test images: Wilson's. Absent for what is no mean over images. */
  overImages?: Interval;
}

/** Student's t, 97.5 %, by degrees of freedom from 1 on. */
const T_975 = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131,
  2.12, 2.11, 2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];
const Z_975 = 1.96;

/** Undefined where no trial of it reports the metric. */
export function estimateOf(metric: string, members: readonly TrialRow[]): Estimate | undefined {
  const values = members.flatMap((row) => row.metrics[metric] ?? []).filter(Number.isFinite);
  if (values.length === 0) return undefined;
  const value = values.reduce((sum, one) => sum + one, 0) / values.length;
  const seedSpread = spreadOf(values, value);
  const overImages = imageInterval(metric, value, members);
  return {
    value,
    seeds: values.length,
    ...(seedSpread === undefined
      ? {}
      : { seedSpread, overSeeds: bounded(around(value, seedSpread), metric) }),
    ...(overImages === undefined ? {} : { overImages }),
  };
}

function spreadOf(values: readonly number[], mean: number): number | undefined {
  const freedom = values.length - 1;
  if (freedom < 1) return undefined;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / freedom;
  return (T_975[freedom - 1] ?? Z_975) * Math.sqrt(variance / values.length);
}

const around = (mean: number, half: number): Interval => ({ low: mean - half, high: mean + half });

function bounded({ low, high }: Interval, metric: string): Interval {
  const { least, most } = boundsOf(metric);
  return { low: Math.max(least, low), high: Math.min(most, high) };
}

/**
 * All seeds are measured on the same images, so they count once. An area is a mean over the images of values between 0 and
 * 1, whose variance is at most that of a share: the interval is on the careful side.
 */
function imageInterval(metric: string, value: number, members: readonly TrialRow[]): Interval | undefined {
  const images = members.reduce((fewest, row) => Math.min(fewest, imagesOf(row, metric)), Infinity);
  if (!(images > 0) || !Number.isFinite(images)) return undefined;
  if (!(isShare(metric) || metric.startsWith("area(")) || value < 0 || value > 1) return undefined;
  return wilsonInterval(Math.round(value * images), images);
}

/** Test images behind its newest number; an attack may have seen fewer than there are. */
function imagesOf({ rungs }: TrialRow, metric: string): number {
  const last = rungs.at(-1);
  return (metric === "clean" ? undefined : last?.measuredImages) ?? last?.images ?? 0;
}

/** Does chance alone explain so small a difference? Undefined where nothing says how large chance is. */
export function isWithinNoise(a: Estimate, b: Estimate): boolean | undefined {
  const answers = [
    overlapping(a.value, seedInterval(a), b.value, seedInterval(b)),
    overlapping(a.value, a.overImages, b.value, b.overImages),
  ].filter((answer) => answer !== undefined);
  return answers.length === 0 ? undefined : answers.includes(true);
}

/** Cut off at a bound it would find leads where chance alone is enough. */
function seedInterval({ value, seedSpread }: Estimate): Interval | undefined {
  return seedSpread === undefined ? undefined : around(value, seedSpread);
}

function overlapping(
  a: number,
  aInterval: Interval | undefined,
  b: number,
  bInterval: Interval | undefined,
): boolean | undefined {
  if (aInterval === undefined || bInterval === undefined) return undefined;
  const { low, high } = differenceInterval({ share: a, ...aInterval }, { share: b, ...bInterval });
  return low <= 0 && high >= 0;
}
