/** What `saf sweep status`, `results` and `show` do: they read a sweep's folder at any time, and write nothing. */
import { join } from "node:path";
import { writerOf } from "../../coordinator/io/directory-locks.js";
import { LIVE_FILE, type LiveFile } from "../../coordinator/io/live-file.js";
import { analyse, reproduceCommand } from "../../coordinator/results/sweep/analysis.js";
import { renderTrialsCsv } from "../../coordinator/results/sweep/csv.js";
import { renderMarkdown } from "../../coordinator/results/sweep/markdown.js";
import { resultsOf } from "../../coordinator/sweeps/results-of.js";
import { readJson } from "../../shared/io/json-document.js";
import type { SweepBook } from "../../coordinator/sweeps/book.js";
import { limitWords } from "../../coordinator/sweeps/limit-words.js";
import { unmetOf } from "../../coordinator/sweeps/ranking.js";
import { type Space, trialOf } from "../../coordinator/sweeps/space.js";
import { TRIAL_STATES, stateWord } from "../../shared/records/sweep-line.js";
import { resolveRun, syntheticImages } from "../../shared/resolve.js";
import { printResult, shown } from "./output.js";
import { isAtWorkIn, noteMissingWeights, printSweep, readNoting } from "./sweep-output.js";
import { sweepFolder, sweepNamed, trialNamed } from "./sweep-place.js";
import { type SweepStatus, statusLines, trialLines } from "./sweep-view.js";
import { terminalOf } from "./terminal.js";

export interface LookFlags {
  runs: string;
  /** Which one, where no folder is given. */
  sweep?: string;
  json?: true;
}

export interface ResultsFlags extends LookFlags {
  format: "table" | "markdown" | "csv";
  top: number;
}

const BEST = 5;

const directoryOf = (folder: string | undefined, flags: LookFlags): Promise<string> =>
  sweepFolder(sweepNamed(folder, flags), flags.runs);

export async function showStatus(folder: string | undefined, flags: LookFlags): Promise<void> {
  const status = await statusOf(await directoryOf(folder, flags));
  printResult(flags.json === true ? status : statusLines(status, terminalOf(process.stdout)).join("\n"));
}

async function statusOf(directory: string): Promise<SweepStatus> {
  const sweep = await readNoting(directory);
  const { spec, space, book, code } = sweep;
  const writer = await writerOf(directory);
  if (writer === undefined) await noteMissingWeights(directory, sweep);
  const live = await readJson<Partial<LiveFile>>(join(directory, LIVE_FILE)).catch(() => undefined);
  const summary = book.summary();
  const isAtWork = writer !== undefined;
  return {
    name: spec.name,
    directory: shown(directory),
    is_cancelled: summary.isCancelled,
    process: writer?.pid ?? null,
    live_page: writer === undefined ? null : (live?.url ?? null),
    began: summary.began ?? null,
    planned: summary.planned ?? null,
    limit: limitWords(book.heldBy(Date.now() / 1000), space) ?? null,
    counts: Object.fromEntries(TRIAL_STATES.map((state) => [stateWord(state, isAtWork), summary[state]])),
    rungs: book.rungCounts(),
    samples: summary.samplesSeen,
    objectives: space.objectives,
    synthetic_per_epoch: syntheticCounts(space, book, code),
    best: book.best(BEST).map(({ trial, number, state, values, metrics, samples }) => {
      const unmet = unmetOf(metrics, space.constraints);
      return { trial, number, state: stateWord(state, isAtWork), values, metrics, samples, unmet };
    }),
  };
}

/** Settings that decide how many images flag M makes. */
const OF_MEAN_TRAINING = /^(model|data\.set|network\.mean\.(copies|noise))$/;

/** Different ones, in ascending order; empty where no trial has flag M. */
function syntheticCounts(space: Space, book: SweepBook, code: string): number[] {
  const counts = new Map<string, number>();
  for (const { values } of book.rows()) {
    const key = JSON.stringify(Object.entries(values).filter(([path]) => OF_MEAN_TRAINING.test(path)));
    if (!counts.has(key))
      counts.set(key, syntheticImages(resolveRun(trialOf(space, values, code).config).network));
  }
  return [...new Set(counts.values())].filter((count) => count > 0).sort((a, b) => a - b);
}

export async function showResults(folder: string | undefined, flags: ResultsFlags): Promise<void> {
  const directory = await directoryOf(folder, flags);
  const { format, top: places } = flags;
  const sweep = await readNoting(directory);
  const isAtWork = await isAtWorkIn(directory);
  if (!isAtWork) await noteMissingWeights(directory, sweep);
  if (flags.json === true || format === "table")
    return printSweep(sweep, directory, { json: flags.json === true, hints: [], places, isAtWork });
  const results = resultsOf(sweep, shown(directory), isAtWork);
  printResult(format === "csv" ? renderTrialsCsv(results) : renderMarkdown(analyse(results)));
}

export async function showTrial(name: string, folder: string | undefined, flags: LookFlags): Promise<void> {
  const directory = await directoryOf(folder, flags);
  const sweep = await readNoting(directory);
  const results = resultsOf(sweep, shown(directory));
  const row = trialNamed(name, results.rows);
  const failures = sweep.lines
    .filter((line) => line.kind === "failed")
    .filter(({ trial }) => trial === row.trial);
  const decisions = results.decisions.filter(({ trial }) => trial === row.trial);
  const command = row.weights === undefined ? undefined : reproduceCommand(results, row);
  const { objectives } = results;
  const isAtWork = await isAtWorkIn(directory);
  printResult(
    flags.json === true
      ? { ...row, decisions, failures, command: command ?? null }
      : trialLines(
          { row, decisions, failures, objectives, command, isAtWork },
          terminalOf(process.stdout),
        ).join("\n"),
  );
}
