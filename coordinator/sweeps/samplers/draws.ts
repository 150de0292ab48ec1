/** What searches that draw have in common: each draw serves all values of what is crossed with it, one trial after another. */
import type { SettingValue } from "../../../shared/config/sweep.js";
import type { Values } from "../../../shared/records/sweep-line.js";
import { fnv } from "../../../shared/core/fnv.js";
import { type Purpose, RandomStream } from "../../../shared/random.js";
import { inOrder, triedValues } from "../conditions.js";
import { isSame, valueOf } from "../domains.js";
import { Points } from "../points.js";
import type { Space, SpaceParameter } from "../space-shape.js";
import type { History, Sampler, TriedTrial } from "./sampler.js";

/** Values of what is drawn. */
export type DrawOf = (draw: number, history: History) => Values | "none";

/** In a space with more points than these, those that are left are not looked for. */
const MOST_SEARCHED = 4096;
/** So many draws for each point have met practically all of them. */
const DRAWS_PER_POINT = 32;

/** Puts draws and crossings together. A finite space is tried once, and then the search is at its end. */
export function drawnSampler(space: Space, drawOf: DrawOf): Sampler {
  const { drawn, crossed } = partsOf(space);
  const draws = new Points(drawn);
  const crossings = new Points(crossed);
  const ordered = inOrder(space.parameters);
  return {
    propose(number, history) {
      const crossing = number % crossings.count;
      const draw = (number - crossing) / crossings.count;
      if (draw >= DRAWS_PER_POINT * draws.count) return "none";
      const values =
        siblingValues(drawn, number - crossing, number, history) ??
        unlessTried(drawOf(draw, history), draw, { draws, history, drawn });
      if (values === "none") return "none";
      const whole = { ...independentDraw(space, draw), ...values, ...crossings.at(crossing) };
      return inOrderOf(space, triedValues(ordered, whole));
    },
  };
}

/** In their order; what a drawn one asks of crossed ones is left out: it is drawn in any case. */
export function partsOf({ parameters }: Pick<Space, "parameters">): {
  drawn: SpaceParameter[];
  crossed: SpaceParameter[];
} {
  const drawn = parameters.filter(({ role }) => role === "drawn");
  const crossed = parameters.filter(({ role }) => role !== "drawn");
  return { drawn: inOrder(among(drawn)), crossed: inOrder(among(crossed)) };
}

/** With what they ask of one another only. */
function among(parameters: readonly SpaceParameter[]): SpaceParameter[] {
  const known = new Set(parameters.map(({ path }) => path));
  return parameters.map(({ when, ...parameter }) => {
    const asked = Object.entries(when ?? {}).filter(([path]) => known.has(path));
    return asked.length === 0 ? parameter : { ...parameter, when: Object.fromEntries(asked) };
  });
}

/** What an earlier trial of the same draw had. */
function siblingValues(
  drawn: readonly SpaceParameter[],
  first: number,
  number: number,
  { trials }: History,
): Values | undefined {
  const newest = trials.at(-1);
  if (newest === undefined || newest.number < first || newest.number >= number) return undefined;
  return valuesOf(drawn, newest.values);
}

function valuesOf(parameters: readonly SpaceParameter[], values: Values): Values {
  const own: Record<string, SettingValue> = {};
  for (const { path } of parameters) if (values[path] !== undefined) own[path] = values[path];
  return own;
}

/** Each by itself, whatever conditions say: the same for the same draw, seed and path. */
export function independentDraw({ parameters, spec }: Space, draw: number): Values {
  const drawn = parameters.filter(({ role }) => role === "drawn");
  return Object.fromEntries(
    drawn.map(({ path, domain }) => [
      path,
      valueOf(domain, pathStream(spec.search.seed, "trial-draws", draw, path).uniform()),
    ]),
  );
}

/** A stream of one parameter's own: others may be added without changing its draws. */
export function pathStream(seed: number, purpose: Purpose, draw: number, path: string): RandomStream {
  return new RandomStream(seed, purpose, draw, Number.parseInt(fnv(path).slice(0, 8), 16));
}

/** A point that was tried gives way to one that was not, as far as the space is small enough to look for it. */
function unlessTried(
  values: Values | "none",
  draw: number,
  { draws, history, drawn }: { draws: Points; history: History; drawn: readonly SpaceParameter[] },
): Values | "none" {
  if (values === "none" || draws.count > MOST_SEARCHED) return values;
  const own = triedValues(drawn, values);
  if (!wasProposed(own, history.trials)) return own;
  const keyOf = (tried: Values): string => JSON.stringify(drawn.map(({ path }) => tried[path] ?? null));
  const keys = new Set(history.trials.map((trial) => keyOf(trial.values)));
  for (let i = 1; i <= draws.count; i += 1) {
    const other = draws.at((draw + i) % draws.count);
    if (!keys.has(keyOf(other))) return other;
  }
  return "none";
}

export function wasProposed(values: Values, trials: readonly TriedTrial[]): boolean {
  const entries = Object.entries(values);
  return trials.some((trial) => {
    for (const [path, value] of entries) if (!isSame(trial.values[path], value)) return false;
    return true;
  });
}

/** By the spec's order, what is no parameter in front. */
export function inOrderOf({ parameters }: Space, values: Values): Values {
  const known = new Set(parameters.map(({ path }) => path));
  const others = Object.entries(values).filter(([path]) => !known.has(path));
  return { ...Object.fromEntries(others), ...valuesOf(parameters, values) };
}
