/** Do the conditions between parameters hold for some trial? */
import { suggest } from "../../../shared/core/suggest.js";
import type { SweepSpec } from "../../../shared/config/sweep.js";
import type { Values } from "../../../shared/records/sweep-line.js";
import {
  type Conditional,
  type Test,
  circleIn,
  inOrder,
  isTried,
  passes,
  representatives,
  testsOf,
  triedValues,
} from "../conditions.js";
import type { SpaceProblem } from "../problems.js";
import type { SpaceParameter } from "../space-shape.js";

/** What does not depend on the values: does each condition name other parameters? */
export function conditionNameProblems({ parameters, list = [] }: SweepSpec): SpaceProblem[] {
  const names = [...Object.keys(parameters), ...list.flatMap((entry) => Object.keys(entry))];
  return conditionalsOf(parameters).flatMap((one) => nameProblems(one, [...new Set(names)]));
}

function conditionalsOf(parameters: SweepSpec["parameters"]): Conditional[] {
  return Object.entries(parameters).map(([path, parameter]) => ({
    path,
    ...("when" in parameter && parameter.when !== undefined ? { when: parameter.when } : {}),
  }));
}

/** Of conditions that name other parameters. */
export function conditionProblems(
  { list = [] }: Pick<SweepSpec, "list">,
  parameters: readonly SpaceParameter[],
): SpaceProblem[] {
  const circle = circleIn(parameters);
  if (circle.length > 0) {
    const message = `waits for itself: ${circle.join(" → ")}`;
    return [{ path: ["parameters", circle[0] ?? "", "when"], message }];
  }
  return parameters.flatMap((parameter) => neverHolds(parameter, parameters, list));
}

function nameProblems(parameter: Conditional, names: readonly string[]): SpaceProblem[] {
  const around = ["parameters", parameter.path, "when"];
  const tests = testsOf(parameter);
  if (parameter.when !== undefined && tests.length === 0)
    return [{ path: around, message: "names no parameter: leave it out, or say what another one must be" }];
  return tests.flatMap(([path, test]): SpaceProblem[] => {
    const where = [...around, path];
    if (path === parameter.path) return [{ path: where, message: "a parameter cannot depend on itself" }];
    if (!names.includes(path)) {
      const meant = suggest(path, names);
      const hint = meant === undefined ? `parameters: ${names.join(", ")}` : `did you mean "${meant}"?`;
      return [{ path: where, message: `"${path}" is no parameter of this sweep — ${hint}` }];
    }
    return isUnbounded(test)
      ? [{ path: where, message: "expected a value, a list of values, or { min, max }" }]
      : [];
  });
}

function isUnbounded(test: Test): boolean {
  if (typeof test !== "object" || Array.isArray(test)) return false;
  return test.min === undefined && test.max === undefined;
}

function neverHolds(
  parameter: SpaceParameter,
  parameters: readonly SpaceParameter[],
  list: readonly Values[],
): SpaceProblem[] {
  const around = ["parameters", parameter.path, "when"];
  const alone = testsOf(parameter).filter(([path, test]) => !canPass(path, test, parameters, list));
  if (alone.length > 0)
    return alone.map(([path]) => ({
      path: [...around, path],
      message: `never holds: "${path}" is never that`,
    }));
  if (testsOf(parameter).length === 0 || canBeTried(parameter, parameters, list)) return [];
  return [
    {
      path: around,
      message: "never holds: the conditions of the parameters that it names exclude one another",
    },
  ];
}

function canPass(
  path: string,
  test: Test,
  parameters: readonly SpaceParameter[],
  list: readonly Values[],
): boolean {
  const parameter = parameters.find((other) => other.path === path);
  if (parameter !== undefined)
    return representatives(parameter.domain, [test]).some((value) => passes(test, value));
  return list.some((entry) => entry[path] !== undefined && passes(test, entry[path]));
}

/** Beyond this, conditions are taken to hold somewhere. */
const MOST_LOOKED_AT = 100_000;

/** Looks for values of its ancestors with which it is tried; those between which no test tells are looked at once. */
function canBeTried(
  parameter: SpaceParameter,
  parameters: readonly SpaceParameter[],
  list: readonly Values[],
): boolean {
  const ancestors = inOrder(parameters.filter(({ path }) => ancestorsOf(parameter, parameters).has(path)));
  const asking = [...ancestors, parameter];
  let looked = 0;
  const isFound = (i: number, values: Values): boolean => {
    looked += 1;
    const ancestor = ancestors[i];
    if (looked > MOST_LOOKED_AT) return true;
    if (ancestor === undefined) return isTried(parameter, triedValues(ancestors, values));
    const tests = asking.flatMap((other) => testsOf(other).filter(([path]) => path === ancestor.path));
    return representatives(
      ancestor.domain,
      tests.map(([, test]) => test),
    ).some((value) => isFound(i + 1, { ...values, [ancestor.path]: value }));
  };
  return (list.length === 0 ? [{}] : list).some((entry) => isFound(0, entry));
}

function ancestorsOf(parameter: SpaceParameter, parameters: readonly SpaceParameter[]): Set<string> {
  const found = new Set<string>();
  const next = [parameter];
  for (let one = next.pop(); one !== undefined; one = next.pop()) {
    for (const [path] of testsOf(one)) {
      const other = parameters.find((candidate) => candidate.path === path);
      if (other === undefined || found.has(path)) continue;
      found.add(path);
      next.push(other);
    }
  }
  return found;
}
