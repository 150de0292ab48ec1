/** What a finished run prints: a table for people, one document for programs. */
import type { ResultsDocument } from "../../coordinator/runs/results-document.js";
import { renderTable } from "../../coordinator/results/report/table.js";
import { printResult, shown } from "./output.js";
import { wantsColor } from "./progress.js";

/** `hints`: what to do next, one line each. */
export function printResults(
  document: ResultsDocument,
  { json, hints }: { json: boolean; hints: readonly string[] },
): void {
  if (json) {
    printResult(document);
    return;
  }
  if (document.models.length > 0) {
    const colour = wantsColor(process.stdout, process.env);
    printResult(renderTable(document.models, { colour, width: process.stdout.columns ?? 100 }));
  }
  const lines = [
    ...(document.report === null ? [] : [`report     ${shown(document.report)}`]),
    `directory  ${shown(document.directory)}`,
    ...Object.entries(document.failed).map(([name, { message }]) => `failed     ${name}: ${message}`),
    ...Object.entries(document.weights_sha256).map(([name, hash]) => `weights    ${name} sha256 ${hash}`),
    `time       ${document.seconds.toFixed(1)} s`,
    ...hints,
  ];
  process.stderr.write(`\n${lines.join("\n")}\n`);
}
