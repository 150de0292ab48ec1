/**
 * Metrics of a trial: what an evaluation found, by canonical name, and which names an evaluation will report. A series is a
 * kind of the paper's procedure (`adversarial`, `nonsense`, `noisy`; of the corrected one `corrected-adversarial` and so on),
 * or an attack, a nonsense or a corruption of the modern one by its own name. `worst-case` is the worst of all attacks in a
 * norm. What depends on other networks or data sets at hand (transfer attacks, foreign pictures) has no name of its own.
 */
import type { Config } from "../../shared/config/run.js";
import { metricName } from "../../shared/config/objectives.js";
import { DATA_SET_NAMES, DATA_SET_SIZES, type DataSetSize } from "../../shared/data-set-names.js";
import type { MetricValues } from "../../shared/records/sweep-line.js";
import { resolveRun } from "../../shared/resolve.js";
import {
  type CurvePoint,
  type ModelResult,
  NORMS,
  type Norm,
  type PerturbationKind,
  type SeriesLabel,
  procedureOf,
} from "../../shared/results.js";
import { labelOf, type PlannedMeasure } from "../evaluation/plan/measures.js";
import { planMeasures } from "../evaluation/plan/procedures.js";

export { canonicalMetric, goalOf, objectivesOf, parseConstraint } from "../../shared/config/objectives.js";

type Labelled = SeriesLabel & { kind: PerturbationKind };

/** A series as metrics name it. */
interface NamedSeries {
  series: string;
  norm: Norm;
}

/** Of the worst over all attacks. */
const WORST_CASE = "worst-case";

/** Undefined for what is no series of a metric. */
function nameOf(label: Labelled): NamedSeries | undefined {
  const norm = label.norm ?? "linf";
  const attack = label.attack ?? label.kind;
  if (label.kind === "clean") return undefined;
  switch (procedureOf(label)) {
    case "paper":
      return { series: label.kind, norm };
    case "corrected":
      return { series: `corrected-${label.kind}`, norm };
    case "modern":
      return isAtHand(attack) ? undefined : { series: attack, norm };
  }
}

/** Depends on what else there is: `transfer-from-mrelu`, pictures of `cifar10`. */
function isAtHand(attack: string): boolean {
  return attack.includes("-from-") || DATA_SET_NAMES.some((name) => name === attack);
}

/** A curve's points by series: the first of a name counts. */
function seriesIn<Point extends Labelled & { strength: number }>(
  points: readonly Point[],
): (NamedSeries & { points: Point[] })[] {
  const found = new Map<string, NamedSeries & { label: string; points: Point[] }>();
  for (const point of points) {
    const named = nameOf(point);
    if (named === undefined) continue;
    const key = `${named.series}@${named.norm}`;
    const label = `${procedureOf(point)}/${point.kind}`;
    const series = found.get(key) ?? { ...named, label, points: [] };
    if (series.label === label) series.points.push(point);
    found.set(key, series);
  }
  return [...found.values()];
}

/** All of them: a number for each name. What is no finite number is left out. */
export function metricsOf(result: ModelResult, loss: number | undefined): MetricValues {
  const found: Record<string, number> = {};
  const add = (name: string, value: number | undefined): void => {
    if (value !== undefined && Number.isFinite(value)) found[name] ??= value;
  };
  add("clean", result.clean_accuracy);
  add("loss", loss);
  const worst = NORMS.map((norm) => ({ series: WORST_CASE, norm, points: worstPoints(result.curves, norm) }));
  for (const { series, norm, points } of [...worst, ...seriesIn(result.curves)]) {
    for (const { strength, error } of points) {
      if (series === WORST_CASE) add(metricName({ quantity: "worst", norm, strength }), 1 - error);
      add(metricName({ quantity: "accuracy", series, norm, strength }), 1 - error);
      add(metricName({ quantity: "error", series, norm, strength }), error);
    }
    add(metricName({ quantity: "area", series, norm }), areaUnder(points));
  }
  for (const { series, norm, points } of seriesIn(
    (result.nonsense ?? []).map((score) => ({ ...score, kind: "nonsense" as const })),
  ))
    for (const { strength, auroc } of points)
      add(metricName({ quantity: "auroc", series, norm, strength }), auroc);
  return found;
}

/** Images behind the fewest-seen of the perturbed points, where these are fewer than behind the clean accuracy. */
export function measuredImagesOf({ n, curves }: ModelResult): number | undefined {
  const fewest = curves.reduce(
    (least, point) => (point.kind === "clean" ? least : Math.min(least, point.n)),
    n,
  );
  return fewest < n ? fewest : undefined;
}

interface ErrorPoint {
  strength: number;
  error: number;
}

/**
 * Mean accuracy between the smallest and the largest strength that was measured: trapezoids over the strengths, divided by
 * their width. With one strength, the accuracy there.
 */
export function areaUnder(points: readonly ErrorPoint[]): number | undefined {
  const rising = [...points].sort((a, b) => a.strength - b.strength);
  const [first] = rising;
  const last = rising.at(-1);
  if (first === undefined || last === undefined) return undefined;
  if (first.strength === last.strength) return 1 - first.error;
  const area = rising.slice(1).reduce((sum, { strength, error }, i) => {
    const before = rising[i] ?? first;
    return sum + (strength - before.strength) * (1 - (error + before.error) / 2);
  }, 0);
  return area / (last.strength - first.strength);
}

/** The curve over all attacks where there is one; of a single modern attack, or of the paper's alone, the larger error. */
function worstPoints(curves: readonly CurvePoint[], norm: Norm): ErrorPoint[] {
  const attacks = curves.filter(({ kind, norm: own }) => kind === "adversarial" && (own ?? "linf") === norm);
  const modern = attacks.filter((point) => procedureOf(point) === "modern");
  const whole = modern.filter(({ attack }) => attack === WORST_CASE);
  const speaking = [whole, modern].find((points) => points.length > 0) ?? attacks;
  const largest = new Map<number, number>();
  for (const { strength, error } of speaking)
    largest.set(strength, Math.max(error, largest.get(strength) ?? -Infinity));
  return [...largest]
    .map(([strength, error]) => ({ strength, error }))
    .sort((a, b) => a.strength - b.strength);
}

/** Names that an evaluation with these settings reports. Throws ClusterError("config") for settings that cannot be. */
export function metricNamesOf(
  config: Config,
  { test }: Pick<DataSetSize, "test"> = DATA_SET_SIZES[config.data.set],
): ReadonlySet<string> {
  const curves = plannedCurves(config, test);
  const everything: ModelResult = {
    name: "",
    clean_accuracy: 0,
    n: test,
    samples_per_second: 0,
    curves: [...curves, ...NORMS.flatMap((norm) => worstCurve(curves, norm))],
    nonsense: curves
      .filter(({ kind }) => kind === "nonsense")
      .map(({ kind: _, ...point }) => ({
        ...point,
        n_real: 0,
        n_nonsense: 0,
        auroc: 0,
        false_accept_at_95: 0,
      })),
  };
  return new Set(Object.keys(metricsOf(everything, 0)));
}

type PlannedPoint = CurvePoint & { isAttack: boolean };

/** The points that the evaluation's plan comes to, their numbers being of no account. */
function plannedCurves(config: Config, testImages: number): PlannedPoint[] {
  const { network, strengths } = resolveRun(config);
  const { evaluate } = config;
  // Transfer attacks are among those that the worst case is over.
  const sources =
    evaluate.transfer_from === undefined
      ? []
      : [{ name: "other", model: network.name, weights_sha256: "0".repeat(64) }];
  const options = { config: evaluate, network, strengths, testImages, samples: 0, sources };
  return planMeasures(options).flatMap(pointsOf);
}

function pointsOf({ measure, strengths, images }: PlannedMeasure): PlannedPoint[] {
  if (measure.how === "diagnostics") return [];
  const label = labelOf(measure);
  const isAttack = measure.how === "attack";
  const numbers = { n: images, error: 0, ci_low: 0, ci_high: 0, mean_confidence: 0 };
  return strengths.map((strength) => ({ ...label, strength, ...numbers, isAttack }));
}

/** As `worstCases` makes it: of two attacks or more, at the strengths of those that see the most images. */
function worstCurve(points: readonly PlannedPoint[], norm: Norm): CurvePoint[] {
  const attacks = points.filter((point) => point.isAttack && point.norm === norm);
  if (new Set(attacks.map(({ attack }) => attack)).size < 2) return [];
  const most = Math.max(...attacks.map(({ n }) => n));
  return attacks.filter(({ n }) => n === most).map((point) => ({ ...point, attack: WORST_CASE }));
}
