/** Puts a report into a run directory. */
import { randomBytes } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ClusterError } from "../../../shared/errors.js";
import { renderCsv } from "./csv.js";
import { perturbedKinds } from "./curves.js";
import type { ReportData } from "./data.js";
import { errorVsStrengthSpec, trainingSpec } from "./plots.js";
import { renderPng, renderSvg } from "./render-plot.js";
import { hasSteps, renderReport } from "./report-html.js";
import { makeFolder } from "../../../shared/io/folders.js";

export interface WrittenReport {
  /** Path of the page. */
  html: string;
  /** Paths of the plots: SVG, PNG and vega-lite specification of each. */
  plots: string[];
}

/**
 * Writes `report.html`, `plots/error-vs-strength.{svg,png,vl.json}`, `plots/training.{svg,png,vl.json}` and
 * `eval/curves.csv` below `directory`, which is made if need be. Everything is drawn before the first file is written,
 * and the page comes last; each file is written aside and renamed, so that a reader never sees half of one. A plot
 * without data is left out. Throws ClusterError "storage" when a file cannot be written.
 */
export async function writeReport(directory: string, data: ReportData): Promise<WrittenReport> {
  const results = data.models.map((model) => model.result);
  const specs = [
    ...(perturbedKinds(results).length > 0
      ? [{ name: "error-vs-strength", spec: errorVsStrengthSpec(results) }]
      : []),
    ...(hasSteps(data) ? [{ name: "training", spec: trainingSpec(data.models) }] : []),
  ];
  const plotFiles = new Map<string, string | Uint8Array>();
  for (const { name, spec } of specs) {
    const svg = await renderSvg(spec);
    plotFiles.set(join(directory, "plots", `${name}.svg`), svg);
    plotFiles.set(join(directory, "plots", `${name}.png`), renderPng(svg));
    plotFiles.set(join(directory, "plots", `${name}.vl.json`), `${JSON.stringify(spec)}\n`);
  }
  const html = join(directory, "report.html");
  const page = await renderReport(data);

  for (const [path, content] of plotFiles) await writeAside(path, content);
  await writeAside(join(directory, "eval", "curves.csv"), renderCsv(results));
  await writeAside(html, page);
  return { html, plots: [...plotFiles.keys()] };
}

/** Writes to a name of its own in the same folder, syncs, renames; leaves nothing behind when that fails. */
async function writeAside(path: string, content: string | Uint8Array): Promise<void> {
  const aside = `${path}.${process.pid}.${randomBytes(4).toString("hex")}.tmp`;
  try {
    await makeFolder(dirname(path));
    const file = await open(aside, "wx");
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(aside, path);
  } catch (error) {
    await rm(aside, { force: true }).catch(() => undefined); // the first failure is the one to report
    throw new ClusterError("storage", `Cannot write the report file "${path}"`, {
      hint: "check that the folder can be written to and the disk is not full",
      cause: error,
    });
  }
}
