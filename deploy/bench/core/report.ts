/** What rounds of a benchmark come to: ratios with their bars, and the figures of every contender. */
import { keysOf } from "../../../shared/core/keys.js";
import { type Summary, ratios, summarise } from "./statistics.js";
import type { Row } from "./comparisons.js";
import { FIGURES, type FigureName, type Measured, type Outcome, isSkipped, nameOf } from "./contenders.js";

/** One round of one contender, in the order in which they ran. */
export interface Run {
  round: number;
  contender: string;
  /** Of the machine, over the last minute, before this contender began. */
  load_before: number;
  outcome: Outcome;
}

export interface RowResult {
  what: string;
  bar: string;
  /** Above ÷ below, each round against its own neighbour; or why there is none. */
  ratio: Summary | { skipped: string };
  is_met: boolean | undefined;
}

export interface ContenderResult {
  name: string;
  by: string;
  /** Why it did not run. */
  skipped?: string;
  figures: Partial<Record<FigureName, Summary>>;
}

export function rowResult(row: Row, runs: readonly Run[]): RowResult {
  const { what, bar } = row;
  const ratio = ratioOf(row, runs);
  const is_met = "skipped" in ratio ? undefined : meets(bar, ratio.median);
  return { what, bar: barWords(bar), ratio, is_met };
}

function meets(bar: Row["bar"], value: number): boolean {
  return "atLeast" in bar ? value >= bar.atLeast : value <= bar.atMost;
}

const barWords = (bar: Row["bar"]): string => ("atLeast" in bar ? `≥ ${bar.atLeast}` : `≤ ${bar.atMost}`);

function ratioOf({ above, below, figure }: Row, runs: readonly Run[]): RowResult["ratio"] {
  const sides = [above, below].map((contender) => figuresOf(outcomesOf(runs, nameOf(contender)), figure));
  const [first, second] = sides;
  const skipped = sides.find((side): side is { skipped: string } => side !== undefined && "skipped" in side);
  if (skipped !== undefined) return skipped;
  if (first === undefined || second === undefined || "skipped" in first || "skipped" in second)
    return { skipped: "it did not run" };
  return ratios(first.values, second.values);
}

export function outcomesOf(runs: readonly Run[], name: string): Outcome[] {
  return runs
    .filter(({ contender }) => contender === name)
    .sort((a, b) => a.round - b.round)
    .map(({ outcome }) => outcome);
}

/** None where it was not measured, or too short a time for it. */
function told({ figures }: Measured, figure: FigureName): number[] {
  const value = figures[figure];
  return value === undefined || !Number.isFinite(value) ? [] : [value];
}

/** A figure of each round, or why there is none. */
export function figuresOf(
  outcomes: readonly Outcome[],
  figure: FigureName,
): { values: number[] } | { skipped: string } {
  const skipped = outcomes.find(isSkipped);
  if (skipped !== undefined) return skipped;
  const values = outcomes.flatMap((outcome) => (isSkipped(outcome) ? [] : told(outcome, figure)));
  if (outcomes.length === 0 || values.length < outcomes.length)
    return { skipped: `it does not tell ${FIGURES[figure]}` };
  return { values };
}

export function contenderResult(name: string, runs: readonly Run[]): ContenderResult {
  const outcomes = outcomesOf(runs, name);
  const skipped = outcomes.find(isSkipped)?.skipped;
  const measured = outcomes.flatMap((outcome) => (isSkipped(outcome) ? [] : outcome));
  const figures: ContenderResult["figures"] = {};
  for (const figure of keysOf(FIGURES)) {
    const values = measured.flatMap((one) => told(one, figure));
    if (values.length > 0) figures[figure] = summarise(values);
  }
  return {
    name,
    by: [...new Set(measured.map(({ by }) => by))].join("; "),
    ...(skipped === undefined ? {} : { skipped }),
    figures,
  };
}

/** Graph and eager of one engine must say so, or the ratio compares a thing with itself. */
export function sameEngineNotes(rows: readonly Row[], contenders: readonly ContenderResult[]): string[] {
  const byName = new Map(contenders.map((contender) => [contender.name, contender.by]));
  return rows.flatMap(({ what, above, below }) => {
    if (!("mode" in above) || !("mode" in below) || above.mode === below.mode) return [];
    const by = byName.get(nameOf(above)) ?? "";
    return by !== "" && by === byName.get(nameOf(below))
      ? [`${what}: both were computed by ${by}, so the mode made no difference to the engine`]
      : [];
  });
}
