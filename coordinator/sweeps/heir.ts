/** population: the trial that goes on from another one's state, with its settings changed a little. */
import { isDeepStrictEqual } from "node:util";
import type { Parent, TrialLine } from "../../shared/records/sweep-line.js";
import { trialName } from "../../shared/trial-name.js";
import { knownTrial } from "./belonging.js";
import { TURNS, explored } from "./pruners/population.js";
import type { Verdict } from "./pruners/pruner.js";
import type { SweepState } from "./state.js";

/**
 * Takes the place of trial number `member`, from the state of `from` at a rung. Undefined where all settings near the parent's
 * are tried already: the population is one smaller then.
 */
export function heirOf(
  { space, code, trials, totals }: SweepState,
  from: string,
  rung: number,
  member: number,
  timeS: number,
): TrialLine | undefined {
  const found = trials.get(from);
  const weights = found?.results.find((result) => result.rung === rung)?.weights;
  if (found === undefined || weights === undefined) return undefined;
  const parent: Parent = { trial: from, rung, weights };
  let values = found.values;
  for (let turn = 0; turn < TURNS; turn++) {
    values = explored(space, values, { number: member }, { rung, turn });
    const heir = isDeepStrictEqual(values, found.values)
      ? undefined
      : knownTrial(space, values, code, parent);
    if (heir === undefined || "impossible" in heir || trials.has(heir.id)) continue;
    const { id: trial, group } = heir;
    return { kind: "trial", trial, number: totals.numbers, values, group, time: timeS, parent };
  }
  return undefined;
}

/** Who takes the place of a member that ends, and from whom. */
export function heirWords(
  heir: TrialLine | undefined,
  { number, trial, worth }: NonNullable<Verdict["parent"]>,
): string {
  const parent = trialName(number, trial);
  return heir === undefined
    ? `nobody takes its place: settings near those of ${parent} are all tried`
    : `new ${trialName(heir.number, heir.trial)} takes its place, from the weights of ${parent} with ${worth}`;
}
