/** Which trial is meant. Pure. */
import type { TrialRow } from "../../shared/records/sweep-line.js";

/** Shorter words are no ids: digits are a number then. */
const LEAST_ID = 4;

/** By the beginning of its id, or by its number (`#12` where both could be meant): none, one, or several where that is open. */
export function trialsMeant(name: string, rows: readonly TrialRow[]): TrialRow[] {
  const [, mark = "", number] = /^(#?)(\d+)$/.exec(name) ?? [];
  const isId = mark === "" && (number === undefined || name.length >= LEAST_ID);
  return rows.filter(
    (row) => row.number === Number(number) || (isId && row.trial.startsWith(name.toLowerCase())),
  );
}
