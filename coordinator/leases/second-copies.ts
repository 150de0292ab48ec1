/**
 * Whoever is idle takes over what its holder brings much later than the others brought theirs. All copies of a unit have the
 * same bits, so the first one counts, and nothing is lost by a second but its time: where that is what lacks, for all are late,
 * nobody takes over.
 */
import { type JobRecord, type LeaseBook, type Member, type UnitRecord, isRaced, takingPart } from "./book.js";
import { type Beside, type Crowd, crowdOf, isMostlyBack, paceOfOthersNow, usualOfOthers } from "./load.js";
import { keepsUp, paceOf, usualPace } from "./pace.js";

/** A second copy must come so much sooner: half a unit's time, and more than a busy machine's usual delays. */
const GAIN = { share: 0.5, ms: 50 };
/** Of the workers, how many compute second copies at a time; one may in any case. */
const MOST_COPIES = 0.25;

/** A held unit that comes late, and how long its holder still needs, in ms. */
export interface LateUnit {
  record: UnitRecord;
  holder: string;
  leftMs: number;
  /** What it takes one who needs so long for an image usually; undefined: unknown. */
  timeOf: (pace: number | undefined) => number;
}

/** What may be taken over of a job, whoever is idle. */
export function lateUnits(book: LeaseBook, job: JobRecord, nowMs: number): LateUnit[] {
  const copies = [...job.units.values()].filter(isRaced).length;
  if (copies >= Math.max(1, Math.floor(MOST_COPIES * takingPart(book, nowMs).length))) return [];
  const crowds = new Map<string, Crowd>();
  return [...book.members.values()].flatMap((holder) => {
    const record = raceable(job, holder);
    if (record === undefined || holder.lease === undefined) return [];
    const { series } = record.unit.patience;
    const crowd = crowds.get(series) ?? crowdOf(book, job, series, nowMs);
    crowds.set(series, crowd);
    return lateUnit(crowd, record, holder.id, nowMs - holder.lease.grantedMs) ?? [];
  });
}

/** Undefined where nobody who is no faster than usual could gain anything. */
function lateUnit(crowd: Crowd, record: UnitRecord, holder: string, heldMs: number): LateUnit | undefined {
  const { job, series, nowMs } = crowd;
  const beside: Beside = { worker: holder, sinceMs: nowMs - heldMs };
  if (!isMostlyBack(crowd, beside)) return undefined;
  const usual = usualOfOthers(crowd, holder) ?? usualPace(job.paces, series, nowMs);
  if (usual === undefined) return undefined;
  const isUsual = (pace: number): boolean => keepsUp(pace, usual) && keepsUp(usual, pace);
  const calmMs = (pace = usual): number => record.unit.images * (isUsual(pace) ? usual : pace);
  const expectedMs = calmMs(paceOf(job.paces, series, holder, nowMs));
  if (timeLeft(expectedMs, heldMs) <= 0) return undefined;
  const nowAtLeastMs = record.unit.images * (paceOfOthersNow(crowd, beside) ?? 0);
  const leftMs = timeLeft(Math.max(expectedMs, nowAtLeastMs), heldMs);
  return { record, holder, leftMs, timeOf: (pace) => Math.max(calmMs(pace), nowAtLeastMs) };
}

/** What a worker holds of a job, where a second copy may be: nobody else computes it. */
function raceable(job: JobRecord, { id, lease }: Member): UnitRecord | undefined {
  const record = lease?.jobId === job.id ? job.units.get(lease.unit.id) : undefined;
  if (record === undefined || record.done !== undefined || record.unit.isExclusive) return undefined;
  if (!record.grants.some(({ worker, state }) => worker === id && state === "held")) return undefined;
  if (isRaced(record)) return undefined;
  return job.plan.wants(record.unit) ? record : undefined;
}

/** A holder that is twice as late as expected may stay away for as long again. */
function timeLeft(expectedMs: number, heldMs: number): number {
  return Math.max(expectedMs - heldMs, heldMs - 2 * expectedMs);
}

/** What an idle worker gains most time by, if it gains any: it has never computed it. */
export function takeoverFor(
  job: JobRecord,
  { id }: Member,
  late: readonly LateUnit[],
  nowMs: number,
): LateUnit | undefined {
  let best: LateUnit | undefined;
  let most = 0;
  for (const unit of late) {
    const { record, leftMs, timeOf } = unit;
    if (record.grants.some(({ worker }) => worker === id)) continue;
    const ownMs = timeOf(paceOf(job.paces, record.unit.patience.series, id, nowMs));
    const gain = leftMs - ownMs - Math.max(GAIN.ms, GAIN.share * ownMs);
    if (gain <= most) continue;
    most = gain;
    best = unit;
  }
  return best;
}
