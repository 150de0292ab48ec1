/**
 * What a sweep searches, from its spec and its base: checked as a whole before anything starts. The questions that everything
 * else asks of it stand beside it: how many trials (counting.ts), a trial's settings and id (trial.ts), its rungs (rungs.ts).
 */
import type { SweepSpec } from "../../shared/config/sweep.js";
import { settingAt } from "../../shared/config/laid-settings.js";
import { DATA_SET_SIZES } from "../../shared/data-set-names.js";
import { ClusterError } from "../../shared/errors.js";
import { checkedBase } from "./checks/base.js";
import { conditionNameProblems, conditionProblems } from "./checks/conditions.js";
import { type BaseSettings, parameterProblems } from "./checks/parameters.js";
import { methodOf, roleOf, searchProblems } from "./checks/search.js";
import { trialProblems } from "./checks/trials.js";
import { type Wanted, wantedOf } from "./checks/wanted.js";
import { domainOf } from "./domains.js";
import { type SpaceProblem, problemText } from "./problems.js";
import type { Space, SpaceParameter } from "./space-shape.js";

export { countOf } from "./counting.js";
export type { SpaceProblem } from "./problems.js";
export { type Rung, rungConfig } from "./rungs.js";
export type { Space, SpaceParameter } from "./space-shape.js";
export { type Trial, trialOf } from "./trial.js";

type SizeOf = Space["sizeOf"];
const ownSize: SizeOf = (set) => DATA_SET_SIZES[set];

/** Everything that is wrong with a spec. `settings`: the base, no file's name any more. */
export function spaceProblems(spec: SweepSpec, settings: unknown, sizeOf = ownSize): SpaceProblem[] {
  const made = madeSpace(spec, settings, sizeOf);
  return "problems" in made ? made.problems : [];
}

/** Throws ClusterError("config"), one line a problem, its path in front. */
export function spaceOf(spec: SweepSpec, settings: unknown, sizeOf = ownSize): Space {
  const made = madeSpace(spec, settings, sizeOf);
  if ("problems" in made) throw new ClusterError("config", made.problems.map(problemText).join("\n"));
  return made.space;
}

type Made = { space: Space } | { problems: SpaceProblem[] };

/** What depends on something wrong is not looked at. */
function madeSpace(spec: SweepSpec, settings: unknown, sizeOf: SizeOf): Made {
  const base = checkedBase(settings);
  if ("problems" in base) return base;
  const wanted = wantedOf(spec);
  const wrong = [...parameterProblems(spec, base), ...conditionNameProblems(spec), ...wanted.problems];
  if (wrong.length > 0) return { problems: wrong };
  const space = assembled(spec, base, wanted, sizeOf);
  const { method, parameters } = space;
  const unfit = [...conditionProblems(spec, parameters), ...searchProblems(spec, method, parameters)];
  if (unfit.length > 0) return { problems: unfit };
  const problems = trialProblems(space);
  return problems.length > 0 ? { problems } : { space };
}

function assembled(spec: SweepSpec, { settings, base }: BaseSettings, wanted: Wanted, sizeOf: SizeOf): Space {
  const found = Object.entries(spec.parameters).map(([path, parameter]) => {
    const start = settingAt(base, path);
    return { path, parameter, domain: domainOf(parameter, typeof start === "number" ? start : 0) };
  });
  const method = methodOf(spec, found);
  const parameters = found.map(({ path, parameter, domain }): SpaceParameter => ({
    path,
    domain,
    role: roleOf(parameter, method),
    ...("when" in parameter && parameter.when !== undefined ? { when: parameter.when } : {}),
  }));
  const { objectives, constraints, stopping } = wanted;
  return {
    spec,
    settings,
    base,
    method,
    parameters,
    objectives,
    constraints,
    ...(stopping === undefined ? {} : { stopping }),
    sizeOf,
  };
}
