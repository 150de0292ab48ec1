/** Writes the report of a reproduction: page, plots, tables, and the claims for other programs. */
import {} from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Claim, judgeClaims, settingsOf } from "../claims.js";
import { writeFileAtomic } from "../../../shared/io/atomic-file.js";
import { csvLine, renderCsv } from "../report/csv.js";
import { underProcedure } from "../report/curves.js";
import { activationSpec, featuresFileSpec } from "../report/feature-figures.js";
import { jointSvg } from "../report/heat-map.js";
import { type ModernFindings, modernFindings } from "../report/modern.js";
import { modernSpec } from "../report/modern-section.js";
import { renderPng, renderSvg } from "../report/render-plot.js";
import { accuracySpec, groupsOf } from "./accuracy.js";
import { cleanRows } from "./clean-table.js";
import { type ReproductionData, measuredResults } from "./data.js";
import { renderReproduction } from "./page.js";
import { readReproduction } from "./read.js";
import { at } from "../../../shared/core/at.js";
import { makeFolder } from "../../../shared/io/folders.js";

export interface WrittenReproduction {
  /** Path of the page. */
  html: string;
  claims: Claim[];
}

/**
 * Reads `reproduction.json` and the run directories beside it, and writes `report.html`, `claims.json`, `clean.csv`,
 * `eval/curves.csv` and `plots/*.svg|png`. What is missing shows as "not measured". Throws ClusterError: "data" when the
 * folder is no reproduction, "storage" when a file cannot be written.
 */
export async function writeReproductionReport(directory: string): Promise<WrittenReproduction> {
  const data = await readReproduction(directory);
  const settings = settingsOf(data.dataset);
  const claims = judgeClaims(settings, data.members);
  const modern = modernFindings(data.members, settings.reference);
  const files = new Map<string, string | Uint8Array>();
  for (const [name, svg] of await plotsOf(data, modern)) {
    files.set(join("plots", `${name}.svg`), svg);
    files.set(join("plots", `${name}.png`), renderPng(svg));
  }
  files.set("clean.csv", cleanCsv(data));
  files.set(join("eval", "curves.csv"), renderCsv(measuredResults(data.members)));
  files.set("claims.json", `${JSON.stringify(claimsDocument(data, claims, modern), null, 2)}\n`);
  files.set("report.html", await renderReproduction(data, claims));
  for (const [name, content] of files) {
    const path = join(directory, name);
    await makeFolder(dirname(path));
    await writeFileAtomic(path, content);
  }
  return { html: join(directory, "report.html"), claims };
}

/** SVG files by name. */
async function plotsOf(data: ReproductionData, modern: ModernFindings): Promise<Map<string, string>> {
  const plots = new Map<string, string>();
  const results = measuredResults(data.members);
  const networkOf = new Map(data.members.map(({ name, network }) => [name, network]));
  const familyOf = (name: string): string => at((networkOf.get(name) ?? name).split("-"), 0);
  for (const procedure of ["paper", "corrected"] as const) {
    const measured = underProcedure(results, procedure).filter(({ curves }) =>
      curves.some(({ kind }) => kind !== "clean"),
    );
    if (measured.length === 0) continue;
    const groups = groupsOf(measured, familyOf);
    for (const [i, group] of groups.entries()) {
      const suffix = groups.length === 1 ? "" : `-${i + 1}`;
      const subtitle = `${procedure} protocol · shaded: Wilson intervals at 95 % · hollow: unreliable`;
      plots.set(`accuracy-${procedure}${suffix}`, await renderSvg(accuracySpec(group, subtitle)));
    }
  }
  plots.set("activations", await renderSvg(activationSpec()));
  for (const { name, features } of data.members) {
    if (features === undefined) continue;
    plots.set(`features-${name}`, await renderSvg(featuresFileSpec(name, features.places)));
    for (const { layer, pairs } of features.places) {
      for (const pair of pairs)
        plots.set(`joint-${name}-${layer}-${pair.channels.join("-")}`, jointSvg(pair));
    }
  }
  if (modern.epsilon !== undefined) plots.set("modern", await renderSvg(modernSpec(modern, true)));
  return plots;
}

function cleanCsv(data: ReproductionData): string {
  const columns =
    "network,seed,epochs,n,error,ci_low,ci_high,train_error,authors_error,authors_best,authors_epochs";
  const rows = cleanRows(data).map(({ network, seed, epochs, error, trainError, authors }) =>
    csvLine([
      network,
      seed,
      epochs,
      error?.n,
      error?.share,
      error?.low,
      error?.high,
      trainError,
      authors?.final,
      authors?.best,
      authors?.epochs,
    ]),
  );
  return [columns, ...rows, ""].join("\n");
}

/** `claims.json`: docs/formats.md. */
function claimsDocument(data: ReproductionData, claims: readonly Claim[], modern: ModernFindings): object {
  return {
    dataset: data.dataset,
    networks: data.networks,
    seeds: data.seeds,
    settings: settingsOf(data.dataset),
    claims: claims.map(({ comparisons, ...claim }) => ({
      ...claim,
      comparisons: comparisons.map(({ difference, ...comparison }) => ({ ...comparison, ...difference })),
    })),
    modern: {
      epsilon: modern.epsilon ?? null,
      beta: modern.beta ?? null,
      compared: modern.compared,
      reversals: modern.reversals,
      networks: modern.rows.map(({ name, clean, paper, corrected, worst, unreliable }) => ({
        name,
        clean_accuracy: clean ?? null,
        paper_accuracy: paper === undefined ? null : 1 - paper.error,
        corrected_accuracy: corrected === undefined ? null : 1 - corrected.error,
        worst_case_accuracy: worst === undefined ? null : 1 - worst.error,
        worst_case_n: worst?.n ?? null,
        unreliable,
      })),
    },
  };
}
