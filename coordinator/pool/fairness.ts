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

/** An account beside others: what it has had, leases that go on included. */
export interface Place {
  priority: number;
  usedMs: number;
}

/**
 * An account comes (again) with its first job. Who was not there has not waited: it begins where the one that has had least
 * of those who are there with its priority stands now, or farther where it was farther. Where there is none, it begins where
 * the one stands that has had most ever: nobody who was here before it is behind when coming back.
 */
export function withAccount(
  used: UsedTimes,
  { name, priority }: Pick<Account, "name" | "priority">,
  present: readonly Place[],
): UsedTimes {
  const beside = present.filter((place) => place.priority === priority).map(({ usedMs }) => usedMs);
  const start =
    beside.length > 0 ? Math.min(...beside) : [...used.values()].reduce((a, b) => Math.max(a, b), 0);
  const own = used.get(name);
  return own !== undefined && own >= start ? used : new Map(used).set(name, start);
}

/** What an account that goes on may be behind while it has nothing more to lease, in ms by its share. */
export const MOST_CREDIT_MS = 10_000;

/** An account whose turn it was, and which had nothing to lease. */
export interface PassedOver extends Place {
  name: string;
  /** Workers hold leases of it. */
  isHeld: boolean;
}

/**
 * A lease goes to the account at `served`; of `passed` it was the turn before. Whoever has nothing to lease does not wait: it
 * moves along with the one that is served, which has had least of those who have something. So on its return it stands at the
 * larger of its own time and the least of the others (the rule of start-time fair queueing, Goyal, Vin and Cheng 1996): what
 * it had too much it still owes, and what it did not ask for it has no claim to. One that has leases is in the middle of its
 * work, between two steps say: what it is behind stays its claim, but no more than `MOST_CREDIT_MS`, for one whose work is too
 * narrow for its share would be owed more and more.
 */
export function withPassedOver(used: UsedTimes, passed: readonly PassedOver[], served: Place): UsedTimes {
  const moved = passed.flatMap(({ name, priority, usedMs, isHeld }): [string, number][] => {
    const least = served.usedMs - (isHeld ? MOST_CREDIT_MS : 0);
    return priority !== served.priority || usedMs >= least
      ? []
      : [[name, (used.get(name) ?? 0) + least - usedMs]];
  });
  return moved.length === 0 ? used : new Map([...used, ...moved]);
}
