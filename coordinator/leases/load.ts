/**
 * How busy the workers are: late is who is late beside the others. What holds up all of them, as other work on their machine
 * does, is nobody's fault, and whatever is done about it there costs more of what they lack.
 */
import { type JobRecord, type LeaseBook, type Member, takingPart } from "./book.js";
import { lowerMedian, median } from "./deadline.js";
import { newestOf, paceOf } from "./pace.js";

/** Those who take part in a series of a job, and what an image takes each of them usually, ms; undefined: unknown. */
export interface Crowd {
  job: JobRecord;
  series: string;
  members: readonly { member: Member; usual: number | undefined }[];
  nowMs: number;
}

/** A lease, beside which the others are looked at. */
export interface Beside {
  worker: string;
  sinceMs: number;
}

export function crowdOf(book: LeaseBook, job: JobRecord, series: string, nowMs: number): Crowd {
  const members = takingPart(book, nowMs).map((member) => {
    return { member, usual: paceOf(job.paces, series, member.id, nowMs) };
  });
  return { job, series, members, nowMs };
}

/** What an image takes the others, in the middle; undefined while that is unknown. */
export function usualOfOthers({ members }: Crowd, worker: string): number | undefined {
  const known = members.flatMap(({ member, usual }) => (member.id === worker ? [] : (usual ?? [])));
  return known.length === 0 ? undefined : median(known);
}

/**
 * What an image takes the others now, ms: those who brought something since then or are at something, and of them the faster
 * half at most. Undefined while nothing is known.
 */
export function paceOfOthersNow(crowd: Crowd, { worker, sinceMs }: Beside): number | undefined {
  const { job, series } = crowd;
  const paces = crowd.members.flatMap(({ member: { id, lease } }) => {
    if (id === worker) return [];
    const newest = newestOf(job.paces, series, id);
    const isOut = lease?.jobId === job.id && lease.unit.patience.series === series;
    const isNews = newest !== undefined && newest.atMs > sinceMs;
    // Of one that has brought nothing yet, only what it is at for as long says anything.
    const says = isNews || (isOut && (newest !== undefined || lease.grantedMs <= sinceMs));
    if (!says) return [];
    const held = isOut ? (crowd.nowMs - lease.grantedMs) / lease.unit.images : 0;
    return [Math.max(newest === undefined ? 0 : newest.ms / newest.images, held)];
  });
  return lowerMedian(paces);
}

/** Has at least half of the others come back since, or nothing of this job to do? */
export function isMostlyBack({ job, members }: Crowd, { worker, sinceMs }: Beside): boolean {
  let [others, back] = [0, 0];
  for (const { member } of members) {
    if (member.id === worker) continue;
    others++;
    if (member.lease?.jobId !== job.id || member.lease.grantedMs > sinceMs) back++;
  }
  return 2 * back >= others;
}
