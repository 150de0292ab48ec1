/** Accuracy against strength as it comes in: sums over the images measured so far, one series a point. */
import type { CurveOutcomes } from "../../shared/records/image-outcomes.js";
import { PROCEDURES, type PerturbationKind, type SeriesLabel, procedureOf } from "../../shared/results.js";
import { CurveTally } from "../evaluation/curves.js";

interface AccuracyPoint {
  labels: { protocol: string; kind: string; attack: string; norm: string; strength: string };
  images: number;
  right: number;
}

export class AccuracySeries {
  #tally = new CurveTally();

  /** Another checkpoint is measured: what was known is of no use. */
  clear(): void {
    this.#tally = new CurveTally();
  }

  add(task: SeriesLabel & { kind: PerturbationKind }, outcomes: readonly CurveOutcomes[]): void {
    this.#tally.add({ task, outcomes });
  }

  get points(): AccuracyPoint[] {
    return this.#tally.series.flatMap(({ label, points }) =>
      [...points]
        .filter(([, { n }]) => n > 0)
        .map(([strength, { n, errors }]) => ({
          labels: {
            protocol: PROCEDURES.find((name) => name === procedureOf(label)) ?? "paper",
            kind: label.kind,
            attack: label.attack ?? label.kind,
            norm: label.norm ?? "none",
            strength: String(Number(strength.toPrecision(6))),
          },
          images: n,
          right: n - errors,
        })),
    );
  }
}
