/**
 * `saf reproduce TRIAL`: a trial of a sweep again, as a run of its own; its weights must have the same hash. One that took over
 * another trial's weights begins with that one, trained again as far as it was then.
 */
import { join, resolve } from "node:path";
import { type SweepOnDisk, readSweep } from "../../coordinator/io/sweep-directory.js";
import { runDirectoryName } from "../../coordinator/io/run-directory.js";
import type { ResultsDocument } from "../../coordinator/runs/results-document.js";
import { type Stage, lineageOf, unmeasured } from "../../coordinator/sweeps/lineage.js";
import type { Config } from "../../shared/config/run.js";
import { ClusterError, EXIT_CODES } from "../../shared/errors.js";
import { ID_LETTERS } from "../../shared/trial-name.js";
import { loadConfig } from "./config-file.js";
import { printResult, shown } from "./output.js";
import { loadPool, ofRun } from "./pool-options.js";
import type { ReproduceOptions } from "./reproduce.js";
import { printResults } from "./results-output.js";
import { runLocally } from "./run-local.js";
import { sweepFolder, trialNamed } from "./sweep-place.js";

export interface ReproduceTrialOptions extends ReproduceOptions {
  sweep?: string;
}

const OF_DATA_SETS = ["models", "epochs", "images", "seeds"] as const;

export async function reproduceTrial(name: string, options: ReproduceTrialOptions): Promise<void> {
  const given = OF_DATA_SETS.find((option) => options[option] !== undefined);
  if (given !== undefined)
    throw new ClusterError("usage", `--${given} is for a data set: a trial has its own settings`);
  const directory = await sweepFolder(options.sweep, options.runs);
  const stages = await stagesOf(await readSweep(directory), name, options.set);
  const { trial, runName } = lastOf(stages);
  const { value: pool } = await loadPool(options);
  const out = options.out ?? join(options.runs, runDirectoryName(runName, Date.now()));
  const again = `npx saf reproduce ${trial} --sweep ${shown(directory)}`;
  const { document, exitCode } = await runLocally({
    ...options,
    configs: stages.map(({ config }) => config),
    pool,
    out,
    name: runName,
    title: `saf reproduce ${trial}`,
    command: again,
    lineage: stages.length > 1,
  });
  const reproduced = { sweep: directory, ...compared(stages, document) };
  // Of those before it the weights alone were wanted.
  const own = { ...document, models: document.models.filter((model) => model.name === runName) };
  if (options.json === true) printResult({ ...own, reproduced });
  else {
    const resume =
      stages.length > 1
        ? `${again} --out ${shown(resolve(out))}`
        : `npx saf train --resume ${shown(resolve(out))}`;
    const hints = document.interrupted ? [`resume     ${resume}`] : verdicts(reproduced);
    printResults(own, { json: false, hints });
  }
  process.exitCode = exitCode !== 0 || reproduced.same ? exitCode : EXIT_CODES.quality;
}

interface Compared {
  trial: string;
  expected: string;
  got: string | null;
  same: boolean;
}

interface Reproduced extends Compared {
  /** Trials that it descends from, at the rung where the next one took over; oldest first. */
  lineage: (Compared & { rung: number })[];
}

interface NamedStage extends Stage {
  runName: string;
}

function compared(stages: readonly NamedStage[], { weights_sha256: hashes }: ResultsDocument): Reproduced {
  const all = stages.map(({ trial, rung, weights: expected, runName }) => {
    const got = hashes[runName] ?? null;
    return { trial, rung, expected, got, same: got === expected };
  });
  const { trial, expected, got, same } = lastOf(all);
  return { trial, expected, got, same, lineage: all.slice(0, -1) };
}

function lastOf<Value>(values: readonly Value[]): Value {
  const last = values.at(-1);
  if (last === undefined)
    throw new ClusterError("unexpected", "A trial descends from nothing, not even itself");
  return last;
}

function verdicts({ lineage, ...own }: Reproduced): string[] {
  const past = lineage.map(({ trial, rung, same, expected }) =>
    same
      ? `same       the weights of trial ${trial} at rung ${rung}, from which it descends`
      : `differs    trial ${trial}, from which it descends, has sha256 ${expected} at rung ${rung}`,
  );
  return [...past, verdict(own)];
}

function verdict({ trial, expected, same }: Compared): string {
  if (same) return `same       the weights of trial ${trial}, to the bit`;
  return `differs    trial ${trial} has sha256 ${expected}: other weights. Was it trained by another version, engine or kind of processor?`;
}

/** Throws ClusterError: "usage" for a trial without weights, or settings that would make it another one; "data". */
async function stagesOf(sweep: SweepOnDisk, name: string, set: readonly string[]): Promise<NamedStage[]> {
  const stages = lineageOf(sweep, trialNamed(name, sweep.book.rows()));
  const own = ofRun(set);
  const wrong = own.find((assignment) => !/^\s*evaluate\./.test(assignment));
  if (wrong !== undefined)
    throw new ClusterError(
      "usage",
      `Cannot set ${wrong}: the trial would be another one; --set takes evaluate.KEY and pool.KEY here`,
    );
  return Promise.all(
    stages.map(async (stage, i) => {
      const runName = `trial-${stage.trial.slice(0, ID_LETTERS)}`;
      const base: Config = { ...stage.config, name: runName };
      if (i < stages.length - 1) return { ...stage, runName, config: unmeasured(base) };
      const { value: config } = await loadConfig({ files: [], set: own, base, baseName: "the trial" });
      return { ...stage, runName, config };
    }),
  );
}
