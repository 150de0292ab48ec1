/** How fast each worker is at the units of a job. */
import { median } from "./deadline.js";

/** What a worker's newest leases of one series took. */
export interface Pace {
  msPerImage: number;
  atMs: number;
  /** Of a first lease, which waits for images and network besides: says only what nobody need exceed. */
  isCold: boolean;
}

/** By series (Patience.series), then by worker. */
export type Paces = ReadonlyMap<string, ReadonlyMap<string, Pace>>;

/** Weight of what was before in a worker's running pace. */
const SMOOTHING = 0.7;
/** A pace is believed for so long, and for so many times what it was measured on: a slow worker may have become a fast one. */
const BELIEVED_MS = 20_000;

export function withPace(
  paces: Paces,
  { series, worker }: { series: string; worker: string },
  pace: Pace,
): Paces {
  const known = paces.get(series) ?? new Map<string, Pace>();
  const before = known.get(worker);
  const isNews = before === undefined || before.isCold || pace.atMs - before.atMs > BELIEVED_MS;
  const mean = isNews ? pace.msPerImage : SMOOTHING * before.msPerImage + (1 - SMOOTHING) * pace.msPerImage;
  return new Map(paces).set(series, new Map(known).set(worker, { ...pace, msPerImage: mean }));
}

/** Of a worker that is gone nothing is kept. */
export function withoutWorker(paces: Paces, worker: string): Paces {
  return new Map(
    [...paces].map(([series, known]) => [series, new Map([...known].filter(([id]) => id !== worker))]),
  );
}

/** Milliseconds an image; undefined while nothing is known of it, or nothing new. */
export function paceOf(paces: Paces, series: string, worker: string, nowMs: number): number | undefined {
  const pace = paces.get(series)?.get(worker);
  return pace === undefined || pace.isCold || nowMs - pace.atMs > BELIEVED_MS ? undefined : pace.msPerImage;
}

/** The pace of a worker of which nothing is known: the usual one. Undefined when nobody's is known. */
export function usualPace(paces: Paces, series: string, nowMs: number): number | undefined {
  const all = [...(paces.get(series) ?? [])];
  const known = all.flatMap(([id]) => paceOf(paces, series, id, nowMs) ?? []);
  if (known.length > 0) return median(known);
  return all.length === 0 ? undefined : median(all.map(([, { msPerImage }]) => msPerImage));
}
