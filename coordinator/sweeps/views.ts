/** What is asked of a sweep's state: rows, counts, who is ahead, which states of trials are still of use. */
import type { TrialRow, TrialState } from "../../shared/records/sweep-line.js";
import type { Outlook } from "./pruners/pruner.js";
import type { Spent } from "./search.js";
import type { SweepState } from "./state.js";
import { type TrialRecord, nextRung, rowOf, seenByParent } from "./trial-record.js";

export interface SweepSummary extends Readonly<Record<TrialState, number>> {
  created: number;
  /** How many trials there are to be, with those that have taken another one's place; undefined while nothing bounds them. */
  planned: number | undefined;
  /** Training images, over all trials. */
  samplesSeen: number;
  isCancelled: boolean;
  /** Seconds since 1970, of the journal's first line. */
  began: number | undefined;
}

export interface RungCount {
  rung: number;
  /** Training images that a trial has seen there. */
  samples: number;
  /** Trials whose newest result is from there. */
  count: number;
}

export function rowIn({ rungs, trials }: SweepState, record: TrialRecord): TrialRow {
  const own = rowOf(record);
  const row = record.parent === undefined ? own : { ...own, inherited: seenByParent(record, trials) };
  const place = record.state === "waiting" ? rungs.placeOf(record) : undefined;
  return place === undefined ? row : { ...row, reason: place };
}

/** Those that the present spec makes, or the others; in the order of their numbers. */
export function rowsOf(state: SweepState, areOutside: boolean): TrialRow[] {
  return [...state.trials.values()]
    .filter(({ outside }) => (outside !== undefined) === areOutside)
    .map((record) => rowIn(state, record));
}

export function bestOf(state: SweepState, count: number): TrialRow[] {
  const rows: TrialRow[] = [];
  for (const record of state.standings) {
    if (rows.length >= count) break;
    rows.push(rowIn(state, record));
  }
  return rows;
}

export function isOverAt({ totals, search, trials }: SweepState, spent: Spent): boolean {
  return totals.counts.running + totals.counts.waiting === 0 && search.next(spent, trials) === "none";
}

export function summaryOf({ totals, search }: SweepState): SweepSummary {
  const { counts, samples, heirs, isCancelled, beganS } = totals;
  const created = Object.values(counts).reduce((sum, count) => sum + count, 0);
  // A limit may have become less than what is there.
  const planned = search.planned === undefined ? undefined : Math.max(search.planned + heirs, created);
  return { ...counts, created, planned, samplesSeen: samples, isCancelled, began: beganS };
}

/** Can a segment still begin with the trial's state at this rung, its newest unless said? */
export function isStateWanted(state: SweepState, trial: string, rung?: number): boolean {
  const record = state.trials.get(trial);
  if (record === undefined || record.outside !== undefined) return false;
  const newest = record.results.at(-1)?.rung;
  const asked = rung ?? newest;
  const goesOn = record.state === "running" || record.state === "waiting";
  if (goesOn && asked === newest) return true;
  // What it has on its way to the next rung: an interruption costs none of it.
  if (record.state === "running" && asked === nextRung(record)) return true;
  if (asked === undefined) return false;
  return state.totals.hasHeirs(trial, asked) || state.rungs.isParent(record, asked, outlookOf(state));
}

/** Whether the time is up is for the next trial to find out. */
function outlookOf({ totals, search }: SweepState): Outlook {
  const { counts, samples, beganS } = totals;
  const spent = { timeS: beganS ?? 0, beganS, samples };
  const isOver = counts.running + counts.waiting === 0 && !search.isOpen(spent);
  return { trials: search.most(spent), isOver };
}
