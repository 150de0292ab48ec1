/** The first workers: runs begin when enough of them are there. */
import type { Clock } from "../../shared/clock.js";
import { ClusterError } from "../../shared/errors.js";

export interface Recruits {
  readonly workerCount: number;
  /** Resolves when so many are there, or the signal comes. */
  waitForWorkers(count: number, signal: AbortSignal): Promise<void>;
}

/** Throws ClusterError("dependency") when patience ends before `wanted` workers have joined; Infinity has no end. */
export async function waitForWorkers(
  pool: Recruits,
  wanted: number,
  patienceMs: number,
  { clock, signal }: { clock: Clock; signal: AbortSignal },
): Promise<void> {
  const patience = new AbortController();
  const cancel = patienceMs === Infinity ? () => undefined : clock.after(patienceMs, () => patience.abort());
  await pool.waitForWorkers(wanted, AbortSignal.any([signal, patience.signal]));
  cancel();
  if (pool.workerCount < wanted && !signal.aborted) {
    throw new ClusterError(
      "dependency",
      `Waited ${patienceMs / 1000} s for ${wanted} worker(s); ${pool.workerCount} joined`,
      { hint: "look at the workers' logs, or lower pool.min_workers" },
    );
  }
}
