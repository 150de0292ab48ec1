/** What all outputs of a sweep's results say, computed once: table, page and documents agree because they read it here. */
import { type Objective, goalOf } from "../../../shared/config/objectives.js";
import { type TrialRow, type TrialState, ownSamples, stateWord } from "../../../shared/records/sweep-line.js";
import type { SweepResults } from "./data.js";
import { isWithinNoise } from "./estimates.js";
import type { Claim } from "../claims.js";
import { type Importance, importanceOf } from "./importance/importance.js";
import { metricNames, strengthSeries } from "./metric-text.js";
import { paperClaims } from "./paper-claims.js";
import { type ShownParameter, shownParameters } from "./parameters.js";
import { type Field, type Standing, behindOf, fieldOf, standingsOf } from "./standings.js";
import { referenceStrength } from "../report/curves.js";

/** An order of all trials by something that is wanted. */
export interface Board {
  /** "objective", or what it ranks by besides. */
  kind: "objective" | "clean" | "robust" | "area";
  objectives: readonly Objective[];
  standings: readonly Standing[];
  /** The best of those that did not come as far; of the objective's board only. */
  behind: readonly Standing[];
  /** Absent with fewer than two contenders. */
  lead?: Lead;
}

export interface Lead {
  /** In the first objective; positive. */
  difference: number;
  /** Undefined where nothing says how large chance is. */
  isNoise: boolean | undefined;
  /** Settings from the first place on that chance alone may have put behind the winner; 1 is the winner itself. */
  level: number;
}

export interface Analysis {
  results: SweepResults;
  parameters: readonly ShownParameter[];
  basis: Field["basis"];
  /** The objective's first. */
  boards: readonly [Board, ...Board[]];
  counts: Readonly<Record<TrialState, number>>;
  /** Training images over all trials. */
  samples: number;
  /** What they would have been had all trials that were begun been trained to the end; undefined where no trial was. */
  samplesUnstopped?: number;
  importance?: Importance;
  /** Empty for a sweep that cannot judge them. */
  claims: readonly Claim[];
}

/** More are not looked at for who is level with the winner. */
const MOST_LEVEL = 1_000;

export function analyse(results: SweepResults): Analysis {
  const field = fieldOf(results);
  const names = metricNames(field.contenders.flatMap(({ members }) => members.map(({ metrics }) => metrics)));
  const boardOf = (
    kind: Board["kind"],
    objectives: readonly Objective[],
    behind: readonly Standing[] = [],
  ): Board => {
    const standings = standingsOf(field.contenders, objectives);
    const lead = leadOf(standings);
    return { kind, objectives, standings, behind, ...(lead === undefined ? {} : { lead }) };
  };
  const others = otherBoards(names, results.objectives).map(([kind, objective]) =>
    boardOf(kind, [objective]),
  );
  const behind = behindOf(results, field, results.objectives);
  const parameters = shownParameters(results);
  const importance = results.objectives[0] && importanceOf(results, results.objectives[0], parameters);
  const whole = wholeLength(results.rows);
  // Without early stopping nobody takes another one's place.
  const begun = results.rows.filter(({ parent }) => parent === undefined);
  return {
    results,
    parameters,
    basis: field.basis,
    boards: [boardOf("objective", results.objectives, behind), ...others],
    counts: countsOf(results.rows),
    samples: results.rows.reduce((sum, row) => sum + ownSamples(row), 0),
    ...(whole === undefined ? {} : { samplesUnstopped: whole * begun.length }),
    ...(importance === undefined ? {} : { importance }),
    claims: paperClaims(results),
  };
}

function countsOf(rows: readonly TrialRow[]): Record<TrialState, number> {
  const counts = { running: 0, waiting: 0, done: 0, stopped: 0, failed: 0 } satisfies Record<
    TrialState,
    number
  >;
  for (const { state } of rows) counts[state]++;
  return counts;
}

/** Mean length of the trials that were trained to the end. */
function wholeLength(rows: readonly TrialRow[]): number | undefined {
  const done = rows.filter(({ state }) => state === "done");
  return done.length === 0 ? undefined : done.reduce((sum, row) => sum + row.samples, 0) / done.length;
}

/** By clean accuracy, by robustness and by area, as far as they were measured and are not the first objective. */
function otherBoards(
  names: readonly string[],
  objectives: readonly Objective[],
): [Board["kind"], Objective][] {
  const metrics: [Board["kind"], string | undefined][] = [
    ["clean", names.find((name) => name === "clean")],
    ["robust", robustMetric(names)],
    [
      "area",
      names.find((name) => name === "area(adversarial)") ?? names.find((name) => name.startsWith("area(")),
    ],
  ];
  // The objective's board stands in the order of the first one; another one's metric is ranked as the spec wants it.
  const [first, ...more] = objectives;
  return metrics.flatMap(([kind, metric]) => {
    if (metric === undefined || metric === first?.metric) return [];
    return [[kind, more.find((one) => one.metric === metric) ?? { metric, goal: goalOf(metric) }]];
  });
}

/** The worst case over attacks, else the accuracy against the adversarial series, at the strength to compare at. */
function robustMetric(names: readonly string[]): string | undefined {
  const worst = names.flatMap((name) => {
    const strength = Number(/^worst\((.+)\)$/.exec(name)?.[1]);
    return Number.isNaN(strength) ? [] : [{ name, strength }];
  });
  const chosen = referenceStrength(worst.map(({ strength }) => strength).sort((a, b) => a - b));
  const found = worst.find(({ strength }) => strength === chosen);
  if (found !== undefined) return found.name;
  const series = strengthSeries(names);
  const main = series.find((one) => one.series === "adversarial") ?? series[0];
  const strength = main && referenceStrength(main.strengths.map((one) => one.strength));
  return main?.strengths.find((one) => one.strength === strength)?.metric;
}

/** Of those that meet the constraints as the winner does. */
function leadOf(standings: readonly Standing[]): Lead | undefined {
  const [winner, second] = standings;
  const [first, runnerUp] = [winner?.estimates[0], second?.estimates[0]];
  if (first === undefined || runnerUp === undefined) return undefined;
  const chased = standings.slice(1, MOST_LEVEL);
  const ahead = chased.findIndex(
    ({ estimates: [one] }) => one === undefined || isWithinNoise(first, one) !== true,
  );
  return {
    difference: Math.abs(first.value - runnerUp.value),
    isNoise: isWithinNoise(first, runnerUp),
    level: 1 + (ahead < 0 ? chased.length : ahead),
  };
}

/** The first of each board, once, with the boards that it leads. */
export function winnersOf({ boards }: Pick<Analysis, "boards">): { best: TrialRow; boards: Board[] }[] {
  const winners = new Map<string, { best: TrialRow; boards: Board[] }>();
  for (const board of boards) {
    const best = board.standings[0]?.best;
    if (best === undefined) continue;
    const known = winners.get(best.trial);
    if (known === undefined) winners.set(best.trial, { best, boards: [board] });
    else known.boards.push(board);
  }
  return [...winners.values()];
}

/** The command that trains a trial again, and before it those from which it descends, and compares its hash. */
export function reproduceCommand(
  { directory }: Pick<SweepResults, "directory">,
  { trial }: Pick<TrialRow, "trial">,
): string {
  const folder = /^[\w./:@%+,-]+$/.test(directory) ? directory : `'${directory.replaceAll("'", `'\\''`)}'`;
  return `npx saf reproduce ${trial} --sweep ${folder}`;
}

/** How many of each state, in words: "6 done, 17 stopped, 1 failed". */
export function countsText(counts: Readonly<Record<TrialState, number>>, isAtWork: boolean): string {
  const order: readonly TrialState[] = ["done", "stopped", "failed", "waiting", "running"];
  const parts = order
    .filter((state) => counts[state] > 0)
    .map((state) => `${counts[state]} ${stateWord(state, isAtWork)}`);
  return parts.length === 0 ? "none begun" : parts.join(", ");
}
