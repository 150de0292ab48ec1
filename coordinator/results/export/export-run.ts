/** Turns a run or a checkpoint into files of another format: read, render, write. */
import { ClusterError } from "../../../shared/errors.js";
import type { ExportFormat, FolderContent } from "./export-format.js";
import { type SourceOptions, readModel, readRuns } from "./run-source.js";
import { type ExportReport, type WriteOptions, writeExport } from "./write-export.js";

export interface ExportOptions extends SourceOptions, WriteOptions {
  perImage: boolean;
}

/** Throws ClusterError: "usage" (no run; something is in the way), "data", "config", "storage". */
export async function exportRun(
  path: string,
  format: ExportFormat,
  options: ExportOptions,
): Promise<ExportReport> {
  if (options.perImage && !("perImage" in format)) {
    throw new ClusterError("usage", `There is no --per-image for format "${format.name}"`, {
      hint: "csv and parquet have rows per image",
    });
  }
  const { name, files } = await render(path, format, options);
  return writeExport(name, format, files, options);
}

/** Files by their names in the folder; the one file of a format has none. */
async function render(
  path: string,
  format: ExportFormat,
  options: ExportOptions,
): Promise<{ name: string; files: FolderContent }> {
  if (format.of === "model") {
    const model = await readModel(path, options);
    const name = model.facts.run.replaceAll("/", "-");
    return format.makes === "folder"
      ? { name, files: format.render(model) }
      : { name, files: { "": await format.render(model, options) } };
  }
  const runs = await readRuns(path, options);
  const [first] = runs;
  const home = (first?.run ?? "").split("/");
  const name = (runs.length > 1 ? home.slice(0, -1) : home).join("-");
  return format.makes === "folder"
    ? { name, files: format.render(runs) }
    : { name, files: { "": await format.render(runs, options) } };
}
