/**
 * Who is ahead while a sweep goes on: trial by trial, by the first objective. What the results say of settings, seeds, Pareto
 * fronts and noise is found in coordinator/results/sweep/.
 */
import { type Constraint, type Objective, holds, lossOf } from "../../shared/config/objectives.js";
import type { MetricValues } from "../../shared/records/sweep-line.js";

/** done and within the constraints, then what has not come to its last rung, then what breaks a constraint. */
const TIERS = { ranked: 0, unfinished: 1, unmet: 2 } as const;

/** By tier, then by how far it has come, then by loss, then by number. */
export interface Standing {
  tier: (typeof TIERS)[keyof typeof TIERS];
  samples: number;
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
  samples: number;
  metrics: MetricValues;
}

export function standingOf({ number, isDone, samples, metrics }: Measured, wanted: Wanted): Standing {
  const [first] = wanted.objectives;
  const loss = first === undefined ? Infinity : lossOf(first, metrics[first.metric]);
  if (!isDone) return { tier: TIERS.unfinished, samples, loss, number };
  const isRanked =
    loss !== Infinity &&
    wanted.constraints.every((constraint) => holds(constraint, metrics[constraint.metric]));
  // Whoever is done has come as far as it can.
  return { tier: isRanked ? TIERS.ranked : TIERS.unmet, samples: 0, loss, number };
}

export function compareStandings(a: Standing, b: Standing): number {
  const far = b.samples - a.samples;
  // Infinities are equal to themselves.
  const good = a.loss === b.loss ? 0 : a.loss < b.loss ? -1 : 1;
  return a.tier - b.tier || far || good || a.number - b.number;
}
