/**
 * Writes the results of a demo run into the README, and its plot into docs/images:
 * `node deploy/bootstrap.mjs exec dist/test/docs/update-results.js RUN_DIRECTORY`.
 */
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ResultsDocument } from "../../coordinator/runs/results-document.js";
import type { ModelResult, PerturbationKind } from "../../shared/results.js";
import { ROOT, markdownTable, placeOf, readDocument } from "./tables.js";

/** A README has room for so many; the whole grid is in the report. */
const STRENGTHS = [0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5];
const KINDS: readonly PerturbationKind[] = ["adversarial", "nonsense", "noisy"];

const percent = (share: number, digits: number): string => (100 * share).toFixed(digits);

function cleanTable({ models, weights_sha256: weights }: ResultsDocument): string {
  const rows = models.map(({ name, clean_accuracy: accuracy, curves }) => {
    const clean = curves.find(({ kind }) => kind === "clean");
    if (clean === undefined) throw new RangeError(`${name} was not measured on clean images`);
    const interval = `${percent(1 - clean.ci_high, 1)} to ${percent(1 - clean.ci_low, 1)} %`;
    return [`\`${name}\``, `${percent(accuracy, 2)} %`, interval, `\`${weights[name]?.slice(0, 8) ?? ""}…\``];
  });
  const images = models[0]?.n.toLocaleString("en") ?? "";
  return markdownTable(
    ["network", `right on ${images} clean images`, "95 % interval", "weights, SHA-256"],
    rows,
  );
}

function errorTable(models: readonly ModelResult[]): string {
  const rows = KINDS.flatMap((kind) =>
    models.map(({ name, curves }, i) => [
      i === 0 ? kind : "",
      `\`${name}\``,
      ...STRENGTHS.map((strength) => {
        const point = curves.find((candidate) => candidate.kind === kind && candidate.strength === strength);
        if (point === undefined) throw new RangeError(`${name} was not measured on ${kind} at ${strength}`);
        return percent(point.error, 1);
      }),
    ]),
  );
  const [first, ...others] = STRENGTHS.map(String);
  return markdownTable(["kind", "network", `β = ${first}`, ...others], rows);
}

const [run] = process.argv.slice(2);
if (run === undefined) throw new RangeError("Name a run directory");
const results = JSON.parse(readFileSync(join(run, "results.json"), "utf8")) as ResultsDocument;
let text = readDocument("README.md");
for (const [name, table] of [
  ["clean", cleanTable(results)],
  ["errors", errorTable(results.models)],
] as const) {
  const { start, end } = placeOf(text, name);
  text = text.slice(0, start) + table + text.slice(end);
}
writeFileSync(join(ROOT, "README.md"), text);
copyFileSync(
  join(run, "plots", "error-vs-strength.png"),
  join(ROOT, "docs", "images", "error-vs-strength.png"),
);
