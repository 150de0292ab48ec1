/** `trials.csv`: a row for each trial, for other programs. */
import { csvOf } from "../export/csv.js";
import { trialTable } from "../export/sweep/trial-table.js";
import type { SweepResults } from "./data.js";

/** RFC 4180 with LF line ends. Numbers are written in full; what a trial does not have is an empty field. */
export function renderTrialsCsv(sweep: Pick<SweepResults, "rows" | "settings" | "spec">): string {
  return csvOf(trialTable(sweep));
}
