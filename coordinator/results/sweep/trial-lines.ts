/** `trials.jsonl`: a line for each trial, with all of its settings: for programs that read one trial after another. */
import type { TrialRow } from "../../../shared/records/sweep-line.js";
import type { SweepResults } from "./data.js";
import { isoOf, trialDocument } from "./document.js";
import { trialSettings } from "./trial-settings.js";

/** JSON Lines, by number: each trial as `results.json` has it, with its seed, times and settings. */
export function renderTrialLines({ rows, settings }: Pick<SweepResults, "rows" | "settings">): string {
  return rows.map((row) => `${JSON.stringify(lineOf(row, settings))}\n`).join("");
}

function lineOf(row: TrialRow, base: SweepResults["settings"]): object {
  const settings = trialSettings(base, row.values);
  const { began, ended } = timesOf(row);
  return {
    ...trialDocument(row),
    seed: settings?.seed ?? null,
    began: began === undefined ? null : isoOf(began),
    ended: ended === undefined ? null : isoOf(ended),
    settings: settings ?? null,
  };
}

/** Seconds since 1970: from the beginning of its first rung to its newest result; none before there is one. */
export function timesOf({ rungs }: Pick<TrialRow, "rungs">): { began?: number; ended?: number } {
  const [first, last] = [rungs[0], rungs.at(-1)];
  return first === undefined || last === undefined
    ? {}
    : { began: first.time - first.seconds, ended: last.time };
}
