/** A plan of units that are all known from the start and come in any order: an evaluation's tasks. */
import type { Unit, WorkPlan } from "../leases/unit.js";

/** `title`: what all of them are, for people. */
export function fixedPlan(units: readonly Unit[], title: string): WorkPlan {
  const ids = new Set(units.map(({ id }) => id));
  return { title, units: () => units, wants: ({ id }) => ids.has(id), advance: () => undefined };
}
