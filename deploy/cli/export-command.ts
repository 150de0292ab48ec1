/** `saf export`: a run's weights, results or curves in the formats of other programs. */
import { Command, Option } from "commander";
import { EXPORT_FORMATS } from "../../coordinator/results/export/formats.js";
import { ClusterError } from "../../shared/errors.js";
import type { RunImages } from "../../coordinator/results/export/run-source.js";
import type { Config } from "../../shared/config/run.js";
import { printResult } from "./output.js";
import { shown } from "./results-output.js";

interface ExportCommandOptions {
  format: string;
  out?: string;
  force?: true;
  perImage?: true;
  dataDir?: string;
  json?: true;
}

export function exportCommand(): Command {
  const width = Math.max(...EXPORT_FORMATS.map(({ name }) => name.length));
  const list = EXPORT_FORMATS.map(({ name, title }) => `  ${name.padEnd(width)}  ${title}`);
  return new Command("export")
    .description("write a run's weights or results in the format of another program")
    .argument("<run>", "run directory, checkpoint, or (for results) a folder of several runs")
    .addOption(
      new Option("-f, --format <name>", "which format")
        .choices(EXPORT_FORMATS.map(({ name }) => name))
        .makeOptionMandatory(),
    )
    .option("-o, --out <path>", "file or folder to write (default: named after the run, in this folder)")
    .option("--force", "replace an earlier export")
    .option("--per-image", "csv and parquet: a row an image instead of a row a point")
    .option("--data-dir <folder>", "folder with the images it was trained on (default: as the run had it)")
    .option("--json", "print what was written as one JSON document")
    .addHelpText("after", `\nFormats:\n${list.join("\n")}`)
    .action(async (run: string, options: ExportCommandOptions) => {
      const { format, out, force = false, perImage = false, dataDir, json } = options;
      const chosen = EXPORT_FORMATS.find(({ name }) => name === format);
      if (chosen === undefined) throw new ClusterError("usage", `There is no export format "${format}"`);
      // Loaded when it is needed: every command would wait for it.
      const { exportRun } = await import("../../coordinator/results/export/export-run.js");
      const { findRunImages } = await import("./run-images.js");
      const findImages = (config: Config): Promise<RunImages> => findRunImages(config, dataDir);
      const report = await exportRun(run, chosen, { out, force, perImage, findImages });
      printResult(json ? report : shown(report.path));
    });
}
