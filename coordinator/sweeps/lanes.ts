/** How many trials go on side by side: as many as there are workers, and a few that are measured meanwhile. */

export interface PoolSize {
  readonly workerCount: number;
}

/**
 * A trial trains on one worker; while it is measured, that one is free for the next. More trials than that would only wait,
 * and an early stop would come later.
 */
export function lanesOf(pool: PoolSize): () => number {
  return () => {
    const workers = Math.max(1, pool.workerCount);
    return workers + 1 + Math.floor(workers / 4);
  };
}
