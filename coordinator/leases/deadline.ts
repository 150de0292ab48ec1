/** How long a lease may take: from how long others took, with a floor. */

/** Multiples of the median absolute deviation that still count as usual. */
const DEVIATIONS = 8;
/** Leases remembered. */
const WINDOW = 64;

export class LeaseTimes {
  readonly #recent: number[] = [];
  #next = 0;

  /** Workers tell their own times: what is no time is left out. */
  record(ms: number): void {
    if (!Number.isFinite(ms) || ms < 0) return;
    this.#recent[this.#next % WINDOW] = ms;
    this.#next++;
  }

  get isEmpty(): boolean {
    return this.#recent.length === 0;
  }

  /** Median + 8 median absolute deviations, at least three medians and at least `floorMs`; `coldMs` while nothing is known. */
  limit(floorMs: number, coldMs: number): number {
    if (this.#recent.length === 0) return coldMs;
    const middle = median(this.#recent);
    const spread = median(this.#recent.map((ms) => Math.abs(ms - middle)));
    return Math.max(floorMs, 3 * middle, middle + DEVIATIONS * spread);
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  const upper = sorted[half] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] as number) + upper) / 2;
}
