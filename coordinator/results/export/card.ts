/**
 * A model card in the manner of RobustBench's: one JSON object with its field names, and behind them every point that was
 * measured. It claims nothing else: what was not measured is null, and named.
 */
import { stringify } from "yaml";
import { ClusterError } from "../../../shared/errors.js";
import { titleOf } from "../../../shared/networks/settings.js";
import { type CurvePoint, type ModelResult, procedureOf } from "../../../shared/results.js";
import { fallingCurves } from "../report/reading.js";
import { attackOf, normOf, nothingMeasured, unreliableOf } from "./evaluation-rows.js";
import type { ExportFormat, ExportedRun } from "./export-format.js";

export const cardFormat: ExportFormat = {
  of: "runs",
  makes: "file",
  name: "card",
  suffix: ".card.json",
  render: (runs) => `${JSON.stringify(cardOf(oneOf(runs)), null, 2)}\n`,
};

/** Strengths at which nets of a data set are compared in the literature; norm L∞: METHOD.md 4.3. */
const REFERENCE_STRENGTHS: Readonly<Record<string, number>> = {
  mnist: 0.3,
  cifar10: 8 / 255,
};

/** Two spellings of one strength: 8/255 and 0.0314. */
const SAME_STRENGTH = 1e-4;

function oneOf(runs: readonly ExportedRun[]): ExportedRun {
  const [run, another] = runs;
  if (run !== undefined && another === undefined) return run;
  throw new ClusterError("usage", `Cannot make one card of ${runs.length} runs`, {
    hint: `choose one: ${runs.map((each) => each.run).join(", ")}`,
  });
}

export function cardOf(source: ExportedRun): Record<string, unknown> {
  const { result, network, config, environment, measured, run } = source;
  if (result === null) throw nothingMeasured([source]);
  const points: readonly CurvePoint[] = result.curves;
  const attacks = points.filter(({ kind }) => kind === "adversarial");
  const epsilon = REFERENCE_STRENGTHS[network.dataset];
  const atReference = attacks.filter(
    (point) => normOf(point) === "linf" && Math.abs(point.strength - (epsilon ?? Number.NaN)) < SAME_STRENGTH,
  );
  const reasons = reasonsOf(result, attacks, unreliableOf(source));
  const clean = points.find(({ kind }) => kind === "clean");
  return {
    card_version: 1,
    name: `${titleOf(network)} (saf)`,
    link: "https://arxiv.org/abs/1603.05145",
    authors: "Qiyang Zhao, Lewis D. Griffin (method); trained with saf",
    venue: null,
    dataset: network.dataset,
    threat_model: "Linf",
    architecture: titleOf(network),
    additional_data: false,
    number_forward_passes: 1,
    eps: epsilon ?? null,
    clean_acc: percent(clean),
    reported: null,
    autoattack_acc: percent(lowest(atReference.filter((point) => attackOf(point) === "autoattack"))),
    lowest_acc_measured: percent(lowest(atReference)),
    external: null,
    unreliable: reasons.length > 0,
    unreliable_reasons: reasons,
    footnote: footnote(attacks),
    clean: clean === undefined ? null : pointOf(clean),
    robustness: attacks.map(pointOf),
    other_images: points.filter(({ kind }) => kind === "nonsense" || kind === "noisy").map(pointOf),
    checks: result.checks ?? null,
    not_measured: notMeasured(attacks, atReference),
    training: {
      run,
      seed: config.seed,
      checkpoint_sha256: measured.sha256,
      step: measured.step,
      command: "saf train -c config.yaml",
      config: stringify(config),
    },
    environment,
    saf_version: environment["saf"] ?? null,
    // Of the code that measured; without a checkout the version is all that is known.
    commit: environment["commit"] ?? environment["saf"] ?? null,
  };
}

/** Accuracy in percent with two digits, as RobustBench's cards have it; null where nothing was measured. */
function percent(point: CurvePoint | undefined): string | null {
  return point === undefined || !Number.isFinite(point.error) ? null : (100 * (1 - point.error)).toFixed(2);
}

function lowest(points: readonly CurvePoint[]): CurvePoint | undefined {
  return points.reduce<CurvePoint | undefined>(
    (worst, point) => (worst !== undefined && worst.error >= point.error ? worst : point),
    undefined,
  );
}

/** A point as robust accuracy: the interval is that of `accuracy`, 95 %. */
function pointOf(point: CurvePoint): Record<string, unknown> {
  const { kind, strength, n, error, ci_low, ci_high, mean_confidence, unreliable } = point;
  return {
    kind,
    protocol: procedureOf(point),
    attack: attackOf(point),
    norm: normOf(point),
    strength,
    n,
    accuracy: 1 - error,
    ci_low: 1 - ci_high,
    ci_high: 1 - ci_low,
    mean_confidence,
    unreliable: unreliable ?? [],
  };
}

function reasonsOf(result: ModelResult, attacks: readonly CurvePoint[], ofAll: readonly string[]): string[] {
  return [
    ...new Set([
      ...ofAll,
      ...attacks.flatMap(({ unreliable }) => unreliable ?? []),
      ...fallingCurves([result]),
    ]),
  ];
}

function footnote(attacks: readonly CurvePoint[]): string {
  if (attacks.length === 0) return "No attack was made: nothing is known about robustness.";
  if (attacks.every((point) => procedureOf(point) === "paper")) {
    return "Attacked by the paper's one-step method alone, which is weak and does not keep images in the pixel range: the accuracies under attack are upper bounds.";
  }
  return "An accuracy under attack is an upper bound: a stronger attack can lower it.";
}

function notMeasured(attacks: readonly CurvePoint[], atReference: readonly CurvePoint[]): string[] {
  const norms = new Set(attacks.map(normOf));
  return [
    ...(attacks.some((point) => attackOf(point) === "autoattack") ? [] : ["AutoAttack"]),
    ...(atReference.length > 0 ? [] : ["any attack at the reference strength `eps`"]),
    ...(norms.has("l2") ? [] : ["L2 attacks"]),
  ];
}
