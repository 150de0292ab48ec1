/** What may never stand in a book of leases, whatever has happened. */
import type { JobRecord, LeaseBook, UnitRecord } from "../../coordinator/leases/book.js";

/** More than any simulated world needs: what grows beyond them grows without end. */
const MOST = { members: 8, jobs: 8, units: 40, grants: 500, times: 64, series: 20 };

/** `crowd`: how many times as much as usual there may be of what grows with the workers. */
export function problemOf(book: LeaseBook, crowd = 1): string | undefined {
  return (
    problemOfMembers(book) ??
    problemOfJobs(book, crowd) ??
    tooMuch("members", book.members.size, crowd) ??
    tooMuch("jobs", book.jobs.size)
  );
}

function tooMuch(what: keyof typeof MOST, count: number, crowd = 1): string | undefined {
  return count > crowd * MOST[what] ? `The book holds ${count} ${what}` : undefined;
}

/** Whoever holds a lease holds it in the unit's account too. */
function problemOfMembers({ members, jobs }: LeaseBook): string | undefined {
  for (const { id, lease } of members.values()) {
    if (lease === undefined) continue;
    const grant = jobs
      .get(lease.jobId)
      ?.units.get(lease.unit.id)
      ?.grants.find(({ leaseId }) => leaseId === lease.id);
    // A unit that is done or planned anew is out of the account; its holder is told when it pushes.
    if (grant === undefined) continue;
    if (grant.worker !== id) return `Lease ${lease.id} stands with ${id} and was given to ${grant.worker}`;
    if (lease.isOverdue !== (grant.state === "expired") && grant.state !== "done")
      return `Lease ${lease.id} of ${id} is ${lease.isOverdue ? "overdue" : "in time"} and stands as ${grant.state}`;
  }
  return undefined;
}

function problemOfJobs(book: LeaseBook, crowd: number): string | undefined {
  for (const job of book.jobs.values()) {
    const problem =
      tooMuch("units", job.units.size, crowd) ??
      tooMuch("series", job.times.size) ??
      tooMuch("members", job.affinities.size, crowd) ??
      problemOfUnits(book, job);
    if (problem !== undefined) return problem;
    for (const times of job.times.values()) {
      const many = tooMuch("times", times.length);
      if (many !== undefined) return many;
    }
  }
  return undefined;
}

function problemOfUnits(book: LeaseBook, job: JobRecord): string | undefined {
  for (const record of job.units.values()) {
    const problem = tooMuch("grants", record.grants.length) ?? leasedToNobody(book, job, record);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function leasedToNobody(
  { members }: LeaseBook,
  job: JobRecord,
  { unit, grants }: UnitRecord,
): string | undefined {
  const held = grants.filter(({ state }) => state === "held");
  if (held.length > 1) return `${held.length} leases of ${job.id} ${unit.id} are held at one time`;
  const [grant] = held;
  if (grant === undefined || members.get(grant.worker)?.lease?.id === grant.leaseId) return undefined;
  return `${job.id} ${unit.id} is leased to nobody: lease ${grant.leaseId} stands as held by ${grant.worker}`;
}
