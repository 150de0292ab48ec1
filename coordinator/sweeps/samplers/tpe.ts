/**
 * The tree-structured Parzen estimator (Bergstra et al., NIPS 2011): parameter by parameter, of some candidates drawn like
 * the good trials the one that is likeliest among them and least likely among the others. No loss is made up for trials that
 * have no result yet: they only count among the others, so that different places are tried side by side.
 */
import { at } from "../../../shared/core/at.js";
import type { SettingValue } from "../../../shared/config/sweep.js";
import type { Values } from "../../../shared/records/sweep-line.js";
import type { RandomStream } from "../../../shared/random.js";
import { isTried } from "../conditions.js";
import { Points } from "../points.js";
import type { Space, SpaceParameter } from "../space-shape.js";
import { drawnSampler, independentDraw, partsOf, pathStream, wasProposed } from "./draws.js";
import { type Estimate, estimateFrom } from "./parzen.js";
import type { MakeSampler, TriedTrial } from "./sampler.js";

export const tpeSampler: MakeSampler = (space) => {
  const { drawn } = partsOf(space);
  const isFinite = new Points(drawn).count < Infinity;
  const { startup_trials: startup } = space.spec.search;
  return drawnSampler(space, (draw, history) => {
    const groups = split(history.trials.slice(-MOST_TRIALS));
    if (groups.measured < startup || drawn.length === 0) return independentDraw(space, draw);
    for (let round = 0; round < ROUNDS; round += 1) {
      const values = likelyValues(space, drawn, { groups, draw, round });
      if (!isFinite || !wasProposed(values, history.trials)) return values;
    }
    return independentDraw(space, draw);
  });
};

/** Older trials are not looked at. */
const MOST_TRIALS = 20_000;
/** Good trials, and others, from which densities are estimated: a proposal costs the same however many there are. */
const MOST_GOOD = 25;
const MOST_OTHERS = 100;
const MOST_UNMEASURED = 32;
/** What was tried is not tried again: so often others are drawn. */
const ROUNDS = 4;

interface Groups {
  good: readonly TriedTrial[];
  others: readonly TriedTrial[];
  measured: number;
}

/**
 * The best tenth, of those that came furthest: a trial of a higher rung was better than those that stayed on the lower one,
 * where another attack may have judged.
 */
function split(trials: readonly TriedTrial[]): Groups {
  const measured: TriedTrial[] = [];
  const failed: TriedTrial[] = [];
  const unmeasured: TriedTrial[] = [];
  for (const trial of trials) {
    if (trial.state === "failed") failed.push(trial);
    else if (trial.loss === undefined || !Number.isFinite(trial.loss)) unmeasured.push(trial);
    else measured.push(trial);
  }
  const good = best(measured, Math.min(MOST_GOOD, Math.ceil(measured.length / 10)));
  return {
    good,
    others: [
      ...spread(measured, MOST_OTHERS).filter((trial) => !good.includes(trial)),
      ...spread(failed, MOST_OTHERS >> 1),
      ...unmeasured.slice(-MOST_UNMEASURED),
    ],
    measured: measured.length + failed.length,
  };
}

/** In one pass: the list is long, `count` is small. */
function best(trials: readonly TriedTrial[], count: number): TriedTrial[] {
  const found: TriedTrial[] = [];
  for (const trial of trials) {
    const last = found[count - 1];
    if (last !== undefined && !isBetter(trial, last)) continue;
    const place = found.findIndex((other) => isBetter(trial, other));
    found.splice(place < 0 ? found.length : place, 0, trial);
    if (found.length > count) found.pop();
  }
  return found;
}

function isBetter(one: TriedTrial, other: TriedTrial): boolean {
  if (one.rung !== other.rung) return one.rung > other.rung;
  return (one.loss ?? Infinity) < (other.loss ?? Infinity);
}

/** So many of them at most, evenly over the whole list. */
function spread<T>(list: readonly T[], most: number): readonly T[] {
  if (list.length <= most) return list;
  return Array.from({ length: most }, (_, i) => at(list, Math.floor(((i + 0.5) * list.length) / most)));
}

interface Proposal {
  groups: Groups;
  draw: number;
  round: number;
}

function likelyValues(
  { spec }: Space,
  drawn: readonly SpaceParameter[],
  { groups, draw, round }: Proposal,
): Values {
  const { seed, candidates } = spec.search;
  const values: Record<string, SettingValue> = {};
  for (const parameter of drawn) {
    if (!isTried(parameter, values)) continue;
    const { path, domain } = parameter;
    const good = estimateFrom(domain, valuesAt(groups.good, path));
    const others = estimateFrom(domain, valuesAt(groups.others, path));
    const stream = pathStream(seed, "parzen-draws", draw * ROUNDS + round, path);
    values[path] = likeliest(good, others, { candidates, stream });
  }
  return values;
}

/** Of the trials where the parameter was tried. */
function valuesAt(trials: readonly TriedTrial[], path: string): SettingValue[] {
  return trials.flatMap(({ values }) => {
    const value = values[path];
    return value === undefined ? [] : [value];
  });
}

function likeliest(
  good: Estimate,
  others: Estimate,
  { candidates, stream }: { candidates: number; stream: RandomStream },
): SettingValue {
  let best = good.draw(stream);
  let most = -Infinity;
  for (let i = 0; i < candidates; i += 1) {
    const value = i === 0 ? best : good.draw(stream);
    const gain = good.logDensity(value) - others.logDensity(value);
    if (gain > most) [best, most] = [value, gain];
  }
  return best;
}
