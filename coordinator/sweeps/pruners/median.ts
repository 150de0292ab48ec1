/**
 * Median stop: a trial ends at a rung where the best that it has shown so far is worse than the median over the other trials'
 * means up to that rung. Source: D. Golovin and others, "Google Vizier", KDD 2017, section 3.2.2.
 */
import {
  type Comparison,
  type Pruner,
  type Rung,
  type Verdict,
  metricWords,
  rungWords,
  valueWords,
  withoutNumber,
} from "./pruner.js";

export function median(comparison: Comparison, minTrials: number): Pruner {
  return {
    verdict: (rung) => withoutNumber(rung, comparison) ?? judged(rung, comparison, minTrials),
    promotion: () => undefined,
    isParent: () => false,
  };
}

function judged(rung: Rung, comparison: Comparison, minTrials: number): Verdict | undefined {
  const contender = rung.waiting.first;
  if (contender === undefined) return undefined;
  const others = rung.byMean.size - 1;
  const told = (decision: Verdict["decision"], why: string): Verdict => {
    const reason = `${metricWords(comparison, contender.best)} at best up to ${rungWords(rung)}; ${why}`;
    return { rung: rung.rung, contender, decision, reason };
  };
  if (others < minTrials)
    return told("go on", `${others} others were there, and ${minTrials} are needed to judge`);
  const middle = medianOfOthers(rung, rung.byMean.rankOf(contender));
  const median = `the median of ${others} others' means is ${valueWords(comparison.goal, middle)}`;
  return told(contender.best > middle ? "stop" : "go on", median);
}

/** Without the one at `own`; of an even number the better of the two in the middle and the worse count equally. */
function medianOfOthers({ byMean }: Rung, own: number): number {
  const others = byMean.size - 1;
  const mean = (rank: number): number => byMean.at(rank < own ? rank : rank + 1)?.mean ?? NaN;
  const [low, high] = [mean((others - 1) >> 1), mean(others >> 1)];
  return low === high ? low : (low + high) / 2;
}
