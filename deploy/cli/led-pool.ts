/** The coordinator that takes work in, and the workers of this machine, in a pool that machines may join: `saf up --queue`. */
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { refuseLocked } from "../../coordinator/io/directory-locks.js";
import { checkRunDirectory } from "../../coordinator/io/run-place.js";
import type { PoolConfig } from "../../shared/config/pool.js";
import { EMULATED, type EngineName } from "../../shared/engine.js";
import { ClusterError } from "../../shared/errors.js";
import { storageError } from "../../shared/io/atomic-file.js";
import { makeFolder } from "../../shared/io/folders.js";
import { realClock } from "../../shared/io/real-clock.js";
import type { saf } from "../../shared/messages.js";
import { LocalCluster, type OpenPool, localWorkers } from "../local/cluster.js";
import type { NatsBinary } from "../local/nats/binary.js";
import { checkOpenFiles, checkTemporary } from "../local/places.js";
import { lastWords } from "../local/program.js";
import { takePool } from "../machines/attached-pool.js";
import { announceQueue } from "../machines/home.js";
import { defaultCacheDir, provisionEngine, workerEnvironment } from "../setup/engine.js";

export interface LedOptions {
  /** Of the queue. */
  folder: string;
  pool: PoolConfig;
  /** This engine, or an error; undefined: the best there is. */
  engine: EngineName | undefined;
  /** Port of the live page; a free one by itself. */
  httpPort?: number;
  nats: NatsBinary;
  /** Folder of the pool. */
  home: string;
}

export interface LedPool {
  /** Aborts, with a ClusterError, when the coordinator has ended by itself. */
  readonly lost: AbortSignal;
  /** Work comes to its checkpoints, and goes on at the next start. */
  end(): Promise<void>;
}

/** Throws ClusterError: "dependency" (another run has the pool, no engine), "storage". */
export async function leadPool(
  open: OpenPool,
  options: LedOptions,
  { say, stop }: { say: (line: string) => void; stop: AbortSignal },
): Promise<LedPool> {
  const { folder, home } = options;
  checkOpenFiles();
  checkRunDirectory(folder, "queue");
  await refuseLocked(folder, realClock);
  await checkTemporary();
  await makeFolder(folder).catch((cause: unknown) => {
    throw storageError(`create the folder ${folder}`, cause);
  });
  const leave = await takePool(home, realClock);
  try {
    await announceQueue(home, folder);
    const cluster = await startCluster(open, options, { say, stop });
    return keptAlive(cluster, folder, leave);
  } catch (error) {
    leave();
    throw error;
  }
}

async function startCluster(
  open: OpenPool,
  { folder, pool, engine, httpPort, nats }: LedOptions,
  { say, stop }: { say: (line: string) => void; stop: AbortSignal },
): Promise<LocalCluster> {
  const cacheDir = defaultCacheDir(process.env);
  const choice = await provisionEngine({ cacheDir, progress: say, ...(engine ? { force: engine } : {}) });
  const workers = localWorkers(pool.workers, availableParallelism());
  say(`engine ${choice.version} on ${choice.device}, ${workers} worker(s) on this machine`);
  let serves = (): void => undefined;
  const serving = new Promise<void>((resolve) => (serves = resolve));
  const cluster = await LocalCluster.start({
    ...{ open, nats, out: folder, workers, cacheDir, pool, clock: realClock, httpPort, signal: stop },
    restartCoordinator: true,
    engine: choice.engine,
    workerEnvironment: workerEnvironment(choice),
    coordinatorArguments: [
      ...["--queue", folder, "--command", "saf up --queue"],
      ...(choice.engine === EMULATED ? ["--emulated"] : []),
    ],
    onNote: say,
    onEvent(event) {
      tellOf(event, say);
      if (event.serving?.url != null) serves();
    },
  });
  // A coordinator that ends instead is told of by whoever keeps it.
  const stopped = new Promise<void>((resolve) => {
    if (stop.aborted) resolve();
    else stop.addEventListener("abort", () => resolve(), { once: true });
  });
  await Promise.race([serving, cluster.finished(), stopped]);
  return cluster;
}

function tellOf({ serving, note }: saf.v1.Event, say: (line: string) => void): void {
  if (serving?.url != null) say(`live page ${serving.url}`);
  if (note?.message != null) say(note.message);
}

function keptAlive(cluster: LocalCluster, folder: string, leave: () => void): LedPool {
  const lost = new AbortController();
  let isEnding = false;
  const finished = cluster.finished();
  void finished.then(async (code) => {
    if (isEnding) return;
    const words = await lastWords(join(folder, "logs"), "coordinator");
    const why = new ClusterError("dependency", `The coordinator ended with exit code ${code}: ${words}`, {
      hint: `its log is in ${join(folder, "logs")}`,
    });
    lost.abort(cluster.failure ?? why);
  });
  return {
    lost: lost.signal,
    async end() {
      isEnding = true;
      cluster.interrupt();
      await finished;
      await cluster.stop();
      leave();
    },
  };
}
