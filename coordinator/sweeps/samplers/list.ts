/** The trials of a list, one by one, each with everything that is crossed with them. */
import { at } from "../../../shared/core/at.js";
import { inOrder, triedValues } from "../conditions.js";
import { Points } from "../points.js";
import { inOrderOf, partsOf } from "./draws.js";
import type { MakeSampler } from "./sampler.js";

export const listSampler: MakeSampler = (space) => {
  const entries = space.spec.list ?? [];
  const crossings = new Points(partsOf(space).crossed);
  const ordered = inOrder(space.parameters);
  return {
    propose(number) {
      const crossing = number % crossings.count;
      const entry = (number - crossing) / crossings.count;
      if (entry >= entries.length) return "none";
      return inOrderOf(space, triedValues(ordered, { ...at(entries, entry), ...crossings.at(crossing) }));
    },
  };
};
