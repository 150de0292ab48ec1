/** The ways of searching there are. */
import type { SearchMethod } from "../../../shared/config/sweep.js";
import type { Space } from "../space-shape.js";
import { gridSampler } from "./grid.js";
import { listSampler } from "./list.js";
import { randomSampler } from "./random.js";
import type { MakeSampler, Sampler } from "./sampler.js";
import { sobolSampler } from "./sobol.js";
import { tpeSampler } from "./tpe.js";

const SAMPLERS: Readonly<Record<SearchMethod, MakeSampler>> = {
  grid: gridSampler,
  list: listSampler,
  random: randomSampler,
  sobol: sobolSampler,
  tpe: tpeSampler,
};

export function samplerOf(space: Space): Sampler {
  return SAMPLERS[space.method](space);
}
