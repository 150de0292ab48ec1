/** What a sweep found, as its commands print it: a leaderboard for people, one document for programs. */
import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { writerOf } from "../../coordinator/io/directory-locks.js";
import { type SweepOnDisk, readSweep } from "../../coordinator/io/sweep-directory.js";
import { analyse } from "../../coordinator/results/sweep/analysis.js";
import { documentOf } from "../../coordinator/results/sweep/document.js";
import { resultsOf } from "../../coordinator/sweeps/results-of.js";
import { analysedLines } from "../../coordinator/results/sweep/terminal.js";
import { missingWeights, missingWords } from "../../coordinator/sweeps/kept-weights.js";
import { SweepBook } from "../../coordinator/sweeps/book.js";
import type { Space } from "../../coordinator/sweeps/space.js";
import { printResult, shown } from "./output.js";
import { wantsColor } from "./progress.js";
import { terminalOf } from "./terminal.js";

/** `hints`: what to do next, one line each. */
export function printSweep(
  sweep: SweepOnDisk,
  directory: string,
  { json, hints, places, isInterrupted = false, isAtWork = false }: SweepOutput,
): void {
  const analysis = analyse(resultsOf(sweep, shown(directory), isAtWork));
  if (json) {
    printResult({ ...documentOf(analysis), interrupted: isInterrupted });
    return;
  }
  const { width } = terminalOf(process.stdout);
  const colour = wantsColor(process.stdout, process.env);
  printResult(analysedLines(analysis, { width, colour, places }).join("\n"));
  const lines = [`directory  ${shown(directory)}`, ...hints];
  process.stderr.write(`\n${lines.join("\n")}\n`);
}

export interface SweepOutput {
  json: boolean;
  hints: readonly string[];
  /** Places of the leaderboard. */
  places: number;
  isInterrupted?: boolean;
  /** A process works on it now. */
  isAtWork?: boolean;
}

/** A sweep of which nothing is on the disk yet. */
export function emptySweep(space: Space, code: string): SweepOnDisk {
  const book = new SweepBook(space, code);
  return { ...{ spec: space.spec, space, book, code }, lines: [], opened: [], changes: [], notes: [] };
}

/** `keep_weights` promises them, and somebody may have removed them. */
export async function noteMissingWeights(directory: string, sweep: SweepOnDisk): Promise<void> {
  const files = await readdir(join(directory, "weights")).catch(() => []);
  const missing = missingWeights(sweep, new Set(files.map((name) => basename(name, ".safetensors"))));
  if (missing.length > 0) process.stderr.write(`warning: ${missingWords(missing)}\n`);
}

/** Does a process work on it now? What it has begun runs then. */
export async function isAtWorkIn(directory: string): Promise<boolean> {
  return (await writerOf(directory)) !== undefined;
}

/** What is left out of the journal is said. Throws ClusterError as `readSweep` does. */
export async function readNoting(directory: string): Promise<SweepOnDisk> {
  const sweep = await readSweep(directory);
  for (const note of sweep.notes) process.stderr.write(`warning: ${note}\n`);
  return sweep;
}
