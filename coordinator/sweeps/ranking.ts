/**
 * Who is ahead, trial by trial, by the first objective. The results gather seeds and find Pareto fronts on top of it
 * (coordinator/results/sweep/standings.ts); in which order trials stand is the same there.
 */
import { type Constraint, type Objective, holds, lossOf } from "../../shared/config/objectives.js";
import type { MetricValues } from "../../shared/records/sweep-line.js";

/** done, then what has not come to its last rung: numbers of different rungs do not compare; then what has no number. */
const TIERS = { done: 0, unfinished: 1, unmeasured: 2 } as const;

/** By tier, then by how far it has come, then whether it meets all constraints, then by loss, then by number. */
export interface Standing {
  tier: (typeof TIERS)[keyof typeof TIERS];
  rung: number;
  isUnmet: boolean;
  /** First objective, turned so that less is better; Infinity where it is no number. */
  loss: number;
  number: number;
}

interface Wanted {
  objectives: readonly Objective[];
  constraints: readonly Constraint[];
}

interface Measured {
  number: number;
  isDone: boolean;
  rung: number;
  metrics: MetricValues;
}

export function standingOf({ number, isDone, rung, metrics }: Measured, wanted: Wanted): Standing {
  const [first] = wanted.objectives;
  const loss = first === undefined ? Infinity : lossOf(first, metrics[first.metric]);
  const isUnmet = unmetOf(metrics, wanted.constraints).length > 0;
  if (loss === Infinity) return { tier: TIERS.unmeasured, rung: 0, isUnmet, loss, number };
  // Whoever is done has come as far as it can.
  if (isDone) return { tier: TIERS.done, rung: 0, isUnmet, loss, number };
  return { tier: TIERS.unfinished, rung, isUnmet, loss, number };
}

/** The constraints that it misses, as the spec says them. */
export function unmetOf(metrics: MetricValues, constraints: readonly Constraint[]): string[] {
  return constraints
    .filter((constraint) => !holds(constraint, metrics[constraint.metric]))
    .map(({ text }) => text);
}

export function compareStandings(a: Standing, b: Standing): number {
  const met = Number(a.isUnmet) - Number(b.isUnmet);
  // Infinities are equal to themselves.
  const good = a.loss === b.loss ? 0 : a.loss < b.loss ? -1 : 1;
  return a.tier - b.tier || b.rung - a.rung || met || good || a.number - b.number;
}
