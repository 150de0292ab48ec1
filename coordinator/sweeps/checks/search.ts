/** Does the way of searching fit the space, and does it end? */
import type { Parameter, SearchMethod, SweepSpec } from "../../../shared/config/sweep.js";
import { type Extent, MOST_TRIALS, extentOf } from "../counting.js";
import { sizeOf } from "../domains.js";
import { explorable } from "../pruners/population.js";
import type { SpaceProblem } from "../problems.js";
import { SOBOL_DIMENSIONS } from "../samplers/sobol.js";
import type { SpaceParameter } from "../space-shape.js";

/** A list is tried as it is; what is finite, as a grid; anything else is drawn. */
export function methodOf(
  { search, list }: SweepSpec,
  parameters: readonly Pick<SpaceParameter, "domain">[],
): SearchMethod {
  const isFinite = parameters.every(({ domain }) => sizeOf(domain) < Infinity);
  return search.method ?? (list !== undefined ? "list" : isFinite ? "grid" : "random");
}

export function roleOf(parameter: Parameter, method: SearchMethod): SpaceParameter["role"] {
  if ("repeat" in parameter) return "repeated";
  return method === "grid" || "grid" in parameter ? "crossed" : "drawn";
}

export function searchProblems(
  spec: SweepSpec,
  method: SearchMethod,
  parameters: readonly SpaceParameter[],
): SpaceProblem[] {
  const { list } = spec;
  if (method === "list" && list === undefined)
    return [
      { path: ["search", "method"], message: "there is no list: give the trials one by one as `list`" },
    ];
  if (method !== "list" && list !== undefined)
    return [
      { path: ["list"], message: `search.method ${method} does not try a list: leave one of them out` },
    ];
  const misfits = parameters.flatMap((parameter) => misfit(parameter, method));
  if (misfits.length > 0) return misfits;
  const drawn = parameters.filter(({ role }) => role === "drawn");
  if (method === "sobol" && drawn.length > SOBOL_DIMENSIONS) {
    const message = `a Sobol sequence serves at most ${SOBOL_DIMENSIONS} parameters, and ${drawn.length} are drawn: use random`;
    return [{ path: ["search", "method"], message }];
  }
  return [
    ...populationProblems(spec, parameters),
    ...extentProblems(spec, method, extentOf({ spec, parameters })),
  ];
}

/** Whoever takes over from another trial goes on with settings of its own. */
function populationProblems({ stopping }: SweepSpec, parameters: readonly SpaceParameter[]): SpaceProblem[] {
  if (stopping?.method !== "population" || explorable({ parameters }).length > 0) return [];
  const message =
    "a population changes settings while it trains: give a range of one that may change then, as train.learning_rate";
  return [{ path: ["stopping", "method"], message }];
}

function misfit({ path, domain, role }: SpaceParameter, method: SearchMethod): SpaceProblem[] {
  const where = ["parameters", path];
  if (method === "grid" && sizeOf(domain) === Infinity)
    return [
      { path: where, message: "a grid needs finitely many values: give a step, or search.method random" },
    ];
  if (method === "list" && role === "drawn")
    return [{ path: where, message: "nothing is drawn beside a list: use grid, or put it into the list" }];
  return [];
}

function extentProblems(
  { limits }: SweepSpec,
  method: SearchMethod,
  { draws, crossings }: Extent,
): SpaceProblem[] {
  const whole = draws * crossings;
  const { trials, hours, samples } = limits;
  if (crossings > MOST_TRIALS || ((method === "grid" || method === "list") && whole > MOST_TRIALS)) {
    const message = `${countText(method === "grid" || method === "list" ? whole : crossings)} trials, more than ${countText(MOST_TRIALS)}: try fewer values, or search.method random with limits.trials`;
    return [{ path: ["parameters"], message }];
  }
  if (trials !== undefined && trials > MOST_TRIALS)
    return [
      {
        path: ["limits", "trials"],
        message: `${countText(trials)} trials are more than ${countText(MOST_TRIALS)}`,
      },
    ];
  if (whole > MOST_TRIALS && trials === undefined && hours === undefined && samples === undefined) {
    const never =
      whole === Infinity
        ? "the search never ends by itself"
        : `the search ends after ${countText(whole)} trials only`;
    return [{ path: ["limits"], message: `${never}: give trials, hours or samples` }];
  }
  return [];
}

/** 1,000,000,000; beyond what can be counted, a power of ten. */
function countText(count: number): string {
  return count <= Number.MAX_SAFE_INTEGER
    ? count.toLocaleString("en")
    : `about 10^${Math.round(Math.log10(count))}`;
}
