/**
 * The paper's claims, judged by the trials of a sweep over its networks. A sweep over anything else has none: two trials of
 * one network and seed would be two answers to one question.
 */
import type { Config } from "../../../shared/config/run.js";
import type { MetricValues, TrialRow, Values } from "../../../shared/records/sweep-line.js";
import type { PerturbationKind } from "../../../shared/results.js";
import { type Claim, type ClaimModel, judgeClaims, settingsOf } from "../claims.js";
import type { ClaimOutcome } from "../paired-interval.js";
import type { SweepResults } from "./data.js";
import { trialSettings } from "./trial-settings.js";

/** Settings that a sweep over the paper's networks varies. */
const ASKED = new Set(["model", "seed"]);

/** Empty where no claim can be judged. */
export function paperClaims(results: SweepResults): Claim[] {
  const done = results.rows.filter(({ state, outside }) => state === "done" && outside === undefined);
  if (!done.every(({ values }) => Object.keys(values).every((path) => ASKED.has(path)))) return [];
  // Settings of thousands of trials are those of a few networks, with other seeds.
  const configs = new Map<unknown, Config | undefined>();
  const models: ClaimModel[] = [];
  let dataset: string | undefined;
  for (const row of done) {
    const { model, seed } = row.values;
    if (!configs.has(model)) configs.set(model, trialSettings(results.settings, withoutSeed(row.values)));
    const config = configs.get(model);
    if (typeof config?.model !== "string") return [];
    dataset = config.data.set;
    models.push({
      network: config.model,
      seed: typeof seed === "number" ? seed : config.seed,
      outcome: (kind, strength) => outcomeOf(row, kind, strength),
    });
  }
  const claims = dataset === undefined ? [] : judgeClaims(settingsOf(dataset), models);
  return claims.some(({ comparisons }) => comparisons.length > 0) ? claims : [];
}

function withoutSeed({ model }: Values): Values {
  return model === undefined ? {} : { model };
}

/** A row keeps rates: the counts behind them are whole. */
function outcomeOf(row: TrialRow, kind: PerturbationKind, strength: number): ClaimOutcome | undefined {
  const newest = row.rungs.at(-1);
  const error = errorOf(row.metrics, kind, strength);
  if (newest === undefined || error === undefined) return undefined;
  const n = kind === "clean" ? newest.images : (newest.measuredImages ?? newest.images);
  return { n, errors: Math.round(error * n) };
}

function errorOf(metrics: MetricValues, kind: PerturbationKind, strength: number): number | undefined {
  if (kind !== "clean") return metrics[`error(${kind}, ${strength})`];
  return metrics["clean"] === undefined ? undefined : 1 - metrics["clean"];
}

/** What stands beside a verdict, in words. */
export function reasonOf({ reason, comparisons }: Claim): string {
  if (reason !== undefined && comparisons.length === 0) return reason;
  const holding = comparisons.filter(({ verdict }) => verdict === "holds").length;
  const counted = `${holding} of ${comparisons.length} comparisons hold`;
  return reason === undefined ? counted : `${counted}; ${reason}`;
}
