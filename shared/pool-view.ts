/** The pool as people see it: who holds what, what is waited for, and why leases were taken away. Times are seconds. */

/** A lease as its worker holds it. */
export interface HeldLease {
  runId: string;
  /** "step 120, slots 2–3" */
  unit: string;
  attempt: number;
  held_seconds: number;
  /** Until its deadline; negative when that has passed and the unit was offered to others. */
  deadline_seconds: number;
}

export interface WorkerStanding {
  id: string;
  holds: HeldLease | null;
  /** It gets no work for so long: its leases failed. Zero when it may have some. */
  rests_seconds: number;
}

/** What a run waits for. */
export interface Wait {
  runId: string;
  /** "step 120 waits for slots 2–3 of worker-2: held for 4.2 s, deadline in 1.1 s" */
  text: string;
  /** Longer than usual. */
  is_late: boolean;
}

export interface TakenAway {
  runId: string;
  worker: string;
  unit: string;
  reason: string;
  ago_seconds: number;
}

export interface PoolView {
  workers: WorkerStanding[];
  waits: Wait[];
  /** The newest first. */
  taken: TakenAway[];
}

/**
 * How many times slower each is than the median of all; of two, than the faster one. Null for one whose speed is not
 * known, and for all while fewer than two are.
 */
export function timesSlower(speeds: readonly (number | null)[]): (number | null)[] {
  const known = speeds.flatMap((speed) => (speed !== null && speed > 0 ? [speed] : [])).sort((a, b) => a - b);
  const median = known.length < 2 ? undefined : known[Math.floor(known.length / 2)];
  return speeds.map((speed) =>
    median === undefined || speed === null || !(speed > 0) ? null : median / speed,
  );
}

/** From here on a worker counts as slow: below nine tenths of the median's speed. */
export const CLEARLY_SLOWER = 1 / 0.9;
