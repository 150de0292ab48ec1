/**
 * How well a network tells real images from nonsense, from one score an image: the area under the ROC curve, the share
 * of nonsense accepted where 95 % of real images are, and accuracy against coverage when low scores are rejected.
 */
import { at } from "../../shared/core/at.js";

/**
 * How sure a network is that an image shows a real class: its confidence in the class it names, or minus that
 * confidence where it names a nonsense class.
 */
export function realness(prediction: number, confidence: number, realClasses: number): number {
  return prediction < realClasses ? confidence : -confidence;
}

/** The chance that a real image scores above a nonsense one, ties half: Mann and Whitney's U. NaN without both. */
export function areaUnderRoc(real: readonly number[], nonsense: readonly number[]): number {
  const sorted = ascending(nonsense);
  let wins = 0;
  let below = 0;
  let upTo = 0;
  for (const score of ascending(real)) {
    while (below < sorted.length && at(sorted, below) < score) below++;
    while (upTo < sorted.length && at(sorted, upTo) <= score) upTo++;
    wins += (below + upTo) / 2;
  }
  return wins / (real.length * nonsense.length);
}

/** Share of nonsense at or above the highest threshold that still accepts `accept` of the real images. */
export function falseAccept(real: readonly number[], nonsense: readonly number[], accept = 0.95): number {
  const threshold = thresholdFor(ascending(real), accept);
  return nonsense.filter((score) => score >= threshold).length / nonsense.length;
}

/** The highest threshold at which at least this share of the ascending scores is accepted (score >= threshold). */
function thresholdFor(sorted: Float64Array, accept: number): number {
  // 0.95 * 20 is 19 in a double too, but 0.05 * 3 * 20 is not 3: a share that is whole must stay so.
  const needed = Math.max(1, Math.ceil(accept * sorted.length - 1e-9));
  return sorted[sorted.length - needed] ?? NaN;
}

/** The same real scores are set against many kinds of nonsense: 10,000 of them, in the coordinator's event loop. */
const sortedBefore = new WeakMap<readonly number[], Float64Array>();

function ascending(scores: readonly number[]): Float64Array {
  const sorted = sortedBefore.get(scores) ?? Float64Array.from(scores).sort();
  sortedBefore.set(scores, sorted);
  return sorted;
}

/** Accuracy among the accepted real images, at coverages of 5 % to 100 %; equal scores are accepted together. */
export function coverageCurve(
  scores: readonly number[],
  right: readonly boolean[],
): { coverage: number; accuracy: number }[] {
  if (scores.length === 0) return [];
  const sorted = ascending(scores);
  const points = new Map<number, number>();
  for (let step = 1; step <= 20; step++) {
    const threshold = thresholdFor(sorted, step / 20);
    let accepted = 0;
    let hits = 0;
    scores.forEach((score, i) => {
      if (score < threshold) return;
      accepted++;
      if (right[i] === true) hits++;
    });
    points.set(accepted / scores.length, hits / accepted);
  }
  return [...points].map(([coverage, accuracy]) => ({ coverage, accuracy }));
}
