/** The curves as a table for other programs. */
import type { ModelResult } from "../../../shared/results.js";

const COLUMNS = [
  "model",
  "kind",
  "strength",
  "n",
  "error",
  "ci_low",
  "ci_high",
  "mean_confidence",
  "protocol",
  "attack",
  "norm",
  "unreliable",
] as const;

/**
 * One row per model, series and strength, RFC 4180 with LF line ends. Numbers are written in full, so that reading them
 * gives back the same doubles; a number that is not finite is an empty field.
 */
export function renderCsv(models: readonly ModelResult[]): string {
  const rows = models.flatMap((model) =>
    model.curves.map((point) =>
      COLUMNS.map((column) => field(column === "model" ? model.name : point[column])).join(","),
    ),
  );
  return [COLUMNS.join(","), ...rows, ""].join("\n");
}

/** Fields of one row; a number that is missing or not finite is an empty field. */
export function csvLine(values: readonly (string | number | undefined)[]): string {
  return values.map((value) => (value === undefined ? "" : field(value))).join(",");
}

function field(value: string | number | string[] | undefined): string {
  if (value === undefined) return "";
  if (Array.isArray(value)) return field(value.join("; "));
  if (typeof value === "number") return Number.isFinite(value) ? String(value) : "";
  return /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}
