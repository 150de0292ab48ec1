/** The worst over several attacks, image by image: what an attacker who may choose among them achieves. */
import type { Norm, SeriesLabel } from "../../shared/results.js";
import { type ImageSeries, isAttack } from "./image-series.js";
import type { CurveOutcomes, ImageOutcomes } from "../../shared/records/image-outcomes.js";
import { at } from "../../shared/core/at.js";

interface WorstCase {
  task: SeriesLabel & { kind: "adversarial" };
  outcomes: CurveOutcomes[];
}

/**
 * One curve for each norm in which at least two attacks were made. An image counts as broken when any attack broke it at
 * this strength or a smaller one. Where a costly attack saw fewer images, the others speak for the rest.
 */
export function worstCases(series: readonly ImageSeries[]): WorstCase[] {
  return (["linf", "l2"] as const).flatMap((norm) => {
    const attacks = series.filter((candidate) => isInBall(candidate, norm));
    const modern = attacks.filter(isAttack);
    if (modern.length < 2) return [];
    const n = Math.max(...modern.map((attack) => attack.n));
    // Strengths at which every image was attacked.
    const whole = modern.filter((attack) => attack.n === n);
    const strengths = [...new Set(whole.flatMap(({ points }) => points.map(({ strength }) => strength)))];
    return [
      {
        task: { kind: "adversarial", protocol: "modern", attack: "worst-case", norm },
        outcomes: strengths.sort((a, b) => a - b).map((strength) => worstAt(attacks, strength, n)),
      },
    ];
  });
}

/** The paper's attack without its defects stays in ball and box too. */
function isInBall({ label, measure }: ImageSeries, norm: Norm): boolean {
  if (label.kind !== "adversarial" || label.norm !== norm) return false;
  return measure.how === "attack" || (measure.how === "paper" && measure.switches.clip);
}

function worstAt(attacks: readonly ImageSeries[], strength: number, n: number): CurveOutcomes {
  const wrong = new Uint8Array(n);
  const confidences = new Float32Array(n);
  const seen = new Uint8Array(n);
  for (const { points } of attacks) {
    for (const point of points.filter((candidate) => candidate.strength <= strength)) {
      for (let i = 0; i < Math.min(n, point.wrong.length); i++) take(point, i, { wrong, confidences, seen });
    }
  }
  return { strength, wrong, confidences };
}

/** The first answer stands until a wrong one comes. */
function take(
  point: ImageOutcomes,
  i: number,
  { wrong, confidences, seen }: { wrong: Uint8Array; confidences: Float32Array; seen: Uint8Array },
): void {
  if (wrong[i] === 1 || (seen[i] === 1 && point.wrong[i] === 0)) return;
  seen[i] = 1;
  wrong[i] = at(point.wrong, i);
  confidences[i] = at(point.confidences, i);
}
