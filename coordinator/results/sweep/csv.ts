/** `trials.csv`: a row for each trial, for other programs. */
import type { SweepResults } from "./data.js";
import { csvLine } from "../report/csv.js";
import { metricNames } from "./metric-text.js";
import { rungOf } from "./standings.js";

const COLUMNS = [
  "trial",
  "number",
  "group",
  "state",
  "attempt",
  "rung",
  "samples",
  "seconds",
  "images",
  "measured_images",
  "weights",
  "unreliable",
  "reason",
] as const;

/**
 * RFC 4180 with LF line ends. Behind the fixed columns one for each parameter, by its path, and one for each metric, by its
 * canonical name: the trial's newest. Numbers are written in full; what a trial does not have is an empty field.
 */
export function renderTrialsCsv({ rows, spec }: Pick<SweepResults, "rows" | "spec">): string {
  const paths = new Set(Object.keys(spec.parameters));
  for (const { values } of rows) for (const path of Object.keys(values)) paths.add(path);
  const metrics = metricNames(rows.map((row) => row.metrics)).sort();
  const head = [...COLUMNS, ...paths, ...metrics];
  const lines = rows.map((row) => {
    const last = row.rungs.at(-1);
    return csvLine([
      row.trial,
      row.number,
      row.group,
      row.state,
      row.attempt,
      last === undefined ? undefined : rungOf(row),
      row.samples,
      row.seconds,
      last?.images,
      last === undefined ? undefined : (last.measuredImages ?? last.images),
      row.weights,
      row.unreliable?.join("; "),
      row.reason,
      ...[...paths].map((path) => valueField(row.values[path])),
      ...metrics.map((name) => row.metrics[name]),
    ]);
  });
  return [csvLine(head), ...lines, ""].join("\n");
}

function valueField(value: unknown): string | number | undefined {
  if (value === undefined || typeof value === "string" || typeof value === "number") return value;
  return JSON.stringify(value);
}
