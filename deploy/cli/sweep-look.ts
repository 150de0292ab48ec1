/** What `saf sweep status`, `results` and `show` do: they read a sweep's folder at any time, and write nothing. */
import { join } from "node:path";
import { writerOf } from "../../coordinator/io/directory-locks.js";
import { LIVE_FILE, type LiveFile } from "../../coordinator/io/live-file.js";
import { analyse, reproduceCommand } from "../../coordinator/results/sweep/analysis.js";
import { renderTrialsCsv } from "../../coordinator/results/sweep/csv.js";
import { renderMarkdown } from "../../coordinator/results/sweep/markdown.js";
import { resultsOf } from "../../coordinator/sweeps/results-of.js";
import { readJson } from "../../shared/io/json-document.js";
import { TRIAL_STATES } from "../../shared/records/sweep-line.js";
import { printResult, shown } from "./output.js";
import { printSweep, readNoting } from "./sweep-output.js";
import { sweepFolder, trialNamed } from "./sweep-place.js";
import { type SweepStatus, statusLines, trialLines } from "./sweep-view.js";
import { terminalOf } from "./terminal.js";

export interface LookFlags {
  runs: string;
  json?: true;
}

export interface ResultsFlags extends LookFlags {
  format: "table" | "markdown" | "csv";
  top: number;
}

const BEST = 5;

export async function showStatus(folder: string | undefined, { runs, json }: LookFlags): Promise<void> {
  const status = await statusOf(await sweepFolder(folder, runs));
  printResult(json === true ? status : statusLines(status, terminalOf(process.stdout)).join("\n"));
}

async function statusOf(directory: string): Promise<SweepStatus> {
  const { spec, space, book } = await readNoting(directory);
  const writer = await writerOf(directory);
  const live = await readJson<Partial<LiveFile>>(join(directory, LIVE_FILE)).catch(() => undefined);
  const summary = book.summary();
  return {
    name: spec.name,
    directory: shown(directory),
    is_cancelled: summary.isCancelled,
    process: writer?.pid ?? null,
    live_page: writer === undefined ? null : (live?.url ?? null),
    began: summary.began ?? null,
    planned: summary.planned ?? null,
    counts: Object.fromEntries(TRIAL_STATES.map((state) => [state, summary[state]])),
    rungs: book.rungCounts(),
    samples: summary.samplesSeen,
    objectives: space.objectives,
    best: book.best(BEST).map(({ trial, number, state, values, metrics, samples }) => {
      return { trial, number, state, values, metrics, samples };
    }),
  };
}

export async function showResults(folder: string | undefined, flags: ResultsFlags): Promise<void> {
  const directory = await sweepFolder(folder, flags.runs);
  const { format, top: places } = flags;
  const sweep = await readNoting(directory);
  if (flags.json === true || format === "table")
    return printSweep(sweep, directory, { json: flags.json === true, hints: [], places });
  const results = resultsOf(sweep, shown(directory));
  printResult(format === "csv" ? renderTrialsCsv(results) : renderMarkdown(analyse(results)));
}

export async function showTrial(
  name: string,
  folder: string | undefined,
  { runs, json }: LookFlags,
): Promise<void> {
  const directory = await sweepFolder(folder, runs);
  const results = resultsOf(await readNoting(directory), shown(directory));
  const row = trialNamed(name, results.rows);
  const decisions = results.decisions.filter(({ trial }) => trial === row.trial);
  const command = row.weights === undefined ? undefined : reproduceCommand(results, row);
  const { objectives } = results;
  printResult(
    json === true
      ? { ...row, decisions, command: command ?? null }
      : trialLines({ row, decisions, objectives, command }, terminalOf(process.stdout)).join("\n"),
  );
}
