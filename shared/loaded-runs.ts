/** Which runs a worker has ready. The coordinator counts on it: who serves one of them again needs no time to begin. */

/** Runs whose network and weights a worker keeps loaded; one more takes the place of the one that waits longest. */
export const RUNS_KEPT = 4;
