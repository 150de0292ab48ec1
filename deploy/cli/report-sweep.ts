/** `saf report` of a sweep: its results written again, into its own folder or into one to publish. */
import { resolve } from "node:path";
import { resultsOf } from "../../coordinator/sweeps/results-of.js";
import { writeSweepResults } from "../../coordinator/results/sweep/write.js";
import { ClusterError } from "../../shared/errors.js";
import { printResult, shown } from "./output.js";
import { isAtWorkIn, readNoting } from "./sweep-output.js";

export interface SweepReportOptions {
  /** Title of the page, over the sweep's own. */
  title?: string;
  /** Where to write; without it, into the sweep's folder. */
  results?: string;
  note: readonly string[];
  json?: true;
}

/** Throws ClusterError: "usage", "data" (no journal that can be read), "storage". */
export async function reportSweep(
  directory: string,
  { title, results: into, note, json }: SweepReportOptions,
): Promise<void> {
  if (note.length > 0)
    throw new ClusterError(
      "usage",
      `${shown(directory)} is a sweep: --note is for a reproduction's README.md`,
    );
  const isAtWork = await isAtWorkIn(directory);
  const found = resultsOf(await readNoting(directory), shown(directory), isAtWork);
  const results = title === undefined ? found : { ...found, spec: { ...found.spec, title } };
  const { html, files } = await writeSweepResults(into === undefined ? directory : resolve(into), results);
  printResult(json === true ? { report: html, files } : shown(html));
}
