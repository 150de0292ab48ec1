/**
 * How often one worker is heard: its messages cost the loop that serves everybody. A bucket for each worker fills by `perSecond`
 * up to `burst`; a message takes one out, and with an empty bucket it is not heard.
 */
export interface AllowanceRule {
  burst: number;
  perSecond: number;
}

/** Far more than a pool has workers. */
const MOST_WORKERS = 10_000;

export class Allowance {
  readonly #rule: AllowanceRule;
  readonly #buckets = new Map<string, { left: number; atMs: number }>();

  constructor(rule: AllowanceRule) {
    this.#rule = rule;
  }

  /** May one more message of this worker be heard? */
  take(worker: string, nowMs: number): boolean {
    const { burst, perSecond } = this.#rule;
    let bucket = this.#buckets.get(worker);
    if (bucket === undefined) {
      if (this.#buckets.size >= MOST_WORKERS) this.#buckets.clear();
      bucket = { left: burst, atMs: nowMs };
      this.#buckets.set(worker, bucket);
    }
    const filled = (Math.max(0, nowMs - bucket.atMs) / 1000) * perSecond;
    bucket.left = Math.min(burst, bucket.left + filled);
    bucket.atMs = nowMs;
    if (bucket.left < 1) return false;
    bucket.left--;
    return true;
  }
}
