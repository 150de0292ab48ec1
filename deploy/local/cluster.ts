/**
 * A whole cluster on this machine: nats-server, one coordinator, workers, as child processes. What dies is started
 * again; nothing outlives us, not even when we are killed.
 */
import { once } from "node:events";
import {} from "node:fs";
import { join } from "node:path";
import type { Bus } from "../../shared/bus.js";
import { type Clock, pause } from "../../shared/clock.js";
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
import { deathNotice } from "./death-notice.js";
import { KeptProcess } from "./kept-process.js";
import type { NatsBinary } from "./nats/resolve.js";
import type { NatsCredentials } from "./nats/server-files.js";
import type { NatsExit } from "./nats/server-process.js";
import { type RunningNatsServer, startNatsServer } from "./nats/server.js";
import { type ProcessExit, describeExit } from "./process-exit.js";
import { type Program, endPrograms, lastWords, logFile, startProgram } from "./program.js";
import {
  COORDINATOR_RESTARTS,
  RECENT_MS,
  type RestartDecision,
  SERVER_RESTARTS,
  WORKER_RESTARTS,
  decideRestart,
  withoutRestarts,
} from "./restarts.js";
import { type Scratch, createScratch, removeScratch, sweepScratch } from "./scratch.js";
import { makeFolderSync } from "../../shared/io/folders.js";

const POOL = "local";
/** Credentials made in advance, so that workers can be added without touching the server. */
const SPARE_WORKERS = 16;
/** From so many ends within RECENT_MS on, they are counted in what is said of them. */
const MANY_ENDS = 3;

export interface LocalClusterOptions {
  nats: NatsBinary;
  engine: EngineName;
  /** Variables of the worker processes: thread caps, library paths. */
  workerEnvironment: Record<string, string>;
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
  /** How the processes reach the server; directly, unless it says otherwise. */
  route?: (serverUrl: string) => Promise<Route>;
}

export interface Route {
  /** For a process, by its name. */
  urlOf(name: string): string;
  close(): Promise<void>;
}

/** What a cluster stands on. */
interface Ground {
  nats: RunningNatsServer;
  scratch: Scratch;
  events: Bus;
  route: Route | undefined;
}

export class LocalCluster {
  readonly #options: LocalClusterOptions;
  readonly #ground: Ground;
  readonly #coordinator: KeptProcess;
  readonly #workers = new Map<string, KeptProcess>();
  /** Workers that are given up for now, or were sent away. */
  readonly #absent = new Set<string>();
  readonly #stopping = new AbortController();
  /** Aborts, with a ClusterError, when nobody is left who could do the work. */
  readonly #hopeless = new AbortController();
  #nextWorker = 1;
  /** Where the live page is. */
  #page: string | undefined;

  private constructor(options: LocalClusterOptions, ground: Ground) {
    this.#options = options;
    this.#ground = ground;
    ground.nats.onExit((exit) => void this.#serverEnded(exit));
    ground.events.subscribe(subjectsOf(POOL).eventPattern, ({ data }) => this.#onEvent(data));
    this.#coordinator = this.#keepCoordinator();
    for (let i = 0; i < options.workers; i++) this.addWorker();
  }

  /** Throws ClusterError("dependency") when nats-server does not start. */
  static async start(options: LocalClusterOptions): Promise<LocalCluster> {
    makeFolderSync(join(options.out, "logs"));
    for (const folder of await sweepScratch())
      options.onNote(`removed ${folder}, left behind by a saf that was killed`);
    const scratch = await createScratch(options.pool.shared_memory);
    try {
      return new LocalCluster(options, await makeGround(options, scratch));
    } catch (error) {
      await removeScratch(scratch);
      throw error;
    }
  }

  /** Where the server is and who may use it: for whoever looks on, or takes the place of a process. */
  get server(): Pick<RunningNatsServer, "url" | "credentials"> {
    return this.#ground.nats;
  }

  /** Folder of the processes' rings; undefined where bulk bytes go through NATS. */
  get sharedMemory(): string | undefined {
    return this.#ground.scratch.memory;
  }

  /** Address of the coordinator's live page, once it said so. */
  get page(): string | undefined {
    return this.#page;
  }

  get natsPid(): number {
    return this.#ground.nats.pid;
  }

  get coordinatorPid(): number | undefined {
    return this.#coordinator.program.pid;
  }

  get workerIds(): string[] {
    return [...this.#workers.keys()];
  }

  workerPid(id: string): number | undefined {
    return this.#workers.get(id)?.program.pid;
  }

  /** One more worker process; joins when it is ready. Returns its id. */
  addWorker(): string {
    const id = `worker-${this.#nextWorker++}`;
    const worker = new KeptProcess({
      start: () => this.#startWorker(id),
      policy: WORKER_RESTARTS,
      clock: this.#options.clock,
      onEnd: (exit, next) => void this.#workerEnded(id, exit, next),
    });
    this.#workers.set(id, worker);
    return id;
  }

  /** Ends a worker that is not started again. Undefined when there is none of this id. */
  async removeWorker(id: string, signal: NodeJS.Signals): Promise<ProcessExit | undefined> {
    const worker = this.#workers.get(id);
    this.#workers.delete(id);
    this.#absent.delete(id);
    worker?.letGo();
    worker?.program.kill(signal);
    return worker?.program.exited;
  }

  /** Resolves with the coordinator's exit code when the work is done; with 5 when nobody is left to do it: see `failure`. */
  async finished(): Promise<number> {
    const hopeless = once(this.#hopeless.signal, "abort").then(() => ({ code: EXIT_CODES.dependency }));
    const { code } = await Promise.race([this.#coordinator.settled, hopeless]);
    return code ?? 1;
  }

  /** Why nobody is left to do the work; undefined while somebody is. */
  get failure(): ClusterError | undefined {
    const reason: unknown = this.#hopeless.signal.reason;
    return reason instanceof ClusterError ? reason : undefined;
  }

  /** First Ctrl-C: the coordinator finishes its step, writes a checkpoint and ends. */
  interrupt(): void {
    this.#coordinator.letGo();
    this.#coordinator.program.kill("SIGINT");
  }

  /** Ends everything; what does not end by itself in time is killed. */
  async stop(): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    this.#stopping.abort();
    const workers = [...this.#workers.values()];
    for (const kept of [this.#coordinator, ...workers]) kept.letGo();
    const { nats, scratch, events, route } = this.#ground;
    const { clock } = this.#options;
    await events.close();
    // The workers last: the coordinator needs them to finish its step, and then writes a checkpoint.
    await endPrograms([this.#coordinator.program], clock);
    await endPrograms(
      workers.map(({ program }) => program),
      clock,
    );
    await route?.close();
    await nats.stop();
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
    const { pool, httpPort, coordinatorArguments: others } = this.#options;
    const connection = this.#connectionOf("coordinator", this.#ground.nats.credentials.coordinator);
    return startProgram({
      name: "coordinator",
      args: coordinatorArguments(connection, { pool, httpPort, page: this.#page, others }),
      environment: withoutSettings(process.env),
      logs: this.#logs,
    });
  }

  #startWorker(id: string): Program {
    this.#absent.delete(id);
    const { engine, cacheDir, workerEnvironment, pool } = this.#options;
    const connection = this.#connectionOf(id, this.#ground.nats.credentials.worker(id));
    const logFile = join(this.#logs, `${id}.jsonl`);
    return startProgram({
      name: id,
      args: workerArguments(connection, { id, engine, computeMs: pool.compute_ms, cacheDir, logFile }),
      environment: workerProcessEnvironment(process.env, workerEnvironment),
      logs: this.#logs,
    });
  }

  #connectionOf(name: string, { seedFile }: NatsCredentials): Connection {
    const { nats, scratch, route } = this.#ground;
    return { url: route?.urlOf(name) ?? nats.url, seedFile, pool: POOL, memory: scratch.memory };
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
    for (const { workerId, samples } of event.workers?.workers ?? [])
      if (Number(samples ?? 0) > 0) this.#workers.get(workerId ?? "")?.served();
    this.#options.onEvent(event);
  }

  #coordinatorEnded(exit: ProcessExit, next: RestartDecision): void {
    if (next.kind !== "restart") return;
    const again = this.#again("coordinator", next.recent);
    this.#options.onNote(`The coordinator ended (${describeExit(exit)}); ${again} where it was`);
  }

  /** One end says little; of several, somebody has to find the reason. */
  #again(name: string, recent: number): string {
    return recent < MANY_ENDS
      ? "starting it again"
      : `that is ${recent} times in ${RECENT_MS / 60_000} minutes, see ${logFile(this.#logs, name)}; starting it again`;
  }

  async #workerEnded(id: string, exit: ProcessExit, next: RestartDecision): Promise<void> {
    const { onNote } = this.#options;
    // It knows at once; by heartbeats the coordinator would know three of them later.
    const pid = this.workerPid(id);
    if (pid !== undefined) this.#coordinator.program.tell(deathNotice({ worker: id, pid }));
    if (next.kind === "restart")
      onNote(`${id} ended (${describeExit(exit)}); ${this.#again(id, next.recent)}`);
    else this.#absent.add(id);
    if (next.kind !== "rest") return;
    const left = this.#workers.size - this.#absent.size;
    const words = await lastWords(this.#logs, id);
    if (left === 0) {
      const hint = `its log is in ${logFile(this.#logs, id)}`;
      this.#giveUp(`No worker is left: ${id} ended last (${describeExit(exit)}): ${words}`, hint);
      return;
    }
    const total = this.#workers.size;
    onNote(
      `${id} ended (${describeExit(exit)}) and is given up for now: ${words}; ` +
        `${left} of ${total} workers go on without it; it is tried again in ${Math.round(next.pauseMs / 1000)} s`,
    );
  }

  /** Nothing here can do the work any more: waiting would have no end. */
  #giveUp(message: string, hint?: string): void {
    this.#hopeless.abort(new ClusterError("dependency", message, hint === undefined ? {} : { hint }));
  }

  async #serverEnded(exit: NatsExit): Promise<void> {
    const { clock, onNote } = this.#options;
    const { signal } = this.#stopping;
    if (signal.aborted) return;
    const ended = `nats-server ended (${describeExit(exit)})`;
    onNote(`${ended}: ${exit.logLines.at(-1) ?? "no log"}; starting it again`);
    const isBack = await restarted(this.#ground.nats, exit, { clock, signal, onNote });
    if (!isBack && !signal.aborted) this.#giveUp(`${ended} and does not start again`);
  }
}

async function makeGround(options: LocalClusterOptions, scratch: Scratch): Promise<Ground> {
  const nats = await startNatsServer({
    binary: options.nats,
    directory: join(scratch.disk, "nats"),
    removeAfterDeath: scratch.disk,
    pool: POOL,
    workers: Array.from({ length: options.workers + SPARE_WORKERS }, (_, i) => `worker-${i + 1}`),
    clock: options.clock,
  });
  try {
    const events = await connectNats({
      ...nats.credentials.observer,
      url: nats.url,
      purpose: "events",
      connectTimeoutMs: 10_000,
      onFailedMessage: tellOnce(options.onNote),
    });
    return { nats, scratch, events, route: await options.route?.(nats.url) };
  } catch (error) {
    await nats.stop();
    throw error;
  }
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

/** Is the server there again? Tries a few times, until `signal` says that nobody needs it. */
async function restarted(
  nats: RunningNatsServer,
  exit: NatsExit,
  { clock, signal, onNote }: Pick<LocalClusterOptions, "clock" | "onNote"> & { signal: AbortSignal },
): Promise<boolean> {
  for (let restarts = 0; ; restarts++) {
    const next = decideRestart(SERVER_RESTARTS, exit, restarts);
    if (next.kind !== "restart") return false;
    await pause(clock, next.pauseMs, signal);
    if (signal.aborted) return false;
    try {
      await nats.restart();
      return true;
    } catch (error) {
      onNote(error instanceof Error ? error.message : String(error));
    }
  }
}

/** How many workers `auto` means: one per core. */
export function localWorkers(wanted: "auto" | number, cores: number): number {
  if (wanted !== "auto") return wanted;
  if (cores < 1) throw new ClusterError("unexpected", "This machine says that it has no cores");
  return Math.min(cores, 64);
}
