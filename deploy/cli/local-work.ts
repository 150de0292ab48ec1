/** A coordinator's work on this machine: engine, nats-server, coordinator and workers; progress on stderr. */
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { refuseLocked } from "../../coordinator/io/directory-locks.js";
import { realDirectory } from "../../coordinator/io/run-directory.js";
import { type PlaceKind, checkRunDirectory } from "../../coordinator/io/run-place.js";
import type { PoolConfig } from "../../shared/config/pool.js";
import type { EngineName } from "../../shared/engine.js";
import { ClusterError, EXIT_CODES, type ErrorCode, isErrorCode } from "../../shared/errors.js";
import { realClock } from "../../shared/io/real-clock.js";
import type { saf } from "../../shared/messages.js";
import { LocalCluster, type LocalClusterOptions, localWorkers } from "../local/cluster.js";
import { type NatsBinary, resolveNatsServer } from "../local/nats/resolve.js";
import { checkOpenFiles, checkTemporary } from "../local/places.js";
import { lastWords } from "../local/program.js";
import { type EngineChoice, defaultCacheDir, provisionEngine, workerEnvironment } from "../setup/engine.js";
import type { ListenPlace } from "./listen-option.js";
import { type Meeting, canBeJoined, openPoolFor } from "./open-pool.js";
import { type ProgressDisplay, createProgress } from "./progress.js";
import type { ProgressMode } from "./run-options.js";
import { interruption, isToldToEnd } from "./signals.js";

/** With what, and where, a user wants it done. */
export interface LocalPlace {
  pool: PoolConfig;
  natsServer?: string;
  /** Port of the live page; a free one by itself. */
  httpPort?: number;
  /** Other machines may join there. */
  listen?: ListenPlace;
  /** Not in the pool of `saf up`, where there is one. */
  alone?: true;
  progress: ProgressMode;
}

export interface LocalWork extends LocalPlace {
  /** The coordinator's directory. */
  out: string;
  /** Where run directories are made: `latest` is there. */
  runs: string;
  /** As `checkPlace` counted them. */
  workers: number;
  /** This engine, or an error; undefined: the best there is. */
  engine: EngineName | undefined;
  /** There is one run: its error is that of the command. */
  isOneRun: boolean;
  /** No program is missing: makes the directory with what the coordinator reads, and returns its arguments. */
  begin: () => Promise<string[]>;
  /** What it is, in lines that are said first. */
  about?: readonly string[];
  /** What the first signal leads to, in words. */
  ending: string;
  /** What happens, as it happens. */
  onEvent?: ((event: saf.v1.Event) => void) | undefined;
}

export interface WorkEnd {
  /** Of the coordinator. */
  code: number;
  /** 129, 130 or 143 where a signal ended it early, or 0. */
  signalCode: number;
}

/**
 * What is wrong with the place, and who writes there, is said before anything is started. Returns how many workers
 * there will be. Throws ClusterError: "config", "dependency", "storage".
 */
export async function checkPlace(options: LocalPlace, out: string, kind: PlaceKind): Promise<number> {
  const workers = localWorkers(options.pool.workers, availableParallelism());
  if (!(await canBeJoined(options))) refuseTooFewWorkers(options.pool, workers);
  checkOpenFiles();
  checkRunDirectory(out, kind);
  await refuseLocked(out, realClock);
  await checkTemporary();
  return workers;
}

/** `read` gets what is there at the end, and its value is returned. Throws ClusterError with the coordinator's own code when it fails. */
export async function workLocally<Result>(
  work: LocalWork,
  read: (end: WorkEnd, progress: ProgressDisplay) => Promise<Result>,
): Promise<Result> {
  const { pool, out, workers } = work;
  const cacheDir = defaultCacheDir(process.env);
  const progress = createProgress({ mode: work.progress, isOneRun: work.isOneRun });
  let leave: Meeting["leave"] = () => Promise.resolve();
  try {
    const { choice, nats } = await findPrograms(work, cacheDir, (line) => progress.say(line));
    const meeting = await openPoolFor(work, nats, (line, level) => progress.say(line, level));
    leave = meeting.leave;
    // Work that lacks a program, or may not use the pool, leaves no folder behind.
    const coordinatorArguments = [...(await work.begin()), ...(await latestOption(work))];
    const about = [
      ...(work.about ?? []),
      `engine ${choice.version} on ${choice.device}, nats-server ${nats.version}, ${workers} worker(s)`,
      `run directory ${out}`,
    ];
    const cluster: ClusterSetting = {
      ...{ open: meeting.pool, nats, out, workers, cacheDir, pool, clock: realClock },
      restartCoordinator: true,
      engine: choice.engine,
      workerEnvironment: workerEnvironment(choice),
      coordinatorArguments,
      httpPort: work.httpPort,
    };
    return await read(await conduct(cluster, about, progress, work), progress);
  } finally {
    await leave();
    progress.stop();
  }
}

/** `latest` is ours only where runs are kept: beside a folder that a user named, everything is the user's. */
async function latestOption({ out, runs }: Pick<LocalWork, "out" | "runs">): Promise<string[]> {
  const isKept = (await realDirectory(dirname(out))) === (await realDirectory(runs));
  return isKept ? ["--latest"] : [];
}

/** Throws ClusterError("config") for a pool that would wait for workers of other machines, when none can join it. */
function refuseTooFewWorkers({ min_workers: wanted }: PoolConfig, workers: number): void {
  if (wanted <= workers) return;
  throw new ClusterError(
    "config",
    `Cannot begin with ${workers} worker${workers === 1 ? "" : "s"}: pool.min_workers waits for ${wanted}, and nobody else can join`,
    {
      hint: `start as many by --workers ${wanted}, let other machines join (--listen), or lower pool.min_workers`,
    },
  );
}

/** Installs what is missing. */
async function findPrograms(
  { engine, natsServer }: Pick<LocalWork, "natsServer" | "engine">,
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

type ClusterSetting = Omit<LocalClusterOptions, "onEvent" | "onNote">;

/** Runs a cluster until its coordinator ends. Throws ClusterError with the coordinator's own code when it fails. */
async function conduct(
  setting: ClusterSetting,
  about: readonly string[],
  progress: ProgressDisplay,
  { ending, onEvent }: Pick<LocalWork, "ending" | "onEvent">,
): Promise<WorkEnd> {
  let cluster: LocalCluster | undefined;
  const stop = interruption((name) => {
    const next =
      cluster === undefined ? "stopping before anything is computed" : `${ending}; once more stops at once`;
    progress.say(`${name}: ${next}`, "warning");
    cluster?.interrupt();
  });
  // From the moment in which somebody knows of the run, a signal is heeded.
  for (const line of about) progress.say(line);
  const listener = listenerOf(progress, onEvent);
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
  tell: LocalWork["onEvent"],
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
