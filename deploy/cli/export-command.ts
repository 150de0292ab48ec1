/** `saf export`: a run's weights, results or curves, or a sweep's trials, in the formats of other programs. */
import { Command, Option } from "commander";
import { FORMAT_TITLES } from "../../coordinator/results/export/format-names.js";
import { SWEEP_FORMAT_TITLES } from "../../coordinator/results/export/sweep/format-names.js";
import type { MlflowReport } from "../../coordinator/results/export/sweep/send-mlflow.js";
import type { ExportReport } from "../../coordinator/results/export/write-export.js";
import { ClusterError } from "../../shared/errors.js";
import type { RunImages } from "../../coordinator/results/export/run-source.js";
import type { Config } from "../../shared/config/run.js";
import { printResult, shown } from "./output.js";

interface ExportCommandOptions {
  format: string;
  out?: string;
  force?: true;
  perImage?: true;
  dataDir?: string;
  trackingUri?: string;
  json?: true;
}

export function exportCommand(): Command {
  const names = [...new Set([...Object.keys(FORMAT_TITLES), ...Object.keys(SWEEP_FORMAT_TITLES)])];
  const width = Math.max(...names.map((name) => name.length));
  const list = (titles: Record<string, string>): string =>
    Object.entries(titles)
      .map(([name, title]) => `  ${name.padEnd(width)}  ${title}\n`)
      .join("");
  return new Command("export")
    .description("write a run's weights or results, or a sweep's trials, in the format of another program")
    .argument(
      "<run>",
      "run directory, checkpoint, a folder of several runs (for results), or a sweep's directory, or its name in runs",
    )
    .addOption(new Option("-f, --format <name>", "which format").choices(names).makeOptionMandatory())
    .option("-o, --out <path>", "file or folder to write (default: named after the run, in this folder)")
    .option("--force", "replace an earlier export")
    .option("--per-image", "csv and parquet of a run: a row an image instead of a row a point")
    .option("--data-dir <folder>", "folder with the images it was trained on (default: as the run had it)")
    .option("--tracking-uri <url>", "mlflow: send to this server; the same command again sends what is new")
    .option("--json", "print what was written as one JSON document")
    .addHelpText(
      "after",
      `\nFormats of a run:\n${list(FORMAT_TITLES)}\nFormats of a sweep:\n${list(SWEEP_FORMAT_TITLES)}`,
    )
    .action(async (named: string, options: ExportCommandOptions) => {
      const { orSweepIn } = await import("./sweep-place.js");
      const path = orSweepIn("runs", named);
      const report = await exported(path, options);
      printResult(options.json ? report : wordsFor(report));
    });
}

/** Loaded when it is needed: every command would wait for it. */
async function exported(path: string, options: ExportCommandOptions): Promise<ExportReport | MlflowReport> {
  const { format, out, force = false, perImage = false, dataDir, trackingUri } = options;
  if (trackingUri !== undefined && format !== "mlflow")
    throw new ClusterError("usage", `--tracking-uri goes with --format mlflow, not with ${format}`);
  const { exportOfSweep, isSweep } = await import("./export-sweep.js");
  if (await isSweep(path)) {
    if (perImage) throw new ClusterError("usage", "There is no --per-image for a sweep: a row is a trial");
    return exportOfSweep(path, { format, out, force, trackingUri });
  }
  const { EXPORT_FORMATS } = await import("../../coordinator/results/export/formats.js");
  const chosen = EXPORT_FORMATS.find(({ name }) => name === format);
  if (chosen === undefined) {
    throw new ClusterError(
      "usage",
      `"${format}" is a format of sweeps, and ${path} holds none: it has no sweep.yaml`,
    );
  }
  const { exportRun } = await import("../../coordinator/results/export/export-run.js");
  const { findRunImages } = await import("./run-images.js");
  const findImages = (config: Config): Promise<RunImages> => findRunImages(config, dataDir);
  return exportRun(path, chosen, { out, force, perImage, findImages });
}

/** Where it is to be seen. */
function wordsFor(report: ExportReport | MlflowReport): string {
  return "tracking_uri" in report
    ? `${report.tracking_uri}/#/experiments/${report.experiment_id}`
    : shown(report.path);
}
