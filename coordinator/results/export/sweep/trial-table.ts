/** A sweep's trials as a table with the columns of its `trials.csv`, typed. Pure. */
import type { TrialRow } from "../../../../shared/records/sweep-line.js";
import { type Column, type Table, tableOf } from "../rows.js";
import { type ExportedSweep, inOrder, metricNames } from "./exported-sweep.js";
import { type SweptSetting, cellOf, settingsOf } from "./settings.js";

/** Goes up when a column changes its meaning or goes away. */
export const TRIALS_SCHEMA_VERSION = 1;

const text = (name: string, meaning: string, of: (row: TrialRow) => string | null): Column<TrialRow> => ({
  name,
  type: "text",
  meaning,
  of,
});
const integer = (name: string, meaning: string, of: (row: TrialRow) => number | null): Column<TrialRow> => ({
  name,
  type: "integer",
  meaning,
  of,
});

/** docs/formats.md prints them. No setting of a run is called as one of them. */
export const TRIAL_COLUMNS: readonly Column<TrialRow>[] = [
  text("trial", "id of the trial", ({ trial }) => trial),
  integer("number", "from 0 on, in the order in which the search made them", ({ number }) => number),
  text("group", "trials that differ only in what is repeated have the same", ({ group }) => group),
  text("state", "`running`, `waiting`, `done`, `stopped` or `failed`", ({ state }) => state),
  integer("attempt", "which try it is", ({ attempt }) => attempt),
  integer("rung", "the newest that was measured, from 0 on; empty before the first", (row) => {
    return row.rungs.at(-1)?.rung ?? null;
  }),
  integer("samples", "training images seen", ({ samples }) => samples),
  { name: "seconds", type: "number", meaning: "of training and measuring", of: ({ seconds }) => seconds },
  integer("images", "test images behind the clean accuracy", ({ rungs }) => rungs.at(-1)?.images ?? null),
  integer("measured_images", "test images behind the other metrics", ({ rungs }) => {
    const last = rungs.at(-1);
    return last?.measuredImages ?? last?.images ?? null;
  }),
  text("weights", "SHA-256 of its weights at that rung", ({ weights }) => weights ?? null),
  text("unreliable", "why its robustness must not be believed; empty where no check failed", (row) => {
    return row.unreliable?.join("; ") ?? null;
  }),
  text("reason", "why it waits, was stopped or failed", ({ reason }) => reason ?? null),
];

/** Behind the fixed columns one a setting and one a metric, of the trial's newest rung. */
export function trialTable(sweep: Pick<ExportedSweep, "spec" | "rows">): Table {
  const settings = settingsOf(sweep).map(settingColumn);
  const metrics = metricNames(sweep.rows).map(metricColumn);
  return tableOf([...TRIAL_COLUMNS, ...settings, ...metrics], inOrder(sweep));
}

function settingColumn({ path, type }: SweptSetting): Column<TrialRow> {
  return {
    name: path,
    type,
    meaning: `value of ${path}`,
    of: ({ values }) => cellOf(values[path], type),
  };
}

function metricColumn(name: string): Column<TrialRow> {
  return { name, type: "number", meaning: `the metric ${name}`, of: ({ metrics }) => metrics[name] ?? null };
}
