/** What is compared of a search's bookkeeping, by peers.ts and trial-cost.ts. */

/** Milliseconds of CPU a trial. */
export interface TrialCost {
  first_ms: number;
  last_ms: number;
  all_ms: number;
}

/** So many trials are the first and the last ones. */
export const WINDOW = 250;

export const MODES = {
  memory: { title: "random, in memory", trials: 5000, method: "random" },
  median: { title: "random, median stop halfway", trials: 5000, method: "random" },
  journal: { title: "random, with a journal", trials: 1500, method: "random" },
  tpe: { title: "TPE, in memory", trials: 1500, method: "tpe" },
} as const;
export type Mode = keyof typeof MODES;
