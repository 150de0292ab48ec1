/**
 * What follows from how fast workers are: a slow one gets a unit only if that helps, and whoever is idle takes over what its
 * holder will bring much later. All copies of a unit have the same bits, so the first one counts, and nothing is lost by a
 * second.
 */
import { type JobRecord, type LeaseBook, type Member, type UnitRecord, stateOf } from "./book.js";
import { paceOf, usualPace } from "./pace.js";
import type { Unit } from "./unit.js";

/** Workers whose paces differ less count as equally fast. */
const SIMILAR = 1.5;
/** A second copy must come so much sooner: half a unit's time, and more than a busy machine's usual delays. */
const GAIN = { share: 0.5, ms: 50 };

/** Speeds of the workers that take part, relative to the fastest; those that are about as fast count as 1. */
export function speedsOf(book: LeaseBook, job: JobRecord, series: string, nowMs: number): number[] {
  const usual = usualPace(job.paces, series, nowMs) ?? 1;
  const paces = takingPart(book, nowMs).map((member) => presentPace(job, series, member, usual, nowMs));
  const fastest = Math.min(...paces);
  return paces.map((pace) => (pace < SIMILAR * fastest ? 1 : fastest / pace));
}

/** Who is idle, or works on something in time. */
function takingPart({ members }: LeaseBook, nowMs: number): Member[] {
  return [...members.values()].filter(
    (member) => member.strayLease === 0 && ["idle", "busy"].includes(stateOf(member, nowMs)),
  );
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
  if (others.length === 0 || own < SIMILAR * fastest) return true;
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

/** What an idle worker takes over, and how long its holder would still need, in ms. */
export interface Takeover {
  record: UnitRecord;
  holder: string;
  leftMs: number;
}

/** The held unit of a job for which an idle worker gains most time, if it gains any. */
export function takeoverFor(
  book: LeaseBook,
  job: JobRecord,
  { id }: Member,
  nowMs: number,
): Takeover | undefined {
  let best: Takeover | undefined;
  let most = 0;
  for (const holder of book.members.values()) {
    const record = raceable(job, holder, id);
    if (holder.lease === undefined || record === undefined) continue;
    const { unit, grantedMs } = holder.lease;
    const usual = usualPace(job.paces, unit.patience.series, nowMs);
    if (usual === undefined) continue;
    const timeOf = (worker: string): number =>
      unit.images * (paceOf(job.paces, unit.patience.series, worker, nowMs) ?? usual);
    const leftMs = timeLeft(timeOf(holder.id), nowMs - grantedMs);
    const gain = leftMs - timeOf(id) - Math.max(GAIN.ms, GAIN.share * timeOf(id));
    if (gain <= most) continue;
    most = gain;
    best = { record, holder: holder.id, leftMs };
  }
  return best;
}

/** What a worker holds of a job, where a second copy may be: nobody else computes it, and this one never did. */
function raceable(job: JobRecord, { id, lease }: Member, idle: string): UnitRecord | undefined {
  const record = lease?.jobId === job.id ? job.units.get(lease.unit.id) : undefined;
  if (record === undefined || record.done !== undefined || record.unit.isExclusive) return undefined;
  if (!record.grants.some(({ worker, state }) => worker === id && state === "held")) return undefined;
  if (record.grants.some(({ worker, state }) => worker === idle || state === "raced")) return undefined;
  return job.plan.wants(record.unit) ? record : undefined;
}

/** Whoever is twice as late as expected may stay away for as long again. */
function timeLeft(expectedMs: number, heldMs: number): number {
  return Math.max(expectedMs - heldMs, heldMs - 2 * expectedMs);
}
