/** The results in sentences, and what a reader must be warned of: the same words on the page, in Markdown and in the terminal. */
import { trialName } from "../../../shared/trial-name.js";
import { count, percent } from "../report/format.js";
import { type Analysis, type Board, type Lead, countsText } from "./analysis.js";
import type { Estimate } from "./estimates.js";
import { metricLabel, metricPhrase, metricText } from "./metric-text.js";
import { settingsText } from "./parameters.js";
import type { Standing } from "./standings.js";

/** Below this the forest explains too little to speak of importances. */
export const LEAST_FIT = 0.2;

export function readingOf(analysis: Analysis): string[] {
  return [
    trialsSentence(analysis),
    basisSentence(analysis),
    winnerSentence(analysis),
    leadSentence(analysis.boards[0]),
    samplesSentence(analysis),
    importanceSentence(analysis),
  ].filter((sentence) => sentence !== undefined);
}

function trialsSentence({ results, counts }: Analysis): string {
  const trials = results.rows.length === 1 ? "1 trial" : `${count(results.rows.length)} trials`;
  const outside = results.rows.filter((row) => row.outside !== undefined).length;
  const left =
    outside === 0 ? "" : ` ${count(outside)} of them the present spec does not make: they are not ranked.`;
  return `${trials}: ${countsText(counts, results.isAtWork === true)}.${left}`;
}

function basisSentence({ basis, counts }: Analysis): string | undefined {
  switch (basis.kind) {
    case "done":
      return undefined;
    case "nothing":
      return counts.failed === 0
        ? "Nothing has been measured yet, so nothing is ranked."
        : "Nothing was measured, so nothing is ranked.";
    case "rung":
      return `No trial is done yet: ranked are those at rung ${basis.rung}, after ${count(basis.samples)} training images.`;
  }
}

function winnerSentence({ boards: [board], parameters }: Analysis): string | undefined {
  const [winner] = board.standings;
  if (winner === undefined) return undefined;
  const numbers = board.objectives
    .map(({ metric }, i) => `${metricLabel(metric)} ${estimatePhrase(metric, winner.estimates[i])}`)
    .join("; ");
  const settings = settingsText(winner.best, parameters);
  const front = board.standings.filter(({ isOnFront }) => isOnFront).length;
  const title =
    board.objectives.length > 1
      ? `${front} of ${count(board.standings.length)} ${settingsWord(board)} are on the Pareto front; first by ${metricLabel(board.objectives[0]?.metric ?? "")} is`
      : "The best is";
  return `${title} ${trialsPhrase(winner)}${settings === "" ? "" : `, ${settings}`}: ${numbers}.`;
}

function settingsWord(board: Board): string {
  return board.standings.some(({ members }) => members.length > 1) ? "settings" : "trials";
}

/** "trial 17 (3f2a…)", "trials 3, 4 and 5, one setting under 3 seeds". */
function trialsPhrase({ members, best }: Standing): string {
  if (members.length === 1) return `trial ${best.number} (${best.trial})`;
  return `the setting of trial ${best.number} (${best.trial}), tried with ${members.length} seeds`;
}

/** "97.3 % (95 %: 96.8–97.7 over seeds, 97.0–97.6 over images)". */
function estimatePhrase(metric: string, estimate: Estimate | undefined): string {
  const text = metricPhrase(metric, estimate?.value);
  const intervals = estimate === undefined ? [] : intervalTexts(metric, estimate);
  return intervals.length === 0 ? text : `${text} (95 %: ${intervals.join(", ")})`;
}

/** Each interval with what it is over. */
export function intervalTexts(metric: string, { overSeeds, overImages }: Estimate): string[] {
  const text = ({ low, high }: { low: number; high: number }): string =>
    `${metricText(metric, low)}–${metricText(metric, high)}`;
  return [
    ...(overSeeds === undefined ? [] : [`${text(overSeeds)} over seeds`]),
    ...(overImages === undefined ? [] : [`${text(overImages)} over images`]),
  ];
}

/** Two trials of the same images differ by less than two independent ones: an interval that ignores it is wide. */
function leadSentence(board: Board): string | undefined {
  const { lead, objectives } = board;
  const metric = objectives[0]?.metric;
  if (lead === undefined || metric === undefined || objectives.length > 1) return undefined;
  const by = `leads in ${metricLabel(metric)} by ${differencePhrase(metric, lead)}`;
  if (lead.isNoise === undefined)
    return `It ${by}; nothing says how much of that is chance (a parameter with "repeat" tries each setting with several seeds).`;
  if (!lead.isNoise) return `It ${by}: more than chance explains at 95 %.`;
  return undefined; // a warning says it
}

function differencePhrase(metric: string, { difference }: Lead): string {
  const text = metricText(metric, difference);
  return metricPhrase(metric, difference) === text ? text : `${text} points`;
}

/** "a", "a and b", "a, b and c". */
export function listed(texts: readonly string[]): string {
  return texts.length < 2 ? texts.join("") : `${texts.slice(0, -1).join(", ")} and ${texts.at(-1)}`;
}

/** What must not be overlooked. Empty where there is nothing. */
export function warningsOf(analysis: Analysis): string[] {
  const { boards, results } = analysis;
  const [board] = boards;
  const [winner] = board.standings;
  const warnings: string[] = [];
  if (winner === undefined) {
    if (results.rows.length > 0 && analysis.counts.failed === results.rows.length)
      warnings.push("All trials failed: nothing is ranked. The reasons are listed with the failed trials.");
    return warnings;
  }
  const noise = noiseWarning(board);
  if (noise !== undefined) warnings.push(noise);
  warnings.push(...unreliableWarnings(boards));
  if (winner.unmet.length > 0) warnings.push(unmetWarning(winner, results.constraints.length));
  return warnings;
}

function noiseWarning({ lead, objectives, standings }: Board): string | undefined {
  const metric = objectives[0]?.metric;
  if (lead?.isNoise !== true || metric === undefined || objectives.length > 1) return undefined;
  const level =
    lead.level === standings.length && standings.length > 2
      ? `all ${count(standings.length)} are level with it`
      : `the first ${count(lead.level)} places are level`;
  return `The winner's lead in ${metricLabel(metric)} (${differencePhrase(metric, lead)}) is within noise: ${level} at 95 %. Try the best again with more seeds before you choose one.`;
}

/** Once for the same reasons, of all winners of boards that have them. */
function unreliableWarnings(boards: readonly Board[]): string[] {
  const seen = new Set<string>();
  const found = new Map<string, string[]>();
  for (const {
    standings: [winner],
    objectives,
  } of boards) {
    const { trial = "", number, unreliable = [] } = winner?.best ?? {};
    if (unreliable.length === 0 || seen.has(trial)) continue;
    seen.add(trial);
    const reasons = unreliable.join("; ");
    const who = `trial ${number} (${trial}), first by ${metricLabel(objectives[0]?.metric ?? "")}`;
    found.set(reasons, [...(found.get(reasons) ?? []), who]);
  }
  return [...found].map(([reasons, who]) =>
    who.length === 1
      ? `The evaluation of ${who.join()}, is marked unreliable: ${reasons}.`
      : `The evaluations of ${listed(who)} are marked unreliable: ${reasons}.`,
  );
}

function unmetWarning({ unmet, best }: Standing, constraints: number): string {
  const what = constraints === 1 ? "the constraint" : "all constraints";
  return `No trial meets ${what}; the first one, ${trialName(best.number, best.trial)}, misses ${listed(unmet)}.`;
}

function samplesSentence({ samples, samplesUnstopped, counts }: Analysis): string | undefined {
  if (samples === 0) return undefined;
  const seen = `${count(samples)} training images were seen in all`;
  if (counts.stopped === 0 || samplesUnstopped === undefined || samplesUnstopped <= samples)
    return `${seen}.`;
  const times = (samplesUnstopped / samples).toFixed(1);
  return `${seen}; to the end of all trials it would have been ${count(samplesUnstopped)}, ${times} times as many.`;
}

export function importanceSentence({ importance }: Analysis): string | undefined {
  if (importance === undefined) return undefined;
  const { metric, fit, trials, parameters } = importance;
  if (fit < LEAST_FIT)
    return `The parameters hardly explain ${metricLabel(metric)} over ${count(trials)} trials (R² ${fit.toFixed(2)}): no importances are to be read from this sweep.`;
  const [first, second] = parameters;
  if (first === undefined) return undefined;
  const other = second === undefined ? "" : `, ${second.name} ${percent(second.share)} %`;
  return `By itself, ${first.name} explains ${percent(first.share)} % of the variance of ${metricLabel(metric)}${other} (${importance.method} over ${count(trials)} trials).`;
}
