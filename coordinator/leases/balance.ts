/** What follows from how fast workers are: units are cut for them, and a slow one gets a unit only if that helps. */
import { type JobRecord, type LeaseBook, type Member, takingPart } from "./book.js";
import { keepsUp, paceOf, usualPace } from "./pace.js";
import type { Unit } from "./unit.js";

/** Speeds of the workers that take part, relative to the fastest; those that are about as fast count as 1. */
export function speedsOf(book: LeaseBook, job: JobRecord, series: string, nowMs: number): number[] {
  const usual = usualPace(job.paces, series, nowMs) ?? 1;
  const paces = takingPart(book, nowMs).map((member) => presentPace(job, series, member, usual, nowMs));
  const fastest = Math.min(...paces);
  return paces.map((pace) => (keepsUp(pace, fastest) ? 1 : fastest / pace));
}

/** As it was before, or as long as it is at what it has now: who does not come back at all was never measured. */
function presentPace(
  job: JobRecord,
  series: string,
  { id, lease }: Member,
  usual: number,
  nowMs: number,
): number {
  const known = paceOf(job.paces, series, id, nowMs) ?? usual;
  if (lease?.jobId !== job.id || lease.unit.patience.series !== series) return known;
  return Math.max(known, (nowMs - lease.grantedMs) / lease.unit.images);
}

/**
 * Does it help when this worker takes the unit? Not when all others together are through with what is open, and one of them
 * with this unit besides, before it is.
 */
export function helps(book: LeaseBook, job: JobRecord, { id }: Member, unit: Unit, nowMs: number): boolean {
  const { series } = unit.patience;
  const own = paceOf(job.paces, series, id, nowMs);
  const usual = usualPace(job.paces, series, nowMs);
  if (unit.isExclusive || own === undefined || usual === undefined) return true;
  const others = takingPart(book, nowMs).filter((member) => member.id !== id);
  const paces = others.map((other) => presentPace(job, series, other, usual, nowMs));
  const fastest = Math.min(...paces);
  if (others.length === 0 || keepsUp(own, fastest)) return true;
  const perMs = paces.reduce((sum, pace) => sum + 1 / pace, 0);
  return own * unit.images <= imagesLeft(job, usual, nowMs) / perMs + fastest * unit.images;
}

/** Images of a job's units that nobody has computed yet, by what its holders should have left. */
function imagesLeft(job: JobRecord, usual: number, nowMs: number): number {
  let images = 0;
  for (const { unit, grants, done } of job.units.values()) {
    if (done !== undefined) continue;
    const grant = grants.findLast(({ state }) => state === "held");
    const expectedMs =
      unit.images * (paceOf(job.paces, unit.patience.series, grant?.worker ?? "", nowMs) ?? usual);
    const isDone = grant === undefined ? 0 : Math.min(1, (nowMs - grant.grantedMs) / expectedMs);
    images += unit.images * (1 - isDone);
  }
  return images;
}
