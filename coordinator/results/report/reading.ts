/** Says in words what the curves show, and how sure that is. Pure: numbers in, sentences out. */
import type { CurvePoint, ModelResult, PerturbationKind } from "../../../shared/results.js";
import { differenceInterval, wilsonInterval } from "../../../shared/core/wilson.js";
import type { MeasuredShare } from "../../../shared/core/wilson.js";
import { curveOf, perturbedKinds, pointAt, referenceStrength, strengthsOf } from "./curves.js";
import { percent, strengthText } from "./format.js";

/** The model the others are compared with: `plain`, or its nearest kin, or the first. */
function baselineOf(models: readonly ModelResult[]): ModelResult | undefined {
  return (
    models.find((model) => model.name === "plain") ??
    models.find((model) => model.name.startsWith("plain")) ??
    models[0]
  );
}

/** The share of wrong answers on clean images, with its interval. */
export function cleanError(model: ModelResult): MeasuredShare {
  const errors = Math.min(model.n, Math.max(0, Math.round((1 - model.clean_accuracy) * model.n)));
  return { share: 1 - model.clean_accuracy, ...wilsonInterval(errors, model.n) };
}

/** The most telling sentence alone, or undefined when nothing but clean images was measured. */
export function readingLine(models: readonly ModelResult[]): string | undefined {
  const kind = perturbedKinds(models)[0];
  return kind === undefined ? undefined : sentencesAbout(models, kind)[0];
}

/** A sentence per kind and model: the difference to the baseline at the reference strength. */
export function readingOf(models: readonly ModelResult[]): string[] {
  return [
    ...cleanSentences(models),
    ...perturbedKinds(models).flatMap((kind) => sentencesAbout(models, kind)),
  ];
}

/**
 * Adversarial curves that come down again as the attack grows, beyond what chance explains. A stronger attack cannot
 * be a weaker one: there the one-step gradient misleads, and the true error is higher than the measured one.
 */
export function fallingCurves(models: readonly ModelResult[]): string[] {
  const warnings: string[] = [];
  for (const model of models) {
    const curve = curveOf(model, "adversarial");
    const peak = curve.reduce<CurvePoint | undefined>(
      (best, p) => (best && best.error >= p.error ? best : p),
      undefined,
    );
    const fallen = curve.filter((p) => peak && p.strength > peak.strength && p.ci_high < peak.ci_low).at(-1);
    if (!peak || !fallen) continue;
    warnings.push(
      `${model.name}'s adversarial error falls from ${percent(peak.error)} % at β = ${strengthText(peak.strength)} to ` +
        `${percent(fallen.error)} % at β = ${strengthText(fallen.strength)}. A stronger attack can do whatever a weaker ` +
        `one does, so this measures how the one-step attack overshoots, not robustness: read the largest error to the ` +
        `left as the lower bound.`,
    );
  }
  return warnings;
}

function cleanSentences(models: readonly ModelResult[]): string[] {
  const baseline = baselineOf(models);
  return models
    .filter((model) => model !== baseline || models.length === 1)
    .map((model) => {
      if (baseline === undefined || model === baseline) {
        return `On clean images ${model.name} is wrong on ${percent(1 - model.clean_accuracy)} %.`;
      }
      return `On clean images ${compare(model.name, "error", cleanError(model), baseline.name, cleanError(baseline))}`;
    });
}

function sentencesAbout(models: readonly ModelResult[], kind: PerturbationKind): string[] {
  const baseline = baselineOf(models);
  const strength = referenceStrength(strengthsOf(models, [kind])) ?? 0;
  const reference = baseline && pointAt(baseline, kind, strength);
  const sentences: string[] = [];
  for (const model of models) {
    const point = pointAt(model, kind, strength);
    if (point === undefined) continue;
    const at = `At β = ${strengthText(strength)}`;
    if (reference === undefined || models.length === 1) {
      sentences.push(`${at} ${alone(model.name, kind, point)}`);
    } else if (baseline !== undefined && model !== baseline) {
      sentences.push(
        `${at} ${compare(model.name, `${kind} error`, shareOf(point), baseline.name, shareOf(reference))}`,
      );
    }
  }
  return sentences;
}

function alone(name: string, kind: PerturbationKind, point: CurvePoint): string {
  const interval = `(95 % interval ${percent(point.ci_low)} to ${percent(point.ci_high)} %)`;
  return kind === "nonsense"
    ? `${name} claims to see a real class in ${percent(point.error)} % of the nonsense images ${interval}.`
    : `${name} is wrong on ${percent(point.error)} % of the ${kind} images ${interval}.`;
}

function shareOf(point: CurvePoint): MeasuredShare {
  return { share: point.error, low: point.ci_low, high: point.ci_high };
}

function compare(name: string, what: string, a: MeasuredShare, otherName: string, b: MeasuredShare): string {
  const { low, high } = differenceInterval(a, b);
  const numbers = `${percent(a.share)} % against ${percent(b.share)} %`;
  if (low <= 0 && high >= 0) {
    return `${name}'s ${what} cannot be told apart from ${otherName}'s (${numbers}).`;
  }
  const isBelow = a.share < b.share;
  const [near, far] = [Math.min(Math.abs(low), Math.abs(high)), Math.max(Math.abs(low), Math.abs(high))];
  return (
    `${name}'s ${what} is ${percent(Math.abs(a.share - b.share))} points ${isBelow ? "below" : "above"} ` +
    `${otherName}'s (${numbers}; 95 % interval of the difference ${percent(near)} to ${percent(far)} points).`
  );
}
