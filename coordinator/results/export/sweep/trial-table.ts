/** A sweep's trials as a table, typed: `trials.csv` and, with all settings, `trials.parquet`. Pure. */
import type { TrialRow } from "../../../../shared/records/sweep-line.js";
import { isoOf } from "../../sweep/document.js";
import { timesOf } from "../../sweep/trial-lines.js";
import { trialSettings } from "../../sweep/trial-settings.js";
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
  text("began", "when its first rung began, ISO 8601; empty before that is measured", (row) => {
    const { began } = timesOf(row);
    return began === undefined ? null : isoOf(began);
  }),
  text("ended", "when its newest rung was measured", (row) => {
    const { ended } = timesOf(row);
    return ended === undefined ? null : isoOf(ended);
  }),
  text("weights", "SHA-256 of its weights at that rung", ({ weights }) => weights ?? null),
  text("unreliable", "why its robustness must not be believed; empty where no check failed", (row) => {
    return row.unreliable?.join("; ") ?? null;
  }),
  text("reason", "why it waits, was stopped or failed", ({ reason }) => reason ?? null),
];

type Source = Pick<ExportedSweep, "spec" | "settings" | "rows">;

/** Behind the fixed columns one a setting that is tried, the seed in any case, and one a metric, of the trial's newest rung. */
export function trialTable(sweep: Source): Table {
  return tableOf(columnsOf(sweep), inOrder(sweep));
}

/** The same, and last a column with all settings: too wide for a spreadsheet, next to nothing in a Parquet file. */
export function wholeTrialTable(sweep: Source): Table {
  return tableOf([...columnsOf(sweep), allSettings(sweep)], inOrder(sweep));
}

function columnsOf(sweep: Source): Column<TrialRow>[] {
  const tried = settingsOf(sweep);
  const settings = [...tried.map(settingColumn), ...(tried.some(isSeed) ? [] : [seedColumn(sweep)])];
  return [...TRIAL_COLUMNS, ...settings, ...metricNames(sweep.rows).map(metricColumn)];
}

const isSeed = ({ path }: SweptSetting): boolean => path === "seed";

function seedColumn({ settings }: Source): Column<TrialRow> {
  const seed = trialSettings(settings, {})?.seed ?? null;
  return integer("seed", "the same for all", () => seed);
}

function allSettings({ settings }: Source): Column<TrialRow> {
  return text("settings", "all settings of the run, as JSON", ({ values }) => {
    const whole = trialSettings(settings, values);
    return whole === undefined ? null : JSON.stringify(whole);
  });
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
