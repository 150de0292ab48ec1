/**
 * How well a network tells real images from nonsense, from one score an image: the area under the ROC curve, the share
 * of nonsense accepted where 95 % of real images are, and accuracy against coverage when low scores are rejected.
 */

/**
 * How sure a network is that an image shows a real class: its confidence in the class it names, or minus that
 * confidence where it names a nonsense class.
 */
export function realness(prediction: number, confidence: number, realClasses: number): number {
  return prediction < realClasses ? confidence : -confidence;
}

/** The chance that a real image scores above a nonsense one, ties half: Mann and Whitney's U. NaN without both. */
export function areaUnderRoc(real: readonly number[], nonsense: readonly number[]): number {
  const sorted = [...nonsense].sort((a, b) => a - b);
  let wins = 0;
  for (const score of real) wins += (countBelow(sorted, score) + countUpTo(sorted, score)) / 2;
  return wins / (real.length * nonsense.length);
}

/** Share of nonsense at or above the highest threshold that still accepts `accept` of the real images. */
export function falseAccept(real: readonly number[], nonsense: readonly number[], accept = 0.95): number {
  const threshold = thresholdFor(real, accept);
  return nonsense.filter((score) => score >= threshold).length / nonsense.length;
}

/** The highest threshold at which at least this share of the scores is accepted (score >= threshold). */
function thresholdFor(scores: readonly number[], accept: number): number {
  const descending = [...scores].sort((a, b) => b - a);
  // 0.95 * 20 is 19 in a double too, but 0.05 * 3 * 20 is not 3: a share that is whole must stay so.
  const needed = Math.max(1, Math.ceil(accept * descending.length - 1e-9));
  return descending[needed - 1] ?? NaN;
}

/** Accuracy among the accepted real images, at coverages of 5 % to 100 %; equal scores are accepted together. */
export function coverageCurve(
  scores: readonly number[],
  right: readonly boolean[],
): { coverage: number; accuracy: number }[] {
  if (scores.length === 0) return [];
  const points = new Map<number, number>();
  for (let step = 1; step <= 20; step++) {
    const threshold = thresholdFor(scores, step / 20);
    const accepted = scores.flatMap((score, i) => (score >= threshold ? [right[i] === true] : []));
    points.set(accepted.length / scores.length, accepted.filter(Boolean).length / accepted.length);
  }
  return [...points].map(([coverage, accuracy]) => ({ coverage, accuracy }));
}

function countBelow(sorted: readonly number[], limit: number): number {
  return firstWhere(sorted, (value) => value >= limit);
}

function countUpTo(sorted: readonly number[], limit: number): number {
  return firstWhere(sorted, (value) => value > limit);
}

/** Index of the first value for which `holds`; it must hold for all values behind that one. */
function firstWhere(sorted: readonly number[], holds: (value: number) => boolean): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(sorted[middle] as number)) high = middle;
    else low = middle + 1;
  }
  return low;
}
