/** Whom an idle worker serves, when several jobs want it. */

export interface Share {
  /** Workers that hold a lease of the job now. */
  held: number;
  /** Number of its newest lease; 0 while it had none. Leases are numbered in the order in which they are given. */
  lastServed: number;
}

/**
 * Jobs with fewer workers first; among those with as many, the one that has waited longest. So each of several runs gets
 * its share of the pool whatever its leases are like, and none waits for ever.
 */
export function fairOrder<Job>(jobs: readonly Job[], shareOf: (job: Job) => Share): Job[] {
  if (jobs.length < 2) return [...jobs];
  return jobs
    .map((job) => ({ job, share: shareOf(job) }))
    .sort((a, b) => a.share.held - b.share.held || a.share.lastServed - b.share.lastServed)
    .map(({ job }) => job);
}
