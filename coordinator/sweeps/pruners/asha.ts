/**
 * Asynchronous successive halving. Whenever something may begin, a trial that is among the best 1/factor of those at its rung
 * goes on, the highest rung first; where there is none, a new one begins. Nobody waits for a rung to fill.
 * Source: L. Li and others, "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020, arXiv:1810.05934, algorithm 2.
 *
 * Two things the paper leaves open. A trial is stopped as soon as so many are better that it cannot go on any more, which frees
 * its state. And in a small sweep 1/factor of the trials at a high rung may be less than one: when all else is over, the best
 * of a rung from which none went on does, so that a sweep ends with a trial at full length.
 */
import { at } from "../../../shared/core/at.js";
import {
  type Comparison,
  type Outlook,
  type Pruner,
  type Rung,
  type Verdict,
  grouped,
  metricWords,
  placeWords,
  valueWords,
  withoutNumber,
} from "./pruner.js";

export function asha(comparison: Comparison): Pruner {
  return {
    verdict: (rung, rungs, outlook) =>
      withoutNumber(rung, comparison) ??
      (outlook.isOver ? left(rung, comparison) : hopeless(rung, mostAt(rung, rungs, outlook), comparison)),
    promotion: (rungs, outlook) => promotion(rungs, outlook, comparison),
    isParent: () => false,
  };
}

function promotion(rungs: readonly Rung[], outlook: Outlook, comparison: Comparison): Verdict | undefined {
  for (let i = rungs.length - 1; i >= 0; i--) {
    const rung = at(rungs, i);
    const contender = rung.waiting.first;
    if (contender === undefined || contender.loss === Infinity) continue;
    const isAmongBest = rung.measured.rankOf(contender) < quota(rung, comparison);
    if (!isAmongBest && !(outlook.isOver && rung.gone === 0)) continue;
    const why = isAmongBest
      ? `the best ${partWords(comparison)} goes on`
      : "none went on from there, and nothing else is left to do";
    const reason = `${placeWords(rung, contender)}: ${metricWords(comparison, contender.loss)}; ${why}`;
    return { rung: rung.rung, contender, decision: "go on", reason };
  }
  return undefined;
}

function quota({ measured }: Rung, { factor }: Comparison): number {
  return Math.floor(measured.size / factor);
}

/** So many are better that it cannot come to be among the best of its rung, whatever comes. */
function hopeless(rung: Rung, most: number, comparison: Comparison): Verdict | undefined {
  const contender = rung.waiting.last;
  const kept = keptOf(Math.max(1, Math.floor(most / comparison.factor)));
  if (contender === undefined || rung.measured.rankOf(contender) < kept) return undefined;
  const least = rung.measured.at(kept - 1);
  const reason =
    `${placeWords(rung, contender)}: ${metricWords(comparison, contender.loss)}; of at most ${grouped(most)} trials there ` +
    `the best ${partWords(comparison)} goes on, and ${grouped(kept)} have ${valueWords(comparison.goal, least?.loss ?? NaN)} or better`;
  return { rung: rung.rung, contender, decision: "stop", reason };
}

/**
 * How many can come to a rung in all. More than 1/factor of a rung may go on from it: those that were among its best when they
 * did, and those that are now.
 */
function mostAt({ rung }: Rung, rungs: readonly Rung[], { trials }: Outlook): number {
  let most = trials;
  for (const { measured, waiting, gone } of rungs.slice(0, rung)) most -= measured.size - waiting.size - gone;
  return most;
}

/** Some more are kept, for those of the best that may yet fail. */
function keptOf(best: number): number {
  return best + Math.ceil(best / 4);
}

/** Nothing more comes: what was not among the best of its rung ends. */
function left(rung: Rung, comparison: Comparison): Verdict | undefined {
  const contender = rung.waiting.last;
  if (contender === undefined) return undefined;
  const begins = rung.measured.at(Math.max(1, quota(rung, comparison)) - 1);
  const reason =
    `${placeWords(rung, contender)}: ${metricWords(comparison, contender.loss)}, ` +
    `the best ${partWords(comparison)} begins at ${valueWords(comparison.goal, begins?.loss ?? NaN)}`;
  return { rung: rung.rung, contender, decision: "stop", reason };
}

const PARTS: Readonly<Record<number, string>> = {
  2: "half",
  3: "third",
  4: "quarter",
  5: "fifth",
  10: "tenth",
};

/** "third" of 3, "1/2.5" of 2.5 */
function partWords({ factor }: Comparison): string {
  return PARTS[factor] ?? `1/${factor}`;
}
