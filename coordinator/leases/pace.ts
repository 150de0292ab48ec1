/** How fast each worker is at the units of a job. */
import { lowerMedian, median } from "./deadline.js";

/** Workers whose paces differ less count as equally fast. */
const SIMILAR = 1.5;

/** Is one pace no slower than the other, but for what counts as equally fast? */
export function keepsUp(pace: number, other: number): boolean {
  return pace < SIMILAR * other;
}

/** What one lease took. */
export interface Measured {
  images: number;
  ms: number;
  atMs: number;
  /** Of a first lease, which waits for images and network besides: says only what nobody need exceed. */
  isCold: boolean;
}

/** What a worker's newest leases of one series took. */
export interface Pace extends Measured {
  /** Milliseconds an image, of the newest leases. */
  recent: readonly number[];
  /** Their median. */
  usual: number;
}

/** By series (Patience.series), then by worker. */
export type Paces = ReadonlyMap<string, ReadonlyMap<string, Pace>>;

/** Leases whose median counts: one that was held up, as by a machine that slept, says nothing of the next. */
const RECENT = 5;
/** Leases from which on a pace counts: by one or two alone nobody is left out. */
const ENOUGH = 3;
/**
 * A pace is believed for so many times what its newest lease took, within these bounds, but for some leases in any case: a
 * worker that was slow may have become a fast one, and to see it costs the others little.
 */
const BELIEVED = { times: 20, leastMs: 5000, mostMs: 60_000, leases: 4 };

export function withPace(
  paces: Paces,
  { series, worker }: { series: string; worker: string },
  lease: Measured,
): Paces {
  const known = paces.get(series) ?? new Map<string, Pace>();
  const before = known.get(worker);
  const isNews = before === undefined || before.isCold || isOld(before, lease.atMs);
  const earlier = isNews ? [] : before.recent.slice(1 - RECENT);
  const recent = [...earlier, Math.max(1, lease.ms) / lease.images];
  const pace = { ...lease, recent, usual: median(recent) };
  return new Map(paces).set(series, new Map(known).set(worker, pace));
}

function isOld({ atMs, ms }: Pace, nowMs: number): boolean {
  const { times, leastMs, mostMs, leases } = BELIEVED;
  return nowMs - atMs > Math.max(Math.min(Math.max(times * ms, leastMs), mostMs), leases * ms);
}

/** Of a worker that is gone nothing is kept. */
export function withoutWorker(paces: Paces, worker: string): Paces {
  return new Map(
    [...paces].map(([series, known]) => [series, new Map([...known].filter(([id]) => id !== worker))]),
  );
}

/** Milliseconds an image; undefined while too little is known of it, or nothing new. */
export function paceOf(paces: Paces, series: string, worker: string, nowMs: number): number | undefined {
  const pace = paces.get(series)?.get(worker);
  if (pace === undefined || pace.isCold || pace.recent.length < ENOUGH || isOld(pace, nowMs))
    return undefined;
  return pace.usual;
}

/** What its newest lease took, if that was not its first. */
export function newestOf(paces: Paces, series: string, worker: string): Measured | undefined {
  const pace = paces.get(series)?.get(worker);
  return pace?.isCold === true ? undefined : pace;
}

/** Milliseconds an image that half of the workers need at most; undefined while too little is known of all of them. */
export function usualOfAll(paces: Paces, series: string, nowMs: number): number | undefined {
  const all = [...(paces.get(series)?.keys() ?? [])];
  return lowerMedian(all.flatMap((id) => paceOf(paces, series, id, nowMs) ?? []));
}

/** The pace of a worker of which nothing is known: the usual one. Undefined when nobody's is known. */
export function usualPace(paces: Paces, series: string, nowMs: number): number | undefined {
  const all = [...(paces.get(series) ?? [])];
  const known = all.flatMap(([id]) => paceOf(paces, series, id, nowMs) ?? []);
  if (known.length > 0) return median(known);
  return all.length === 0 ? undefined : median(all.map(([, { usual }]) => usual));
}
