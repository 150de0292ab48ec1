/** How long a lease may take: from how long others took, with a floor. */

/** Multiples of the median absolute deviation that still count as usual. */
const DEVIATIONS = 8;
/** Leases remembered. */
const WINDOW = 64;

/** Times of the newest leases of one series, ms, the oldest first. */
export type LeaseTimes = readonly number[];

/** What a unit's deadline follows from. */
export interface Patience {
  /** Leases of this series took times that say how long this one may take. */
  series: string;
  /** How many times as long: steps of a stretch, slots of a block; else 1. */
  scale: number;
  /** Shortest limit, however fast others were. */
  floorMs: number;
  /** The limit while no time is known. */
  unknownMs: number;
  /** What a worker needs besides when it serves the run for the first time. */
  warmUpMs: number;
}

/** Workers tell their own times: what is no time is left out. */
export function withTime(times: LeaseTimes, ms: number): LeaseTimes {
  if (!Number.isFinite(ms) || ms < 0) return times;
  return [...times.slice(1 - WINDOW), ms];
}

/** Median + 8 median absolute deviations, at least three medians; undefined while nothing is known. */
export function usualLimit(times: LeaseTimes): number | undefined {
  if (times.length === 0) return undefined;
  const known = limits.get(times);
  if (known !== undefined) return known;
  const middle = median(times);
  const spread = median(times.map((ms) => Math.abs(ms - middle)));
  const limit = Math.max(3 * middle, middle + DEVIATIONS * spread);
  limits.set(times, limit);
  return limit;
}

/** Times do not change, and each lease asks for their limit more than once. */
const limits = new WeakMap<LeaseTimes, number>();

/** Multiples of what leases take in all that still count as usual. */
const QUEUED = 3;

/** Workers tell what they compute and wait for; how long they are queued behind others of their machine counts too. */
export function queueLimit(limitMs: number, usualMs: number): number {
  return Math.max(limitMs, QUEUED * usualMs);
}

/** Times of its own usual time that a worker gets, and of the others' limit that this can be: it must come at all. */
const OWN = { times: 3, most: 10 };

/** A slow worker that is as fast as it always is is not late. `ownMs`: what such a unit takes it; undefined: unknown. */
export function ownLimit(limitMs: number, ownMs: number | undefined): number {
  return Math.max(limitMs, Math.min(OWN.times * (ownMs ?? 0), OWN.most * limitMs));
}

/** How long a worker may take. `isWarm`: it has served this run before. */
export function limitOf(patience: Patience, times: LeaseTimes, isWarm: boolean): number {
  const usual = usualLimit(times);
  const limit = usual === undefined ? patience.unknownMs : Math.max(patience.floorMs, patience.scale * usual);
  return isWarm ? limit : Math.max(limit, patience.unknownMs) + patience.warmUpMs;
}

/** Doublings of the patience, one for each attempt at the same unit. */
export const MOST_DOUBLINGS = 6;

/**
 * How long an engine may be silent: so many deadlines of one step, for it tells each. An engine that is slow and does not
 * hang must come to its end some day, however slow it is: each attempt at a unit gets twice as long.
 */
export function hungLimitOf(deadlines: number, deadlineMs: number, attempt: number): number {
  return deadlines * deadlineMs * 2 ** Math.min(attempt - 1, MOST_DOUBLINGS);
}

export function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort();
  const half = sorted.length >> 1;
  const upper = sorted[half] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? NaN) + upper) / 2;
}

/** Of two in the middle the smaller one; undefined of none. */
export function lowerMedian(values: readonly number[]): number | undefined {
  return Float64Array.from(values).sort()[(values.length - 1) >> 1];
}
