/** What a sweep's directory says, as every format of a sweep is given it. */
import { type Objective, objectiveFrom } from "../../../../shared/config/objectives.js";
import type { TrialRow } from "../../../../shared/records/sweep-line.js";
import type { SweepResults } from "../../sweep/data.js";

type Read = Pick<
  SweepResults,
  "spec" | "settings" | "objectives" | "constraints" | "rows" | "code" | "began"
>;

export interface ExportedSweep extends Read {
  /** Name of its directory. */
  name: string;
  /** What is compared at the rungs: the first objective, or what `stopping` names. */
  compared: Objective;
}

/** What was read of a sweep's directory, as its formats want it: without trials that the spec does not make any more. */
export function exportedSweep(read: Read, name: string): ExportedSweep {
  const { spec, settings, objectives, constraints, rows, code, began } = read;
  const [first] = objectives;
  if (first === undefined) throw new RangeError("A sweep has an objective");
  const { metric = first.metric, goal } = spec.stopping ?? {};
  return {
    ...{ name, spec, settings, objectives, constraints, code, began },
    rows: rows.filter(({ outside }) => outside === undefined),
    compared: metric === first.metric && goal === undefined ? first : objectiveFrom({ metric, goal }),
  };
}

/** Seconds since 1970. A trial whose first rung is not measured yet has begun with the sweep at the earliest. */
export function startOf(row: TrialRow, { began }: Pick<ExportedSweep, "began">): number {
  const [first] = row.rungs;
  return first === undefined ? began : first.time - first.seconds;
}

/** When its newest rung was measured. */
export function endOf(row: TrialRow, sweep: Pick<ExportedSweep, "began">): number {
  return row.rungs.at(-1)?.time ?? startOf(row, sweep);
}

/** Nothing more becomes of it by itself. */
export function isFinal({ state }: TrialRow): boolean {
  return state === "done" || state === "stopped" || state === "failed";
}

/** By number: a journal may hold them in another order. */
export function inOrder({ rows }: Pick<ExportedSweep, "rows">): TrialRow[] {
  return [...rows].sort((a, b) => a.number - b.number);
}

/** Of all of them, each once, by name. */
export function metricNames(measured: Iterable<Pick<TrialRow, "metrics">>): string[] {
  const found = new Set<string>();
  for (const { metrics } of measured) for (const name of Object.keys(metrics)) found.add(name);
  return [...found].sort();
}
