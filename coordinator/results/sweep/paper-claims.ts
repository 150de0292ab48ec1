/**
 * The paper's claims, judged by the trials of a sweep over its networks. A sweep over anything else has none: two trials of
 * one network and seed would be two answers to one question.
 */
import type { TrialRow } from "../../../shared/records/sweep-line.js";
import type { PerturbationKind } from "../../../shared/results.js";
import { type Claim, type ClaimModel, judgeClaims, settingsOf } from "../claims.js";
import type { ClaimOutcome } from "../paired-interval.js";
import type { SweepResults } from "./data.js";
import { trialSettings } from "./trial-settings.js";

/** Settings that a sweep over the paper's networks varies. */
const ASKED = new Set(["model", "seed"]);

/** Empty where no claim can be judged. */
export function paperClaims(results: SweepResults): Claim[] {
  const { rows, settings } = results;
  const done = rows.filter(({ state, outside }) => state === "done" && outside === undefined);
  if (done.length === 0 || done.some(({ values }) => !Object.keys(values).every((path) => ASKED.has(path))))
    return [];
  const models: ClaimModel[] = [];
  let dataset = "mnist";
  for (const row of done) {
    const config = trialSettings(settings, row.values);
    if (typeof config?.model !== "string") return [];
    dataset = config.data.set;
    models.push({
      network: config.model,
      seed: config.seed,
      outcome: (kind, strength) => outcomeOf(row, kind, strength),
    });
  }
  const claims = judgeClaims(settingsOf(dataset), models);
  return claims.some(({ comparisons }) => comparisons.length > 0) ? claims : [];
}

/** A row keeps rates: the counts behind them are whole. */
function outcomeOf(row: TrialRow, kind: PerturbationKind, strength: number): ClaimOutcome | undefined {
  const newest = row.rungs.at(-1);
  if (newest === undefined) return undefined;
  const { clean } = row.metrics;
  const error =
    kind === "clean"
      ? clean === undefined
        ? undefined
        : 1 - clean
      : row.metrics[`error(${kind}, ${strength})`];
  if (error === undefined) return undefined;
  const n = kind === "clean" ? newest.images : (newest.measuredImages ?? newest.images);
  return { n, errors: Math.round(error * n) };
}

/** What stands beside a verdict, in words. */
export function reasonOf({ reason, comparisons }: Claim): string {
  const holding = comparisons.filter(({ verdict }) => verdict === "holds").length;
  const counted = `${holding} of ${comparisons.length} comparisons hold`;
  return reason === undefined ? counted : comparisons.length === 0 ? reason : `${counted}; ${reason}`;
}
