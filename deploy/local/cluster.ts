/**
 * A whole cluster on this machine: nats-server, one coordinator, workers, as child processes. What dies is started
 * again; nothing outlives us, not even when we are killed.
 */
import { once } from "node:events";
import { join } from "node:path";
import type { Bus } from "../../shared/bus.js";
import type { Clock } from "../../shared/clock.js";
import type { PoolConfig } from "../../shared/config/pool.js";
import type { EngineName } from "../../shared/engine.js";
import { ClusterError, EXIT_CODES, wordsOf } from "../../shared/errors.js";
import { connectNats } from "../../shared/io/nats-bus.js";
import { readMessage, type saf, wire } from "../../shared/messages.js";
import { subjectsOf } from "../../shared/subjects.js";
import {
  type Connection,
  coordinatorArguments,
  withoutSettings,
  workerArguments,
  workerProcessEnvironment,
} from "./command-lines.js";
import { Crew } from "./crew.js";
import { deathNotice } from "./death-notice.js";
import { KeptProcess } from "./kept-process.js";
import { type Observed, observe } from "./kept-server.js";
import type { NatsBinary } from "./nats/resolve.js";
import type { NatsCredentials } from "./nats/server-files.js";
import { type RunningNatsServer, startNatsServer } from "./nats/server.js";
import { type ProcessExit, describeExit } from "./process-exit.js";
import { type Program, endPrograms, startProgram } from "./program.js";
import { COORDINATOR_RESTARTS, type RestartDecision, withoutRestarts } from "./restarts.js";
import { type Scratch, createScratch, removeScratch, sweepScratch } from "./scratch.js";
import { makeFolderSync } from "../../shared/io/folders.js";
import { againWords } from "./again.js";

/** Name of a pool that is made here. */
export const POOL = "local";
/** Credentials made in advance, so that workers can be added without touching the server. */
const SPARE_WORKERS = 16;

/** Where the processes of a run meet, when machines may join them there. */
export interface OpenPool {
  /** Where its nats-server is, for the processes of this machine, and who they are there. */
  readonly server: Pick<RunningNatsServer, "url" | "credentials">;
  /** Who signed the server's certificate; without it, nothing is encrypted. */
  readonly caFile?: string;
  /** Where it keeps what its runs leave to the next: the last term. */
  readonly folder: string;
  /** Aborts, with a ClusterError, when its server is gone for good. */
  readonly lost?: AbortSignal;
}

export interface LocalClusterOptions {
  nats: NatsBinary;
  /** Without it, a nats-server on loopback that is this run's alone. */
  open?: OpenPool | undefined;
  engine: EngineName;
  /** Variables of the worker processes: thread caps, library paths. */
  workerEnvironment: Record<string, string>;
  /** Variables of the coordinator, besides this process's own. */
  coordinatorEnvironment?: Record<string, string>;
  workers: number;
  /** The run directory; logs go to its `logs`. */
  out: string;
  /** Arguments of `saf coordinator` besides the connection's: --run FILE, --out DIR, --title … */
  coordinatorArguments: readonly string[];
  cacheDir: string;
  /** `shared_memory` holds where this machine has a file system for it. */
  pool: PoolConfig;
  clock: Clock;
  onEvent: (event: saf.v1.Event) => void;
  onNote: (message: string) => void;
  /** Start the coordinator again when it is killed. */
  restartCoordinator: boolean;
  /** Port of the live page; without it, a free one. */
  httpPort?: number | undefined;
  /** Gives up the start. */
  signal?: AbortSignal;
  /** How the processes reach the server; directly, unless it says otherwise. */
  route?: (serverUrl: string) => Promise<Route>;
}

export interface Route {
  /** For a process, by its name. */
  urlOf(name: string): string;
  /** Words of a command that starts it where it is to be; here, without any. */
  behind?(name: string): readonly string[];
  close(): Promise<void>;
}

/** What a cluster stands on. */
interface Ground extends Observed {
  server: OpenPool["server"];
  caFile: string | undefined;
  /** The server, where it is this run's alone. */
  own: RunningNatsServer | undefined;
  scratch: Scratch;
  route: Route | undefined;
}

export class LocalCluster {
  readonly #options: LocalClusterOptions;
  readonly #ground: Ground;
  readonly #coordinator: KeptProcess;
  readonly #crew: Crew;
  #nextWorker = 1;
  /** Where the live page is. */
  #page: string | undefined;
  /** Workers of other machines that were in the pool when the coordinator last told. */
  #joinedCount = 0;

  private constructor(options: LocalClusterOptions, ground: Ground) {
    this.#options = options;
    this.#ground = ground;
    const { clock, onNote } = options;
    options.open?.lost?.addEventListener("abort", () => ground.hopeless.abort(options.open?.lost?.reason));
    ground.events.subscribe(subjectsOf(POOL).eventPattern, ({ data }) => this.#onEvent(data));
    this.#coordinator = this.#keepCoordinator();
    this.#crew = new Crew({
      ...{ clock, onNote, logs: this.#logs },
      start: (id) => this.#startWorker(id),
      // It knows at once; by heartbeats the coordinator would know three of them later.
      onDeath: (worker, pid) => this.#coordinator.program.tell(deathNotice({ worker, pid })),
      onNobodyLeft: (message, hint) => {
        if (this.#joinedCount === 0) this.#giveUp(message, hint);
        else onNote(`${message}; ${this.#joinedCount} worker(s) of other machines go on without it`);
      },
    });
    for (let i = 0; i < options.workers; i++) this.addWorker();
  }

  /**
   * Throws ClusterError("dependency") when nats-server does not start, and the reason of `signal` when that aborts
   * before anything works; nothing is left then.
   */
  static async start(options: LocalClusterOptions): Promise<LocalCluster> {
    makeFolderSync(join(options.out, "logs"));
    for (const folder of await sweepScratch())
      options.onNote(`removed ${folder}, left behind by a saf that was killed`);
    const { shared_memory: isShared, hosts } = options.pool;
    const scratch = await createScratch(isShared || hosts > 0);
    try {
      return new LocalCluster(options, await groundOf(options, scratch));
    } catch (error) {
      await removeScratch(scratch);
      throw error;
    }
  }

  /** Where the server is and who may use it: for whoever looks on, or takes the place of a process. */
  get server(): OpenPool["server"] {
    return this.#ground.server;
  }

  /** Folder of the processes' rings; undefined where bulk bytes go through NATS. */
  get sharedMemory(): string | undefined {
    return this.#options.pool.shared_memory ? this.#ground.scratch.memory : undefined;
  }

  /** Folder of the worker's group, where workers are cut into some. */
  #hostMemoryOf(id: string): string | undefined {
    const { pool, workers } = this.#options;
    const { memory } = this.#ground.scratch;
    if (pool.shared_memory || pool.hosts === 0 || memory === undefined) return undefined;
    const place = Number(id.replace(/\D/g, "")) - 1;
    // Consecutive workers; one that came later is on the last.
    const host = Math.min(pool.hosts - 1, Math.floor((place * pool.hosts) / Math.max(1, workers)));
    const folder = join(memory, `host-${host + 1}`);
    makeFolderSync(folder);
    return folder;
  }

  /** Address of the coordinator's live page, once it said so. */
  get page(): string | undefined {
    return this.#page;
  }

  /** Throws ClusterError("usage") when the server is not this run's alone. */
  get natsPid(): number {
    return this.#ownServer.pid;
  }

  get #ownServer(): RunningNatsServer {
    const { own } = this.#ground;
    if (own === undefined) throw new ClusterError("usage", "This run has no nats-server of its own");
    return own;
  }

  /** Where its nats-server tells of itself. Throws as `natsPid` does. */
  get natsMonitorUrl(): string {
    return this.#ownServer.monitorUrl;
  }

  get coordinatorPid(): number | undefined {
    return this.#coordinator.program.pid;
  }

  get workerIds(): string[] {
    return this.#crew.ids;
  }

  workerPid(id: string): number | undefined {
    return this.#crew.pidOf(id);
  }

  /** One more worker process; joins when it is ready. Returns its id. */
  addWorker(): string {
    const id = `worker-${this.#nextWorker++}`;
    this.#crew.add(id);
    return id;
  }

  /** Ends a worker that is not started again. Undefined when there is none of this id. */
  removeWorker(id: string, signal: NodeJS.Signals): Promise<ProcessExit | undefined> {
    return this.#crew.remove(id, signal);
  }

  /** Resolves with the coordinator's exit code when the work is done; with 5 when nobody is left to do it: see `failure`. */
  async finished(): Promise<number> {
    const hopeless = once(this.#ground.hopeless.signal, "abort").then(() => ({
      code: EXIT_CODES.dependency,
    }));
    const { code } = await Promise.race([this.#coordinator.settled, hopeless]);
    return code ?? 1;
  }

  /** Why nobody is left to do the work; undefined while somebody is. */
  get failure(): ClusterError | undefined {
    const reason: unknown = this.#ground.hopeless.signal.reason;
    return reason instanceof ClusterError ? reason : undefined;
  }

  /** First Ctrl-C: the coordinator finishes its step, writes a checkpoint and ends. */
  interrupt(): void {
    this.#coordinator.letGo();
    this.#coordinator.program.kill("SIGINT");
  }

  /** Ends everything; what does not end by itself in time is killed. */
  async stop(): Promise<void> {
    if (this.#ground.stopping.signal.aborted) return;
    this.#ground.stopping.abort();
    this.#coordinator.letGo();
    this.#crew.letGo();
    await this.#ground.events.close();
    // The workers last: the coordinator needs them to finish its step, and then writes a checkpoint.
    await endPrograms([this.#coordinator.program], this.#options.clock);
    await this.#crew.stop();
    const { route, own, scratch } = this.#ground;
    await route?.close();
    await own?.stop();
    await removeScratch(scratch);
  }

  // ---- Starts -------------------------------------------------------------------------------------------------

  #keepCoordinator(): KeptProcess {
    const { clock, restartCoordinator } = this.#options;
    return new KeptProcess({
      start: () => this.#startCoordinator(),
      policy: restartCoordinator ? COORDINATOR_RESTARTS : withoutRestarts(COORDINATOR_RESTARTS),
      clock,
      onEnd: (exit, next) => this.#coordinatorEnded(exit, next),
    });
  }

  #startCoordinator(): Program {
    const { pool, httpPort, open, coordinatorArguments: others } = this.#options;
    const connection = this.#connectionOf("coordinator", this.#ground.server.credentials.coordinator);
    return startProgram({
      name: "coordinator",
      args: coordinatorArguments(connection, {
        ...{ pool, httpPort, others, page: this.#page },
        termFolder: open?.folder,
      }),
      environment: { ...withoutSettings(process.env), ...this.#options.coordinatorEnvironment },
      logs: this.#logs,
    });
  }

  #startWorker(id: string): Program {
    const { engine, cacheDir, workerEnvironment, pool } = this.#options;
    const connection = {
      ...this.#connectionOf(id, this.#ground.server.credentials.worker(id)),
      hostMemory: this.#hostMemoryOf(id),
    };
    const logFile = join(this.#logs, `${id}.jsonl`);
    return startProgram({
      name: id,
      args: workerArguments(connection, { id, engine, computeMs: pool.compute_ms, cacheDir, logFile }),
      environment: workerProcessEnvironment(process.env, workerEnvironment),
      logs: this.#logs,
      behind: this.#ground.route?.behind?.(id) ?? [],
    });
  }

  #connectionOf(name: string, { seedFile }: NatsCredentials): Connection {
    const { server, caFile, route } = this.#ground;
    return { url: route?.urlOf(name) ?? server.url, seedFile, caFile, pool: POOL, memory: this.sharedMemory };
  }

  get #logs(): string {
    return join(this.#options.out, "logs");
  }

  // ---- What happens -------------------------------------------------------------------------------------------

  #onEvent(data: Uint8Array): void {
    const event = readMessage(wire.Event, data);
    if (event === undefined) return;
    // A coordinator that cannot write could not after a restart either.
    if (event.finished?.code === "storage") this.#coordinator.letGo();
    if (event.serving?.url != null) {
      this.#page = event.serving.url;
      this.#coordinator.served();
    }
    if (event.workers != null) this.#onWorkers(event.workers.workers ?? []);
    this.#options.onEvent(event);
  }

  #onWorkers(rows: readonly saf.v1.WorkerRow.$Properties[]): void {
    const ours = new Set(this.#crew.ids);
    this.#joinedCount = rows.filter(({ workerId }) => !ours.has(workerId ?? "")).length;
    for (const { workerId, samples } of rows) if (Number(samples ?? 0) > 0) this.#crew.served(workerId ?? "");
  }

  #coordinatorEnded(exit: ProcessExit, next: RestartDecision): void {
    if (next.kind !== "restart") return;
    const again = againWords(this.#logs, "coordinator", next.recent);
    this.#options.onNote(`The coordinator ended (${describeExit(exit)}); ${again} where it was`);
  }

  /** Nothing here can do the work any more: waiting would have no end. */
  #giveUp(message: string, hint?: string): void {
    this.#ground.hopeless.abort(new ClusterError("dependency", message, hint === undefined ? {} : { hint }));
  }
}

async function groundOf(options: LocalClusterOptions, scratch: Scratch): Promise<Ground> {
  const { open, clock, onNote, signal } = options;
  signal?.throwIfAborted();
  const own = open === undefined ? await startOwnServer(options, scratch) : undefined;
  const server = open?.server ?? own;
  if (server === undefined) throw new ClusterError("unexpected", "A pool has no nats-server");
  const connect = (given: AbortSignal): Promise<Bus> =>
    listen(server, open?.caFile, { onNote, signal: given });
  const observed = await observe(own, connect, { clock, onNote, signal });
  try {
    const route = await options.route?.(server.url);
    return { ...observed, server, caFile: open?.caFile, own, scratch, route };
  } catch (error) {
    observed.stopping.abort();
    await observed.events.close();
    await own?.stop();
    throw error;
  }
}

function startOwnServer(options: LocalClusterOptions, scratch: Scratch): Promise<RunningNatsServer> {
  const { nats: binary, workers, clock, signal } = options;
  return startNatsServer({
    ...{ binary, clock, signal, pool: POOL },
    directory: join(scratch.disk, "nats"),
    removeAfterDeath: scratch.disk,
    workers: Array.from({ length: workers + SPARE_WORKERS }, (_, i) => `worker-${i + 1}`),
  });
}

/** What the coordinator tells. */
function listen(
  { url, credentials }: OpenPool["server"],
  caFile: string | undefined,
  { onNote, signal }: { onNote: (message: string) => void; signal: AbortSignal },
): Promise<Bus> {
  return connectNats({
    ...credentials.observer,
    ...{ url, caFile, signal, purpose: "events", connectTimeoutMs: 10_000 },
    onFailedMessage: tellOnce(onNote),
  });
}

/** What is shown is of no use to the work: it costs a line that it fails, and each reason only one. */
function tellOnce(note: (message: string) => void): (subject: string, error: unknown) => void {
  const told = new Set<string>();
  return (_, error) => {
    const reason = wordsOf(error);
    if (told.has(reason)) return;
    told.add(reason);
    note(`Something that happened cannot be shown: ${reason}`);
  };
}

/** How many workers `auto` means: one per core. */
export function localWorkers(wanted: "auto" | number, cores: number): number {
  if (wanted !== "auto") return wanted;
  if (cores < 1) throw new ClusterError("unexpected", "This machine says that it has no cores");
  return Math.min(cores, 64);
}
