/** A format of a whole sweep. Formats are one file each, listed in formats.ts. */
import type { FileFormat, FolderFormat } from "../export-format.js";
import type { ExportedSweep } from "./exported-sweep.js";
import type { SweepFormatName } from "./format-names.js";

export type SweepFormat =
  FileFormat<ExportedSweep, undefined, SweepFormatName> | FolderFormat<ExportedSweep, SweepFormatName>;
