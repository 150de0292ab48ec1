/**
 * A whole cluster on this machine: nats-server, one coordinator, workers, as child processes. What dies is started
 * again; nothing outlives us, not even when we are killed.
 */
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../shared/clock.js";
import type { PoolConfig } from "../../shared/config/pool.js";
import type { EngineName } from "../../shared/engine.js";
import { ClusterError, EXIT_CODES } from "../../shared/errors.js";
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
import { type Observed, observe } from "./kept-server.js";
import type { NatsBinary } from "./nats/resolve.js";
import type { NatsCredentials } from "./nats/server-files.js";
import { type RunningNatsServer, startNatsServer } from "./nats/server.js";
import { type ProcessExit, describeExit } from "./process-exit.js";
import { type Program, endPrograms, lastWords, logFile, startProgram } from "./program.js";
import { COORDINATOR_RESTARTS, type RestartDecision, WORKER_RESTARTS, withoutRestarts } from "./restarts.js";
import { createScratch, sweepScratch } from "./scratch.js";

const POOL = "local";
/** Credentials made in advance, so that workers can be added without touching the server. */
const SPARE_WORKERS = 16;

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
  /** Gives up the start. */
  signal?: AbortSignal;
}

/** What a cluster stands on. */
interface Ground extends Observed {
  nats: RunningNatsServer;
  /** Private folder of keys and the server's store. */
  scratch: string;
  /** Folder of the processes' rings. */
  memory: string | undefined;
}

export class LocalCluster {
  readonly #options: LocalClusterOptions;
  readonly #ground: Ground;
  readonly #coordinator: KeptProcess;
  readonly #workers = new Map<string, KeptProcess>();
  /** Workers that are given up for now, or were sent away. */
  readonly #absent = new Set<string>();
  #nextWorker = 1;
  /** Where the live page is. */
  #page: string | undefined;

  private constructor(options: LocalClusterOptions, ground: Ground) {
    this.#options = options;
    this.#ground = ground;
    ground.events.subscribe(subjectsOf(POOL).eventPattern, ({ data }) => this.#onEvent(data));
    this.#coordinator = this.#keepCoordinator();
    for (let i = 0; i < options.workers; i++) this.addWorker();
  }

  /**
   * Throws ClusterError("dependency") when nats-server does not start, and the reason of `signal` when that aborts
   * before anything works; nothing is left then.
   */
  static async start(options: LocalClusterOptions): Promise<LocalCluster> {
    mkdirSync(join(options.out, "logs"), { recursive: true });
    for (const folder of await sweepScratch())
      options.onNote(`removed ${folder}, left behind by a saf that was killed`);
    const memory = options.pool.shared_memory ? await sharedMemoryFolder() : undefined;
    const scratch = await createScratch(memory);
    try {
      return new LocalCluster(options, await makeGround(options, scratch, memory));
    } catch (error) {
      await removeFolders(scratch, memory);
      throw error;
    }
  }

  /** Where the server is and who may use it: for whoever looks on, or takes the place of a process. */
  get server(): Pick<RunningNatsServer, "url" | "credentials"> {
    return this.#ground.nats;
  }

  /** Folder of the processes' rings; undefined where bulk bytes go through NATS. */
  get sharedMemory(): string | undefined {
    return this.#ground.memory;
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
    const { nats, scratch, memory, events, stopping } = this.#ground;
    if (stopping.signal.aborted) return;
    stopping.abort();
    const workers = [...this.#workers.values()];
    for (const kept of [this.#coordinator, ...workers]) kept.letGo();
    const { clock } = this.#options;
    await events.close();
    // The workers last: the coordinator needs them to finish its step, and then writes a checkpoint.
    await endPrograms([this.#coordinator.program], clock);
    await endPrograms(
      workers.map(({ program }) => program),
      clock,
    );
    await nats.stop();
    await removeFolders(scratch, memory);
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
    const connection = this.#connectionOf(this.#ground.nats.credentials.coordinator);
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
    const connection = this.#connectionOf(this.#ground.nats.credentials.worker(id));
    const logFile = join(this.#logs, `${id}.jsonl`);
    return startProgram({
      name: id,
      args: workerArguments(connection, { id, engine, computeMs: pool.compute_ms, cacheDir, logFile }),
      environment: workerProcessEnvironment(process.env, workerEnvironment),
      logs: this.#logs,
    });
  }

  #connectionOf({ seedFile }: NatsCredentials): Connection {
    const { nats, memory } = this.#ground;
    return { url: nats.url, seedFile, pool: POOL, memory };
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
    this.#options.onNote(`The coordinator ended (${describeExit(exit)}); starting it again where it was`);
  }

  async #workerEnded(id: string, exit: ProcessExit, next: RestartDecision): Promise<void> {
    const { onNote } = this.#options;
    // It knows at once; by heartbeats the coordinator would know three of them later.
    const pid = this.workerPid(id);
    if (pid !== undefined) this.#coordinator.program.tell(deathNotice({ worker: id, pid }));
    if (next.kind === "restart") onNote(`${id} ended (${describeExit(exit)}); starting it again`);
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
    this.#ground.hopeless.abort(new ClusterError("dependency", message, hint === undefined ? {} : { hint }));
  }
}

/** Whatever ends nats-server from its first second on, it is started again; bounded, or until `signal` gives up. */
async function makeGround(
  { nats: binary, workers, clock, onNote, signal }: LocalClusterOptions,
  scratch: string,
  memory: string | undefined,
): Promise<Ground> {
  signal?.throwIfAborted();
  const nats = await startNatsServer({
    ...{ binary, clock, signal },
    directory: join(scratch, "nats"),
    removeAfterDeath: scratch,
    pool: POOL,
    workers: Array.from({ length: workers + SPARE_WORKERS }, (_, i) => `worker-${i + 1}`),
  });
  return { nats, scratch, memory, ...(await observe(nats, { clock, onNote, signal })) };
}

async function removeFolders(...folders: readonly (string | undefined)[]): Promise<void> {
  for (const folder of folders) if (folder !== undefined) await rm(folder, { recursive: true, force: true });
}

/** A private folder in memory, or undefined where the system has no such place (then bytes go through NATS). */
async function sharedMemoryFolder(): Promise<string | undefined> {
  return mkdtemp("/dev/shm/saf-").catch(() => undefined);
}

/** How many workers `auto` means: one per core. */
export function localWorkers(wanted: "auto" | number, cores: number): number {
  if (wanted !== "auto") return wanted;
  if (cores < 1) throw new ClusterError("unexpected", "This machine says that it has no cores");
  return Math.min(cores, 64);
}
