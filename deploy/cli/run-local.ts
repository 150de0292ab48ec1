/** Runs on this machine: engine, nats-server, coordinator, workers; progress on stderr, the results returned. */
import {} from "node:fs";
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { planMeasures } from "../../coordinator/evaluation/plan/procedures.js";
import { checkAside } from "../../coordinator/io/datasets/load-aside.js";
import { refuseLocked } from "../../coordinator/io/directory-locks.js";
import { createFreshDirectory, realDirectory, runDirectoryName } from "../../coordinator/io/run-directory.js";
import { checkRunDirectory } from "../../coordinator/io/run-place.js";
import { findSource, readSource } from "../../coordinator/io/transfer-sources.js";
import { checkSources, sourcesIn } from "../../coordinator/runs/second-networks.js";
import { nameOf, withDistinctNames } from "../../coordinator/runs/run-names.js";
import type { ResultsDocument } from "../../coordinator/runs/results-document.js";
import type { PoolConfig } from "../../shared/config/pool.js";
import type { Config } from "../../shared/config/run.js";
import type { EngineName } from "../../shared/engine.js";
import { ClusterError, EXIT_CODES, type ErrorCode, isErrorCode } from "../../shared/errors.js";
import { storageError, writeFileAtomic } from "../../shared/io/atomic-file.js";
import { realClock } from "../../shared/io/real-clock.js";
import type { saf } from "../../shared/messages.js";
import { resolveRun } from "../../shared/resolve.js";
import { LocalCluster, type LocalClusterOptions, localWorkers } from "../local/cluster.js";
import { checkOpenFiles, checkTemporary } from "../local/places.js";
import { lastWords } from "../local/program.js";
import { type NatsBinary, resolveNatsServer } from "../local/nats/resolve.js";
import {
  type EngineChoice,
  defaultCacheDir,
  engineInEnvironment,
  provisionEngine,
  workerEnvironment,
} from "../setup/engine.js";
import { chosenEngine } from "./chosen-engine.js";
import type { ListenPlace } from "./listen-option.js";
import { type Meeting, openPoolFor, canBeJoined } from "./open-pool.js";
import { type ProgressDisplay, createProgress } from "./progress.js";
import type { ProgressMode } from "./run-options.js";
import { interruption, isToldToEnd } from "./signals.js";
import { makeFolder } from "../../shared/io/folders.js";

export interface LocalRunOptions {
  configs: readonly Config[];
  pool: PoolConfig;
  title: string;
  /** How a user makes the same run again; shown in the report. */
  command: string;
  /** Names the run directory. */
  name: string;
  /** The run directory itself; without it, a fresh one below `runs`. */
  out?: string;
  evaluateOnly?: boolean;
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
  natsServer?: string;
  /** Port of the live page; a free one by itself. */
  httpPort?: number;
  /** Other machines may join there. */
  listen?: ListenPlace;
  /** Not in the pool of `saf up`, where there is one. */
  alone?: true;
  progress: ProgressMode;
}

export interface LocalRunResult {
  document: ResultsDocument;
  /** 0, or 130 / 143 after a signal and a clean checkpoint, or 6 when some of several runs failed. */
  exitCode: number;
}

/** Throws ClusterError with the coordinator's own code when the run fails. */
export async function runLocally(options: LocalRunOptions): Promise<LocalRunResult> {
  const { pool } = options;
  const { configs, engine } = chosenEngine(
    withDistinctNames(options.configs),
    options.engine ?? engineInEnvironment(process.env),
  );
  if (configs.length === 0) throw new ClusterError("usage", "There is nothing to run");
  const workers = localWorkers(pool.workers, availableParallelism());
  if (!(await canBeJoined(options))) refuseTooFewWorkers(pool, workers);
  const out = await realDirectory(
    options.out ?? join(options.runs, runDirectoryName(options.name, Date.now())),
  );
  // What is wrong with settings and files, and who writes there, is said before anything is started.
  checkOpenFiles();
  checkRunDirectory(out);
  await refuseLocked(out, realClock);
  await checkTemporary();
  checkPlans(configs);
  await checkFiles(configs, out);
  const make = async (): Promise<void> => {
    if (options.out === undefined) await createFreshDirectory(out);
    // What is measured makes its own folder, once it is known to be right.
    else if (options.prepare === undefined) await makeRoot(out);
  };
  if (options.prepare !== undefined) {
    await make();
    await options.prepare(out);
  }
  const cacheDir = defaultCacheDir(process.env);
  const progress = createProgress({ mode: options.progress, isOneRun: configs.length === 1 });
  let leave: Meeting["leave"] = () => Promise.resolve();
  try {
    const { choice, nats } = await findPrograms({ ...options, engine }, cacheDir, (line) =>
      progress.say(line),
    );
    const meeting = await openPoolFor(options, nats, (line, level) => progress.say(line, level));
    leave = meeting.leave;
    // A run that lacks a program, or may not use the pool, leaves no folder behind.
    if (options.prepare === undefined) await make();
    await options.onReady?.();
    const runFiles = await writeRunFiles(out, configs);
    const about = [
      `engine ${choice.version} on ${choice.device}, nats-server ${nats.version}, ${workers} worker(s)`,
      `run directory ${out}`,
    ];
    const cluster: ClusterSetting = {
      ...{ open: meeting.pool, nats, out, workers, cacheDir, pool, clock: realClock },
      restartCoordinator: true,
      engine: choice.engine,
      workerEnvironment: workerEnvironment(choice),
      coordinatorArguments: coordinatorOptions(options, out, runFiles, workers),
      httpPort: options.httpPort,
    };
    const { code, signalCode } = await conduct(cluster, about, progress, options.onEvent);
    return { document: await resultsOf(out, signalCode, progress), exitCode: signalCode || code };
  } finally {
    await leave();
    progress.stop();
  }
}

/** Throws ClusterError("config") for a pool that would wait for workers of other machines, when none can join it. */
export function refuseTooFewWorkers({ min_workers: wanted }: PoolConfig, workers: number): void {
  if (wanted <= workers) return;
  throw new ClusterError(
    "config",
    `Cannot begin with ${workers} worker${workers === 1 ? "" : "s"}: pool.min_workers waits for ${wanted}, and nobody else can join`,
    {
      hint: `start as many by --workers ${wanted}, let other machines join (--listen), or lower pool.min_workers`,
    },
  );
}

async function makeRoot(out: string): Promise<void> {
  await makeFolder(out).catch((cause: unknown) => {
    throw storageError(`create the run directory ${out}`, cause);
  });
}

/** Installs what is missing. */
async function findPrograms(
  { engine, natsServer }: Pick<LocalRunOptions, "natsServer"> & { engine: EngineName | undefined },
  cacheDir: string,
  progress: (line: string) => void,
): Promise<{ choice: EngineChoice; nats: NatsBinary }> {
  const choice = await provisionEngine({ cacheDir, progress, ...(engine ? { force: engine } : {}) });
  const nats = await resolveNatsServer({
    env: process.env,
    cacheDir,
    install: true,
    progress,
    ...(natsServer === undefined ? {} : { explicit: natsServer }),
  });
  return { choice, nats };
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
    ...(options.evaluateOnly === true ? ["--evaluate-only"] : []),
    ...(options.sideBySide === "workers" ? ["--side-by-side", String(workers)] : []),
  ];
}

type ClusterSetting = Omit<LocalClusterOptions, "onEvent" | "onNote">;

/**
 * Runs a cluster until its coordinator ends. `signalCode`: 130 / 143 where a signal ended it early, or 0. Throws
 * ClusterError with the coordinator's own code when it fails.
 */
async function conduct(
  setting: ClusterSetting,
  about: readonly string[],
  progress: ProgressDisplay,
  tell: LocalRunOptions["onEvent"],
): Promise<{ code: number; signalCode: number }> {
  let cluster: LocalCluster | undefined;
  const stop = interruption((name) => {
    const next =
      cluster === undefined
        ? "stopping before anything is computed"
        : "finishing the step and writing a checkpoint; once more stops at once";
    progress.say(`${name}: ${next}`, "warning");
    cluster?.interrupt();
  });
  // From the moment in which somebody knows of the run, a signal is heeded.
  for (const line of about) progress.say(line);
  const listener = listenerOf(progress, tell);
  try {
    cluster = await LocalCluster.start({
      ...{ ...setting, onEvent: listener.onEvent, signal: stop.signal },
      onNote: (message) => progress.say(message, "warning"),
    });
    const code = await cluster.finished();
    // Somebody may tell the coordinator itself to end.
    const signalCode = stop.exitCode() || (isToldToEnd(code) ? code : 0);
    const isFailure = code !== 0 && code !== EXIT_CODES.trials && signalCode === 0;
    // Told to end, it fails at that: its exit code says the signal.
    const failure = signalCode === 0 ? undefined : listener.failure();
    if (failure !== undefined && failure.code !== "interrupted") progress.say(failure.message ?? "", "error");
    if (isFailure) throw cluster.failure ?? (await failureOf(setting.out, code, listener.failure()));
    return { code, signalCode };
  } catch (error) {
    // Told to stop, it did not start.
    if (cluster === undefined && stop.signal.aborted) return { code: 0, signalCode: stop.exitCode() };
    throw error;
  } finally {
    await cluster?.stop();
  }
}

/** Shows what the coordinator tells, and keeps what it says about a failure. */
function listenerOf(
  progress: ProgressDisplay,
  tell: LocalRunOptions["onEvent"],
): {
  onEvent: (event: saf.v1.Event) => void;
  failure: () => saf.v1.Finished.$Properties | undefined;
} {
  let page: string | undefined;
  let failure: saf.v1.Finished.$Properties | undefined;
  return {
    onEvent(event) {
      const url = event.serving?.url ?? page;
      if (url !== undefined && url !== page) progress.say(`live page ${url}`);
      page = url;
      if (event.finished?.ok === false) failure = event.finished;
      progress.update(event);
      tell?.(event);
    },
    failure: () => failure,
  };
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

/** What the coordinator wrote about its own end; on a full disk, what it said. */
async function failureOf(
  out: string,
  code: number,
  said: saf.v1.Finished.$Properties | undefined,
): Promise<ClusterError> {
  try {
    const {
      code: name,
      message,
      hint,
    } = JSON.parse(await readFile(join(out, "error.json"), "utf8")) as {
      code: ErrorCode;
      message: string;
      hint: string | null;
    };
    return new ClusterError(name, message, hint === null ? {} : { hint });
  } catch {
    const saidCode = said?.code ?? "";
    if (said !== undefined && isErrorCode(saidCode)) {
      const hint = said.hint ?? "";
      return new ClusterError(saidCode, said.message ?? "", hint === "" ? {} : { hint });
    }
    const last = await lastWords(join(out, "logs"), "coordinator");
    return new ClusterError(
      code === EXIT_CODES.dependency ? "dependency" : "unexpected",
      `The coordinator ended with exit code ${code}: ${last}`,
      {
        hint: `its log is in ${join(out, "logs")}`,
      },
    );
  }
}
