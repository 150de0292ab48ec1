/** Intervals of a measured share. Pure arithmetic; no rounding. */

/** The 97.5 % point of the standard normal distribution: 2.5 % are left out on each side. */
const Z_95 = 1.959963984540054;

/** A closed interval of shares in [0, 1], or of their differences in [-1, 1]. */
export interface Interval {
  low: number;
  high: number;
}

/**
 * Wilson's score interval at 95 % for a share measured as `errors` out of `n` images. Unlike the textbook interval
 * it stays in [0, 1] and keeps a width at 0 and `n` errors. With no images nothing is known: [0, 1].
 * Throws RangeError unless 0 <= errors <= n, both whole numbers.
 * Source: E. B. Wilson, Journal of the American Statistical Association 22 (1927), 209-212.
 */
export function wilsonInterval(errors: number, n: number): Interval {
  if (!Number.isSafeInteger(errors) || !Number.isSafeInteger(n) || errors < 0 || errors > n) {
    throw new RangeError(
      `Cannot form an interval of ${errors} errors in ${n} images: expected 0 <= errors <= n`,
    );
  }
  if (n === 0) return { low: 0, high: 1 };
  const share = errors / n;
  const zz = Z_95 * Z_95;
  const centre = (share + zz / (2 * n)) / (1 + zz / n);
  const half = (Z_95 / (1 + zz / n)) * Math.sqrt((share * (1 - share)) / n + zz / (4 * n * n));
  // At the ends the bound is exactly the end; in floating point it would miss it by an ulp.
  return {
    low: errors === 0 ? 0 : Math.max(0, centre - half),
    high: errors === n ? 1 : Math.min(1, centre + half),
  };
}

/** A share with its Wilson interval. */
export interface MeasuredShare extends Interval {
  share: number;
}

/**
 * The 95 % interval of `a.share - b.share`, from the two Wilson intervals. It takes the two measurements as
 * independent; for two networks shown the same images that is on the careful (wide) side.
 * Source: R. G. Newcombe, Statistics in Medicine 17 (1998), 873-890, method 10.
 */
export function differenceInterval(a: MeasuredShare, b: MeasuredShare): Interval {
  const difference = a.share - b.share;
  return {
    low: difference - Math.hypot(a.share - a.low, b.high - b.share),
    high: difference + Math.hypot(a.high - a.share, b.share - b.low),
  };
}
