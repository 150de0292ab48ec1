/** Turns a sweep into files of another format: render, write. */
import type { FolderContent } from "../export-format.js";
import { type ExportReport, type WriteOptions, writeExport } from "../write-export.js";
import type { ExportedSweep } from "./exported-sweep.js";
import type { SweepFormat } from "./sweep-format.js";

/** Throws ClusterError: "usage" (something is in the way), "storage". */
export async function exportSweep(
  sweep: ExportedSweep,
  format: SweepFormat,
  options: WriteOptions,
): Promise<ExportReport> {
  const files: FolderContent =
    format.makes === "folder" ? format.render(sweep) : { "": await format.render(sweep, undefined) };
  return writeExport(sweep.name, format, files, options);
}
