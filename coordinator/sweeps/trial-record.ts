/** What the book keeps of a trial. Its settings are made from its values each time it begins: they are large. */
import { at } from "../../shared/core/at.js";
import type {
  MetricValues,
  Parent,
  ResultLine,
  TrialLine,
  TrialRow,
  TrialState,
  Values,
} from "../../shared/records/sweep-line.js";
import type { Contender } from "./pruners/pruner.js";
import type { Standing } from "./ranking.js";
import type { TriedTrial } from "./samplers/sampler.js";

export type RungResult = TrialRow["rungs"][number];

export interface TrialRecord {
  readonly id: string;
  readonly number: number;
  readonly group: string;
  readonly values: Values;
  readonly parent: Parent | undefined;
  /** Why the present spec does not make it. */
  readonly outside: string | undefined;
  state: TrialState;
  /** The present one, from 1 on. */
  attempt: number;
  /** Attempts that failed since it began, or since it was told to try again. */
  failures: number;
  reason: string | undefined;
  /** Made anew with each: an array that grows keeps room for 16 more. */
  results: readonly RungResult[];
  /** At rungs below its last, in their order. */
  contenders: readonly Contender[];
  /** As the search sees it; undefined where the present search did not make it. */
  readonly tried: TriedTrial | undefined;
  /** Its place among all; undefined while it has no result. */
  standing: Standing | undefined;
}

export function recordOf(line: TrialLine, outside: string | undefined, isOfSearch: boolean): TrialRecord {
  const { trial: id, number, group, values, parent, draw } = line;
  const isTried = isOfSearch && draw !== undefined && outside === undefined;
  return {
    id,
    number,
    group,
    values,
    parent,
    outside,
    state: "running",
    attempt: 1,
    failures: 0,
    reason: undefined,
    results: [],
    contenders: [],
    tried: isTried ? { number: draw, values, state: "running", rung: -1, loss: undefined } : undefined,
    standing: undefined,
  };
}

/** The rung to be measured next; behind its last rung, one more than that. */
export function nextRung({ parent, results }: TrialRecord): number {
  return results.length + (parent === undefined ? 0 : parent.rung + 1);
}

/** Always in the same order of fields: ten thousand of them share one shape. */
export function resultOf(line: ResultLine): RungResult {
  const { attempt, rung, last, samples, metrics, weights, seconds, images, time } = line;
  const { measuredImages, unreliable } = line;
  return {
    attempt,
    rung,
    last,
    samples,
    metrics,
    weights,
    seconds,
    images,
    time,
    ...(measuredImages === undefined ? {} : { measuredImages }),
    ...(unreliable === undefined ? {} : { unreliable }),
  };
}

/** What a trial's parent had seen where it began; 0 without one. */
export function seenByParent(
  { parent }: Pick<TrialRecord, "parent">,
  trials: ReadonlyMap<string, TrialRecord>,
): number {
  if (parent === undefined) return 0;
  return trials.get(parent.trial)?.results.find(({ rung }) => rung === parent.rung)?.samples ?? 0;
}

const NO_METRICS: MetricValues = {};

export function rowOf(record: TrialRecord): TrialRow {
  const { id, number, group, values, state, attempt, results, reason, parent, outside } = record;
  const newest = results.length === 0 ? undefined : at(results, results.length - 1);
  return {
    trial: id,
    number,
    group,
    values,
    state,
    attempt,
    rungs: results,
    metrics: newest?.metrics ?? NO_METRICS,
    samples: newest?.samples ?? 0,
    seconds: results.reduce((sum, { seconds }) => sum + seconds, 0),
    ...(newest === undefined ? {} : { weights: newest.weights }),
    ...(newest?.unreliable === undefined ? {} : { unreliable: newest.unreliable }),
    ...(reason === undefined ? {} : { reason }),
    ...(parent === undefined ? {} : { parent }),
    ...(outside === undefined ? {} : { outside }),
  };
}
