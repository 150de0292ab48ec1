/** From the records of an evaluation to what is told of a network. */
import type { Diagnostics } from "../../shared/diagnostics.js";
import type { CurvePoint, Distortion, ModelResult, NonsenseScore } from "../../shared/results.js";
import { curvesOf } from "./curves.js";
import {
  type ImageSeries,
  type RangeOutcomes,
  isAttack,
  isMinimal,
  onlyMember,
  seriesFrom,
} from "./image-series.js";
import { areaUnderRoc, coverageCurve, falseAccept, realness } from "./nonsense-scores.js";
import { distortionOf } from "./sanity/attacks.js";
import { checkSanity, withChecks } from "./sanity/sanity.js";
import { worstCases } from "./worst-case.js";
import type { ImageOutcomes } from "../../shared/records/image-outcomes.js";
import { at } from "../../shared/core/at.js";

interface NetworkFacts {
  name: string;
  /** Only where weights and answers are made up. */
  engine?: ModelResult["engine"];
  realClasses: number;
  samplesPerSecond: number;
  /** L∞ strength at which every image must fall. */
  everything: number;
}

export type EvaluationRecord = RangeOutcomes & { diagnostics?: Diagnostics };

/** Curves, worst cases, nonsense scores, distortions and sanity checks. Records in the order of the plan. */
export function modelResult(network: NetworkFacts, records: readonly EvaluationRecord[]): ModelResult {
  const series = seriesFrom(records);
  const curves = curvesOf([...records, ...worstCases(series)]);
  const clean = series.find(({ measure }) => measure.how === "clean")?.points[0];
  const nonsense = clean === undefined ? [] : nonsenseScores(series, clean, network.realClasses);
  const coverage = clean === undefined ? [] : coverageOf(clean, network.realClasses);
  const distortions = series.flatMap(distortion);
  const result: ModelResult = {
    name: network.name,
    ...(network.engine === undefined ? {} : { engine: network.engine }),
    clean_accuracy: accuracyOf(curves),
    n: curves.find(({ kind }) => kind === "clean")?.n ?? 0,
    samples_per_second: network.samplesPerSecond,
    curves,
    ...(nonsense.length === 0 ? {} : { nonsense }),
    ...(coverage.length === 0 ? {} : { coverage }),
    ...(distortions.length === 0 ? {} : { distortions }),
  };
  const diagnostics = records.find((record) => record.diagnostics !== undefined)?.diagnostics;
  return withChecks(result, checkSanity({ series, diagnostics, everything: network.everything }));
}

/** Share of right answers on clean images; NaN while they were not measured. */
export function accuracyOf(curves: readonly CurvePoint[]): number {
  return 1 - (curves.find(({ kind }) => kind === "clean")?.error ?? NaN);
}

function scoresOf({ predictions, confidences }: ImageOutcomes, realClasses: number): number[] {
  return [...predictions].map((prediction, i) => realness(prediction, at(confidences, i), realClasses));
}

function coverageOf(clean: ImageOutcomes, realClasses: number): { coverage: number; accuracy: number }[] {
  const right = [...clean.wrong].map((flag) => flag === 0);
  return coverageCurve(scoresOf(clean, realClasses), right);
}

/** Of every kind of nonsense against the clean images. */
function nonsenseScores(
  series: readonly ImageSeries[],
  clean: ImageOutcomes,
  realClasses: number,
): NonsenseScore[] {
  const real = scoresOf(clean, realClasses);
  return series
    .filter(({ label }) => label.kind === "nonsense")
    .flatMap(({ label, points }) =>
      points.map((point) => {
        const scores = scoresOf(point, realClasses);
        const { protocol, attack, norm } = label;
        return {
          ...(protocol === undefined ? {} : { protocol }),
          ...(attack === undefined ? {} : { attack }),
          ...(norm === undefined ? {} : { norm }),
          strength: point.strength,
          n_real: real.length,
          n_nonsense: scores.length,
          auroc: areaUnderRoc(real, scores),
          false_accept_at_95: falseAccept(real, scores),
        };
      }),
    );
}

function distortion(series: ImageSeries): Distortion[] {
  const member = onlyMember(series);
  if (!isAttack(series) || member === undefined || !isMinimal(member)) return [];
  return [{ attack: series.measure.name, norm: series.measure.norm, ...distortionOf(series) }];
}
