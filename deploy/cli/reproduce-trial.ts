/** `saf reproduce TRIAL`: a trial of a sweep again, as a run of its own; its weights must have the same hash. */
import { join, resolve } from "node:path";
import { readSweep } from "../../coordinator/io/sweep-directory.js";
import { runDirectoryName } from "../../coordinator/io/run-directory.js";
import { rungConfig, trialOf } from "../../coordinator/sweeps/space.js";
import type { Config } from "../../shared/config/run.js";
import { ClusterError, EXIT_CODES } from "../../shared/errors.js";
import type { TrialRow } from "../../shared/records/sweep-line.js";
import { loadConfig } from "./config-file.js";
import { printResult, shown } from "./output.js";
import { loadPool, ofRun } from "./pool-options.js";
import type { ReproduceOptions } from "./reproduce.js";
import { printResults } from "./results-output.js";
import { runLocally } from "./run-local.js";
import { sweepFolder, trialNamed } from "./sweep-place.js";
import { ID_LETTERS } from "./sweep-progress-view.js";

export interface ReproduceTrialOptions extends ReproduceOptions {
  sweep?: string;
}

const OF_DATA_SETS = ["models", "epochs", "images", "seeds"] as const;

export async function reproduceTrial(name: string, options: ReproduceTrialOptions): Promise<void> {
  const given = OF_DATA_SETS.find((option) => options[option] !== undefined);
  if (given !== undefined)
    throw new ClusterError("usage", `--${given} is for a data set: a trial has its own settings`);
  const directory = await sweepFolder(options.sweep, options.runs);
  const { row, config, weights } = await settingsOf(directory, name, options.set);
  const { value: pool } = await loadPool(options);
  const runName = config.name ?? row.trial;
  const out = options.out ?? join(options.runs, runDirectoryName(runName, Date.now()));
  const { document, exitCode } = await runLocally({
    ...options,
    configs: [config],
    pool,
    out,
    name: runName,
    title: `saf reproduce ${row.trial}`,
    command: `npx saf reproduce ${row.trial} --sweep ${shown(directory)}`,
  });
  const [got] = Object.values(document.weights_sha256);
  const isSame = got === weights;
  const reproduced = {
    trial: row.trial,
    sweep: directory,
    expected: weights,
    got: got ?? null,
    same: isSame,
  };
  if (options.json === true) printResult({ ...document, reproduced });
  else
    printResults(document, { json: false, hints: [verdict(reproduced, document.interrupted, resolve(out))] });
  process.exitCode = exitCode !== 0 || isSame ? exitCode : EXIT_CODES.quality;
}

interface Reproduced {
  trial: string;
  expected: string;
  got: string | null;
  same: boolean;
}

function verdict({ trial, expected, same }: Reproduced, isInterrupted: boolean, out: string): string {
  if (isInterrupted) return `resume     npx saf train --resume ${shown(out)}`;
  if (same) return `same       the weights of trial ${trial}, to the bit`;
  return `differs    trial ${trial} has sha256 ${expected}: other weights. Was it trained by another version, engine or kind of processor?`;
}

/** Throws ClusterError("usage") for a trial that cannot be trained by itself, or settings that would make it another one. */
async function settingsOf(
  directory: string,
  name: string,
  set: readonly string[],
): Promise<{ row: TrialRow; config: Config; weights: string }> {
  const { space, book, code } = await readSweep(directory);
  const row = trialNamed(name, book.rows());
  const rung = row.rungs.at(-1);
  if (rung === undefined)
    throw new ClusterError("usage", `Trial ${row.trial} has no weights yet: it is ${row.state}`);
  if (row.parent !== undefined) {
    throw new ClusterError(
      "usage",
      `Trial ${row.trial} cannot be trained by itself: it began with the weights of trial ${row.parent.trial} behind rung ${row.parent.rung}`,
    );
  }
  const own = ofRun(set);
  const wrong = own.find((assignment) => !/^\s*evaluate\./.test(assignment));
  if (wrong !== undefined)
    throw new ClusterError(
      "usage",
      `Cannot set ${wrong}: the trial would be another one; --set takes evaluate.KEY and pool.KEY here`,
    );
  const { config: whole } = trialOf(space, row.values, code);
  const { config } = rungConfig(space, whole, rung.rung);
  const base = { ...config, name: `trial-${row.trial.slice(0, ID_LETTERS)}` };
  const { value } = await loadConfig({ files: [], set: own, base, baseName: "the trial" });
  return { row, config: value, weights: rung.weights };
}
