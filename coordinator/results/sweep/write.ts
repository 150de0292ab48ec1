/** Puts a sweep's results into its directory. */
import { join } from "node:path";
import { storageError, writeFileAtomic } from "../../../shared/io/atomic-file.js";
import { makeFolder } from "../../../shared/io/folders.js";
import { analyse } from "./analysis.js";
import { parquetOf } from "../export/parquet.js";
import { TRIALS_SCHEMA_VERSION, wholeTrialTable } from "../export/sweep/trial-table.js";
import { renderTrialsCsv } from "./csv.js";
import type { SweepResults } from "./data.js";
import { documentOf } from "./document.js";
import { renderMarkdown } from "./markdown.js";
import { renderSweepPage } from "./page.js";
import { renderTrialLines } from "./trial-lines.js";

/** Paths of what was written. */
export interface WrittenResults {
  html: string;
  files: readonly string[];
}

/** Written last: where it is newer than the journal, all of them are. */
export const RESULTS_FILE = "results.json";

/**
 * Writes the trials as CSV, JSON Lines and Parquet, `leaderboard.md`, `report.html` and, last, `results.json`, each aside and
 * renamed: a reader never sees half of one. Everything is made before the first is written. Seconds of computation with 10,000 trials: a process
 * that must not stand still asks results-thread.ts. Throws ClusterError "storage".
 */
export async function writeSweepResults(directory: string, results: SweepResults): Promise<WrittenResults> {
  const analysis = analyse(results);
  const files = {
    "trials.csv": renderTrialsCsv(results),
    "trials.jsonl": renderTrialLines(results),
    "trials.parquet": await parquetOf(wholeTrialTable(results), TRIALS_SCHEMA_VERSION),
    "leaderboard.md": renderMarkdown(analysis),
    "report.html": renderSweepPage(analysis),
    [RESULTS_FILE]: `${JSON.stringify(documentOf(analysis))}\n`,
  };
  await makeFolder(directory).catch((cause: unknown) => {
    throw storageError(`make the folder ${directory}`, cause);
  });
  for (const [name, content] of Object.entries(files)) await writeFileAtomic(join(directory, name), content);
  return {
    html: join(directory, "report.html"),
    files: Object.keys(files).map((name) => join(directory, name)),
  };
}
