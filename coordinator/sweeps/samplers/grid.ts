/** Everything with everything, in the spec's order, the last parameter changing fastest. */
import { Points } from "../points.js";
import { inOrderOf } from "./draws.js";
import type { MakeSampler } from "./sampler.js";

export const gridSampler: MakeSampler = (space) => {
  const points = new Points(space.parameters);
  return {
    propose: (number) => (number < points.count ? inOrderOf(space, points.at(number)) : "none"),
  };
};
