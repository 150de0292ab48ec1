/** Whom an idle worker serves, when several jobs want it. */

/** In whose name work asks for workers: a sweep, or all that is no part of one. */
export interface Account {
  name: string;
  /** Of the workers' time, beside other accounts: 2 gets twice as much as 1. */
  share: number;
  /** Work of a higher one comes first, whatever the shares. */
  priority: number;
  /**
   * Its runs are many and short: a worker goes on with the one that it served last, and others begin when that has nothing
   * for it any more. Without it, all of them go on side by side.
   */
  isSteady: boolean;
}

/** Begins the name of the account of a run that has its own. */
export const RUN_ACCOUNT = "run ";

export const COMMON_ACCOUNT: Account = { name: "", share: 1, priority: 0, isSteady: false };

export interface Share {
  /** Of its account. */
  priority?: number;
  /** What its account has had of the workers' time, in ms by its share. */
  usedMs?: number;
  /** Of a steady account: the worker served its run last. */
  goesOn?: boolean;
  /** Workers that hold a lease of the job now. */
  held: number;
  /** Number of its newest lease; 0 while it had none. Leases are numbered in the order in which they are given. */
  lastServed: number;
}

/**
 * Accounts by their priority, then by what they have had of the workers' time; of one account's jobs those with fewer
 * workers first, and among those with as many, the one that has waited longest. So each account gets its share of the pool
 * however long its leases are, each of its runs its share of that, and none waits for ever.
 */
export function fairOrder<Job>(jobs: readonly Job[], shareOf: (job: Job) => Share): Job[] {
  if (jobs.length < 2) return [...jobs];
  return jobs
    .map((job) => ({ job, share: { priority: 0, usedMs: 0, goesOn: false, ...shareOf(job) } }))
    .sort(
      ({ share: a }, { share: b }) =>
        b.priority - a.priority ||
        a.usedMs - b.usedMs ||
        Number(b.goesOn) - Number(a.goesOn) ||
        a.held - b.held ||
        a.lastServed - b.lastServed,
    )
    .map(({ job }) => job);
}

/** By account: the workers' time that it has had, in ms by its share. */
export type UsedTimes = ReadonlyMap<string, number>;

export function withUse(used: UsedTimes, { name, share }: Account, ms: number): UsedTimes {
  return new Map(used).set(name, (used.get(name) ?? 0) + ms / share);
}

/**
 * An account comes (again). Who was not there has not waited: it begins where the one that has had least of those who are
 * there stands now. `present`: their times, leases that go on included.
 */
export function withAccount(used: UsedTimes, name: string, present: readonly number[]): UsedTimes {
  const least = present.length === 0 ? 0 : Math.min(...present);
  const own = used.get(name) ?? 0;
  return own >= least && used.has(name) ? used : new Map(used).set(name, Math.max(own, least));
}
