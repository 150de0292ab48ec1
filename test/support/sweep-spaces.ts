/** Sweeps as their files say them, for tests. */
import { type Space, spaceOf, spaceProblems } from "../../coordinator/sweeps/space.js";
import { problemText } from "../../coordinator/sweeps/problems.js";
import { type SweepSpec, sweepSchema } from "../../shared/config/sweep.js";
import type { z } from "zod";

export type SweepInput = Partial<z.input<typeof sweepSchema>>;

export function specOf(input: SweepInput): SweepSpec {
  return sweepSchema.parse({ name: "test", ...input });
}

/** Throws ClusterError("config") where something is wrong with it. */
export function spaceFrom(input: SweepInput): Space {
  const spec = specOf(input);
  return spaceOf(spec, spec.base);
}

/** "parameters.seed: …" for each thing that is wrong. */
export function problemsFrom(input: SweepInput): string[] {
  const spec = specOf(input);
  return spaceProblems(spec, spec.base).map(problemText);
}
