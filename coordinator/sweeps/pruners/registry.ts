/** The rules of early stopping there are. */
import type { Space } from "../space-shape.js";
import { asha } from "./asha.js";
import { median } from "./median.js";
import { population } from "./population.js";
import type { Comparison, Pruner } from "./pruner.js";

/** What is compared at a rung; undefined where nothing is stopped early. */
export function comparisonOf({ spec, stopping }: Pick<Space, "spec" | "stopping">): Comparison | undefined {
  return spec.stopping === undefined || stopping === undefined
    ? undefined
    : { ...stopping, factor: spec.stopping.factor };
}

export function prunerOf(space: Pick<Space, "spec" | "stopping">): Pruner | undefined {
  const comparison = comparisonOf(space);
  const { stopping, search } = space.spec;
  if (stopping === undefined || comparison === undefined) return undefined;
  switch (stopping.method) {
    case "asha":
      return asha(comparison);
    case "median":
      return median(comparison, stopping.min_trials);
    case "population":
      return population(comparison, { share: stopping.exploit, seed: search.seed });
  }
}
