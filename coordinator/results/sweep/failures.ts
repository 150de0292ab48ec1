/** Why trials failed: gathered by reason. */
import type { TrialRow } from "../../../shared/records/sweep-line.js";

export interface Failure {
  reason: string;
  /** Of the trials. */
  numbers: readonly number[];
}

/** The most frequent first. */
export function failuresOf(rows: readonly TrialRow[]): Failure[] {
  const reasons = new Map<string, number[]>();
  for (const { state, reason = "no reason is known", number } of rows) {
    if (state !== "failed") continue;
    const numbers = reasons.get(reason);
    if (numbers === undefined) reasons.set(reason, [number]);
    else numbers.push(number);
  }
  return [...reasons]
    .map(([reason, numbers]) => ({ reason, numbers }))
    .sort((a, b) => b.numbers.length - a.numbers.length);
}
