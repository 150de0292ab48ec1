/** Who gets work: a worker that fails lease after lease is left alone, longer each time, so that others take over. */

export interface Standing {
  /** Leases in a row that failed. */
  failures: number;
  /** No lease before this time, ms. */
  restsUntilMs: number;
}

export interface QuarantineRule {
  /** Failed leases in a row that bring the first rest. */
  after: number;
  /** Length of the first rest; each failure after it doubles the rest. */
  firstMs: number;
}

export const GOOD_STANDING: Standing = { failures: 0, restsUntilMs: 0 };

/** The longest rest is 2^6 first ones: it must end, for a worker may have been mended. */
const MOST_DOUBLINGS = 6;

/** After a rest one lease is enough to show: success clears everything, failure brings the next rest. */
export function afterFailure({ failures: before }: Standing, rule: QuarantineRule, nowMs: number): Standing {
  const failures = before + 1;
  const rests = failures - rule.after;
  return {
    failures,
    restsUntilMs: rests < 0 ? 0 : nowMs + rule.firstMs * 2 ** Math.min(rests, MOST_DOUBLINGS),
  };
}

export function rests({ restsUntilMs }: Standing, nowMs: number): boolean {
  return nowMs < restsUntilMs;
}

/** A lone worker's attempts at one block that must fail before the fault is taken for the training's. */
const LONE_ATTEMPTS = 3;

/**
 * Values of a block were not finite: is it the training's fault, or one worker's? `attempts` counts by worker. Two
 * workers that agree are believed; a single one only where there is no other to ask.
 */
export function isDivergence(attempts: ReadonlyMap<string, number>, workers: number): boolean {
  if (attempts.size >= 2) return true;
  const [count = 0] = attempts.values();
  return workers <= 1 && count >= LONE_ATTEMPTS;
}
