/** Rows as CSV: RFC 4180 with LF, numbers in full, so that reading them gives back the same doubles. */
import { imageTable, pointTable } from "./evaluation-rows.js";
import type { ExportFormat } from "./export-format.js";
import type { Cell, Table } from "./rows.js";

export const csvFormat: ExportFormat = {
  of: "runs",
  makes: "file",
  name: "csv",
  suffix: ".csv",
  perImage: true,
  render: (runs, { perImage }) => csvOf(perImage ? imageTable(runs) : pointTable(runs)),
};

export function csvOf({ columns, length }: Table): string {
  const lines = [columns.map(({ name }) => name).join(",")];
  for (let row = 0; row < length; row++) {
    lines.push(columns.map(({ values }) => field(values[row] ?? null)).join(","));
  }
  return `${lines.join("\n")}\n`;
}

/** What is not known, and a number that is not finite, is an empty field. */
function field(cell: Cell): string {
  if (cell === null) return "";
  if (typeof cell === "number") return Number.isFinite(cell) ? String(cell) : "";
  if (typeof cell === "boolean") return String(cell);
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}
