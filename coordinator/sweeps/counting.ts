/** How many trials a search comes to, without making one of them. */
import { Points } from "./points.js";
import type { Space, SpaceParameter } from "./space-shape.js";

/** More are no search that anybody reads the results of. */
export const MOST_TRIALS = 1_000_000;

export interface Extent {
  /** Draws until nothing new can come; infinite where a range has no steps. Entries of a list are its draws. */
  draws: number;
  /** Trials of each draw: values of what is crossed or repeated. */
  crossings: number;
}

export function extentOf({ spec, parameters }: Pick<Space, "spec" | "parameters">): Extent {
  const isDrawn = ({ role }: SpaceParameter): boolean => role === "drawn";
  const drawn = new Points(parameters.filter(isDrawn)).count;
  return {
    draws: spec.list?.length ?? drawn,
    crossings: new Points(parameters.filter((parameter) => !isDrawn(parameter))).count,
  };
}

/** Trials of a search that ends by itself or by `limits.trials`; undefined where neither does. */
export function countOf(space: Space): number | undefined {
  const { draws, crossings } = extentOf(space);
  const limit = space.spec.limits.trials ?? Infinity;
  const count = Math.min(draws * crossings, limit);
  return count <= MOST_TRIALS ? count : undefined;
}
