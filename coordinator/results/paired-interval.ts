/** The interval of a difference of two error rates that were measured on the same images. Pure arithmetic. */
import {
  type Interval,
  type MeasuredShare,
  differenceInterval,
  wilsonInterval,
} from "../../shared/core/wilson.js";

/** Two networks on the same images, image by image. */
interface PairedCounts {
  bothWrong: number;
  onlyFirst: number;
  onlySecond: number;
  bothRight: number;
}

export interface Difference extends Interval {
  /** Error of the first less error of the second. */
  difference: number;
  /** Were both measured on the same images? */
  paired: boolean;
}

/** `first`, `second`: 1 where the answer was wrong, in the same order of images. Throws RangeError on other lengths. */
export function pairedCounts(first: Uint8Array, second: Uint8Array): PairedCounts {
  if (first.length !== second.length) {
    throw new RangeError(`Cannot pair ${first.length} with ${second.length} images`);
  }
  const counts: PairedCounts = { bothWrong: 0, onlyFirst: 0, onlySecond: 0, bothRight: 0 };
  for (let i = 0; i < first.length; i++) {
    if (first[i] === 1) counts[second[i] === 1 ? "bothWrong" : "onlyFirst"]++;
    else counts[second[i] === 1 ? "onlySecond" : "bothRight"]++;
  }
  return counts;
}

/**
 * The 95 % interval of error(first) - error(second) from paired counts: Wilson limits of the two, and what they have in
 * common. Source: R. G. Newcombe, Statistics in Medicine 17 (1998), 2635-2650, method 10.
 */
export function pairedInterval({ bothWrong, onlyFirst, onlySecond, bothRight }: PairedCounts): Interval {
  const n = bothWrong + onlyFirst + onlySecond + bothRight;
  if (n === 0) return { low: -1, high: 1 };
  const [wrongFirst, wrongSecond] = [bothWrong + onlyFirst, bothWrong + onlySecond];
  const first = wilsonInterval(wrongFirst, n);
  const second = wilsonInterval(wrongSecond, n);
  const [p, q] = [wrongFirst / n, wrongSecond / n];
  const phi = correlation({ bothWrong, onlyFirst, onlySecond, bothRight }, n);
  const [below, above] = [p - first.low, first.high - p];
  const [otherBelow, otherAbove] = [q - second.low, second.high - q];
  const spread = (a: number, b: number): number => Math.sqrt(Math.max(0, a * a - 2 * phi * a * b + b * b));
  return { low: p - q - spread(below, otherAbove), high: p - q + spread(above, otherBelow) };
}

/** Newcombe's φ, with his correction toward 0 of a positive one. */
function correlation({ bothWrong, onlyFirst, onlySecond, bothRight }: PairedCounts, n: number): number {
  const margins =
    (bothWrong + onlyFirst) * (onlySecond + bothRight) * (bothWrong + onlySecond) * (onlyFirst + bothRight);
  if (margins === 0) return 0;
  const product = bothWrong * bothRight - onlyFirst * onlySecond;
  const corrected = product > 0 ? Math.max(0, product - n / 2) : product;
  return corrected / Math.sqrt(margins);
}

/** How many of how many images were answered wrong. */
export interface ClaimOutcome {
  n: number;
  errors: number;
  /** Image by image 1 where wrong; absent where only the counts are known. */
  wrong?: Uint8Array;
}

/** Paired where both are known image by image for equally many, else as two independent measurements. */
export function errorDifference(first: ClaimOutcome, second: ClaimOutcome): Difference {
  const [a, b] = [measured(first), measured(second)];
  const difference = a.share - b.share;
  if (first.wrong !== undefined && second.wrong?.length === first.wrong.length) {
    return { difference, ...pairedInterval(pairedCounts(first.wrong, second.wrong)), paired: true };
  }
  return { difference, ...differenceInterval(a, b), paired: false };
}

/** Share of wrong answers with its Wilson interval. */
export function measured({ n, errors }: ClaimOutcome): MeasuredShare {
  return { share: n === 0 ? NaN : errors / n, ...wilsonInterval(errors, n) };
}
