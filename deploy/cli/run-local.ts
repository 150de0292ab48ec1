/** Runs on this machine: engine, nats-server, coordinator, workers; progress on stderr, the results returned. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import { planMeasures } from "../../coordinator/evaluation/plan/procedures.js";
import { checkAside } from "../../coordinator/io/datasets/load-aside.js";
import { createFreshDirectory, realDirectory, runDirectoryName } from "../../coordinator/io/run-directory.js";
import { findSource, readSource } from "../../coordinator/io/transfer-sources.js";
import { checkSources, sourcesIn } from "../../coordinator/runs/second-networks.js";
import { nameOf, withDistinctNames } from "../../coordinator/runs/run-names.js";
import type { ResultsDocument } from "../../coordinator/runs/results-document.js";
import type { Config } from "../../shared/config/run.js";
import type { EngineName } from "../../shared/engine.js";
import { ClusterError } from "../../shared/errors.js";
import { storageError, writeFileAtomic } from "../../shared/io/atomic-file.js";
import { makeFolder } from "../../shared/io/folders.js";
import type { saf } from "../../shared/messages.js";
import { resolveRun } from "../../shared/resolve.js";
import { engineInEnvironment } from "../setup/engine.js";
import { chosenEngine } from "./chosen-engine.js";
import { type LocalPlace, checkPlace, workLocally } from "./local-work.js";
import type { ProgressDisplay } from "./progress.js";

export interface LocalRunOptions extends LocalPlace {
  configs: readonly Config[];
  title: string;
  /** How a user makes the same run again; shown in the report. */
  command: string;
  /** Names the run directory. */
  name: string;
  /** The run directory itself; without it, a fresh one below `runs`. */
  out?: string;
  evaluateOnly?: boolean;
  /** Each run begins with the weights that the one before it ended with. */
  lineage?: boolean;
  /** Puts into the run directory what is measured, once it is known that the rest is right. */
  prepare?: (out: string) => Promise<void>;
  /** Nothing is missing, and the run directory is there: its own first writing, before anything is started. */
  onReady?: () => Promise<void>;
  /** Runs at the same time: each worker one, or one after another on all workers. */
  sideBySide?: "workers" | "one";
  /** What happens to the runs, as it happens. */
  onEvent?: (event: saf.v1.Event) => void;
  runs: string;
  engine?: EngineName;
}

export interface LocalRunResult {
  document: ResultsDocument;
  /** 0, or 130 / 143 after a signal and a clean checkpoint, or 6 when some of several runs failed. */
  exitCode: number;
}

/** Throws ClusterError with the coordinator's own code when the run fails. */
export async function runLocally(options: LocalRunOptions): Promise<LocalRunResult> {
  const { configs, engine } = chosenEngine(
    withDistinctNames(options.configs),
    options.engine ?? engineInEnvironment(process.env),
  );
  if (configs.length === 0) throw new ClusterError("usage", "There is nothing to run");
  const out = await realDirectory(
    options.out ?? join(options.runs, runDirectoryName(options.name, Date.now())),
  );
  // What is wrong with settings and files is said before anything is started.
  const workers = await checkPlace(options, out, "run");
  checkPlans(configs);
  await checkFiles(configs, out);
  const make = async (): Promise<void> => {
    if (options.out === undefined) await createFreshDirectory(out);
    // What is measured makes its own folder, once it is known to be right.
    else if (options.prepare === undefined) await makeFolderFor(out);
  };
  if (options.prepare !== undefined) {
    await make();
    await options.prepare(out);
  }
  const begin = async (): Promise<string[]> => {
    if (options.prepare === undefined) await make();
    await options.onReady?.();
    return coordinatorOptions(options, out, await writeRunFiles(out, configs), workers);
  };
  const isOneRun = configs.length === 1;
  const ending = "finishing the step and writing a checkpoint";
  const work = { ...options, ...{ out, workers, engine, isOneRun, begin, ending } };
  return workLocally(work, async ({ code, signalCode }, progress) => ({
    document: await resultsOf(out, signalCode, progress),
    exitCode: signalCode || code,
  }));
}

export async function makeFolderFor(out: string): Promise<void> {
  await makeFolder(out).catch((cause: unknown) => {
    throw storageError(`create the run directory ${out}`, cause);
  });
}

function coordinatorOptions(
  options: LocalRunOptions,
  out: string,
  runFiles: readonly string[],
  workers: number,
): string[] {
  return [
    ...runFiles.flatMap((file) => ["--run", file]),
    ...["--out", out, "--title", options.title, "--command", options.command],
    ...(options.lineage === true ? ["--lineage"] : []),
    ...(options.evaluateOnly === true ? ["--evaluate-only"] : []),
    ...(options.sideBySide === "workers" ? ["--side-by-side", String(workers)] : []),
  ];
}

/** Throws ClusterError("config") for values that cannot go together, and for a model or an attack that there is not. */
export function checkPlans(configs: readonly Config[]): void {
  for (const config of configs) {
    const { network, strengths } = resolveRun(config);
    // Which weights they have decides nothing that could be wrong with the plan.
    const unread = { model: network.name, weights_sha256: "0".repeat(64) };
    const sources = sourcesIn(config.evaluate).map((name) => ({ name, ...unread }));
    planMeasures({ config: config.evaluate, network, strengths, testImages: 1, samples: 0, sources });
  }
}

/**
 * Data files are whole and right. Second networks are there, but for those that are trained here. Throws
 * ClusterError("data"), and "config" or "shape-mismatch" for a network that does not go with a run's.
 */
async function checkFiles(configs: readonly Config[], out: string): Promise<void> {
  const sets = new Map(configs.map(({ data }) => [JSON.stringify(data), data]));
  for (const data of sets.values()) await checkAside(data, process.env);
  const folderOf = (config: Config): string => (configs.length === 1 ? out : join(out, nameOf(config)));
  const folders = configs.map(folderOf);
  for (const config of configs) {
    await checkSources({ findSource, readSource }, config, folderOf(config), (path) =>
      folders.includes(path),
    );
  }
}

/** The settings of each run, where the coordinator finds them. */
async function writeRunFiles(out: string, configs: readonly Config[]): Promise<string[]> {
  const folder = join(out, "runs.d");
  await makeFolder(folder).catch((cause: unknown) => {
    throw storageError(`create ${folder}`, cause);
  });
  return Promise.all(
    configs.map(async (config, i) => {
      const file = join(folder, `${String(i + 1).padStart(2, "0")}-${nameOf(config)}.yaml`);
      await writeFileAtomic(file, stringify(config));
      return file;
    }),
  );
}

async function resultsOf(out: string, exitCode: number, progress: ProgressDisplay): Promise<ResultsDocument> {
  try {
    return JSON.parse(await readFile(join(out, "results.json"), "utf8")) as ResultsDocument;
  } catch (cause) {
    if (exitCode === 0)
      throw new ClusterError("unexpected", `The coordinator left no ${join(out, "results.json")}`, { cause });
    progress.say("stopped before there was anything to report", "warning");
    return {
      title: "",
      directory: out,
      models: [],
      weights_sha256: {},
      failed: {},
      seconds: 0,
      interrupted: true,
      report: null,
    };
  }
}
