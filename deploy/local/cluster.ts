/**
 * A whole cluster on this machine: nats-server, one coordinator, workers, as child processes. What dies is started
 * again; nothing outlives us, not even when we are killed.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { PoolConfig } from "../../shared/config/pool.js";
import type { EngineName } from "../../shared/engine.js";
import { ClusterError } from "../../shared/errors.js";
import { connectNats } from "../../shared/io/nats-bus.js";
import { readMessage, type saf, wire } from "../../shared/messages.js";
import { subjectsOf } from "../../shared/subjects.js";
import type { NatsBinary } from "./nats/resolve.js";
import { type RunningNatsServer, startNatsServer } from "./nats/server.js";
import { createScratch, sweepScratch } from "./scratch.js";

const PROGRAM = fileURLToPath(new URL("../cli/main.js", import.meta.url));
const POOL = "local";
/** Credentials made in advance, so that workers can be added without touching the server. */
const SPARE_WORKERS = 16;
const RESTART_PAUSE_MS = 500;
/** A worker that ends this often in a row is not started again. */
const RESTART_LIMIT = 5;
const STOP_TIMEOUT_MS = 10_000;

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
  onEvent: (event: saf.v1.Event) => void;
  onNote: (message: string) => void;
  /** Start the coordinator again when it is killed. */
  restartCoordinator: boolean;
  /** Port of the live page; without it, a free one. */
  httpPort?: number | undefined;
}

/** How a process ended: by itself or by a signal. */
export interface ProcessExit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

interface Child {
  process: ChildProcess;
  exited: Promise<ProcessExit>;
}

export class LocalCluster {
  readonly #options: LocalClusterOptions;
  readonly #nats: RunningNatsServer;
  readonly #scratch: string;
  /** Folder of the processes' rings. */
  readonly #memory: string | undefined;
  readonly #workers = new Map<string, Child>();
  readonly #restarts = new Map<string, number>();
  #coordinator!: Child;
  /** Where the live page is: there again after a restart, for those who look at it. */
  #page: string | undefined;
  #stopping = false;
  #interrupted = false;
  /** The coordinator said that it cannot write: it could not after a restart either. */
  #cannotWrite = false;
  #nextWorker = 1;
  #closeEvents: () => Promise<void> = () => Promise.resolve();

  private constructor(
    options: LocalClusterOptions,
    nats: RunningNatsServer,
    scratch: string,
    memory: string | undefined,
  ) {
    this.#options = options;
    this.#nats = nats;
    this.#scratch = scratch;
    this.#memory = memory;
  }

  /** Throws ClusterError("dependency") when nats-server does not start. */
  static async start(options: LocalClusterOptions): Promise<LocalCluster> {
    mkdirSync(join(options.out, "logs"), { recursive: true });
    for (const folder of await sweepScratch())
      options.onNote(`removed ${folder}, left behind by a saf that was killed`);
    const memory = options.pool.shared_memory ? await sharedMemoryFolder() : undefined;
    const scratch = await createScratch(memory);
    const workers = Array.from({ length: options.workers + SPARE_WORKERS }, (_, i) => `worker-${i + 1}`);
    const nats = await startNatsServer({
      binary: options.nats,
      directory: join(scratch, "nats"),
      removeAfterDeath: scratch,
      pool: POOL,
      workers,
    });
    const cluster = new LocalCluster(options, nats, scratch, memory);
    nats.onExit(({ code, signal, logLines }) => void cluster.#natsDied(code, signal, logLines));
    await cluster.#listen();
    cluster.#coordinator = cluster.#startCoordinator();
    for (let i = 0; i < options.workers; i++) cluster.addWorker();
    return cluster;
  }

  /** Where the server is and who may use it: for whoever looks on, or takes the place of a process. */
  get server(): Pick<RunningNatsServer, "url" | "credentials"> {
    return this.#nats;
  }

  /** Folder of the processes' rings; undefined where bulk bytes go through NATS. */
  get sharedMemory(): string | undefined {
    return this.#memory;
  }

  /** Address of the coordinator's live page, once it said so. */
  get page(): string | undefined {
    return this.#page;
  }

  get natsPid(): number {
    return this.#nats.pid;
  }

  get coordinatorPid(): number | undefined {
    return this.#coordinator.process.pid;
  }

  get workerIds(): string[] {
    return [...this.#workers.keys()];
  }

  workerPid(id: string): number | undefined {
    return this.#workers.get(id)?.process.pid;
  }

  /** One more worker process; joins when it is ready. Returns its id. */
  addWorker(): string {
    const id = `worker-${this.#nextWorker++}`;
    this.#startWorker(id);
    return id;
  }

  /** Ends a worker that is not started again. Undefined when there is none of this id. */
  async removeWorker(id: string, signal: NodeJS.Signals): Promise<ProcessExit | undefined> {
    const child = this.#workers.get(id);
    this.#workers.delete(id);
    child?.process.kill(signal);
    return child?.exited;
  }

  /** Resolves with the coordinator's exit code when the work is done. */
  async finished(): Promise<number> {
    for (let restarts = 0; ; restarts++) {
      const { code, signal } = await this.#coordinator.exited;
      const crashed = code === null || code === 1;
      if (
        !crashed ||
        this.#stopping ||
        this.#interrupted ||
        this.#cannotWrite ||
        !this.#options.restartCoordinator ||
        restarts === RESTART_LIMIT
      ) {
        return code ?? 1;
      }
      this.#options.onNote(
        `The coordinator ended (${signal ?? `exit code ${code}`}); starting it again where it was`,
      );
      await delay(RESTART_PAUSE_MS);
      if (this.#stopping) return code ?? 1;
      this.#coordinator = this.#startCoordinator();
    }
  }

  /** First Ctrl-C: the coordinator finishes its step, writes a checkpoint and ends. */
  interrupt(): void {
    this.#interrupted = true;
    this.#coordinator.process.kill("SIGINT");
  }

  /** Ends everything; what does not end by itself in time is killed. */
  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    await this.#closeEvents();
    // The workers last: the coordinator needs them to finish its step, and then writes a checkpoint.
    await ended([this.#coordinator]);
    await ended([...this.#workers.values()]);
    await this.#nats.stop();
    for (const folder of [this.#scratch, this.#memory]) {
      if (folder !== undefined) await rm(folder, { recursive: true, force: true });
    }
  }

  #startCoordinator(): Child {
    const { seedFile } = this.#nats.credentials.coordinator;
    const options = [
      "--nats-url",
      this.#nats.url,
      "--creds-file",
      seedFile,
      "--pool",
      POOL,
      "--dismiss-workers",
      ...this.#memoryOptions,
      ...this.#portOptions,
      ...Object.entries(this.#options.pool).flatMap(([key, value]) => ["--set", `pool.${key}=${value}`]),
    ];
    return this.#spawn("coordinator", ["coordinator", ...options, ...this.#options.coordinatorArguments], {});
  }

  get #portOptions(): string[] {
    const port = this.#page === undefined ? this.#options.httpPort : Number(new URL(this.#page).port);
    if (port === undefined || port === 0) return [];
    return ["--http-port", String(port), ...(this.#page === undefined ? [] : ["--http-any-port"])];
  }

  get #memoryOptions(): string[] {
    return this.#memory === undefined ? [] : ["--shared-memory", this.#memory];
  }

  #startWorker(id: string): void {
    const { engine, cacheDir, workerEnvironment, out } = this.#options;
    const { seedFile } = this.#nats.credentials.worker(id);
    const child = this.#spawn(
      id,
      [
        "worker",
        ...["--id", id, "--nats-url", this.#nats.url, "--creds-file", seedFile, "--pool", POOL],
        ...this.#memoryOptions,
        ...["--engine", engine, "--cache-dir", cacheDir, "--log-file", join(out, "logs", `${id}.jsonl`)],
      ],
      // A port that was chosen is the live page's.
      { ...workerEnvironment, SAF_HTTP_PORT: "0" },
    );
    this.#workers.set(id, child);
    void child.exited.then(({ code, signal }) => this.#workerEnded(id, child, code, signal));
  }

  async #workerEnded(
    id: string,
    child: Child,
    code: number | null,
    signal: NodeJS.Signals | null,
  ): Promise<void> {
    // 0: sent away; 5: refused, and it would be again.
    if (this.#stopping || this.#workers.get(id) !== child || code === 0) return;
    if (code === 5 || (this.#restarts.get(id) ?? 0) >= RESTART_LIMIT) {
      this.#options.onNote(`${id} ended and stays away: ${await this.#lastWords(id)}`);
      this.#workers.delete(id);
      return;
    }
    this.#restarts.set(id, (this.#restarts.get(id) ?? 0) + 1);
    this.#options.onNote(`${id} ended (${signal ?? `exit code ${code}`}); starting it again`);
    await delay(RESTART_PAUSE_MS);
    if (!this.#stopping && this.#workers.get(id) === child) this.#startWorker(id);
  }

  async #natsDied(
    code: number | null,
    signal: NodeJS.Signals | null,
    logLines: readonly string[],
  ): Promise<void> {
    if (this.#stopping) return;
    this.#options.onNote(
      `nats-server ended (${signal ?? `exit code ${code}`}): ${logLines.at(-1) ?? "no log"}; starting it again`,
    );
    for (let attempt = 1; attempt <= RESTART_LIMIT && !this.#stopping; attempt++) {
      await delay(100 * attempt);
      try {
        await this.#nats.restart();
        return;
      } catch (error) {
        this.#options.onNote(error instanceof Error ? error.message : String(error));
      }
    }
  }

  async #listen(): Promise<void> {
    const { identity, seedFile } = this.#nats.credentials.observer;
    const bus = await connectNats({
      url: this.#nats.url,
      identity,
      seedFile,
      purpose: "events",
      connectTimeoutMs: 10_000,
    });
    bus.subscribe(subjectsOf(POOL).eventPattern, ({ data }) => {
      const event = readMessage(wire.Event, data);
      if (event === undefined) return;
      if (event.finished?.code === "storage") this.#cannotWrite = true;
      if (event.serving?.url != null) this.#page = event.serving.url;
      this.#options.onEvent(event);
    });
    this.#closeEvents = () => bus.close();
  }

  /** In a session of its own: a terminal's Ctrl-C reaches only us. Ends when its standard input closes. */
  #spawn(name: string, args: readonly string[], environment: Record<string, string>): Child {
    const log = openSync(join(this.#options.out, "logs", `${name}.stderr.log`), "a");
    const child = spawn(process.execPath, ["--enable-source-maps", PROGRAM, ...args, "--exit-with-parent"], {
      stdio: ["pipe", "ignore", log],
      detached: true,
      env: { ...withoutSettings(process.env), ...environment },
    });
    closeSync(log);
    child.stdin?.on("error", () => undefined);
    return {
      process: child,
      exited: new Promise((resolve) => {
        child.once("exit", (code, signal) => resolve({ code, signal }));
        child.once("error", () => resolve({ code: 1, signal: null }));
      }),
    };
  }

  async #lastWords(name: string): Promise<string> {
    const text = await readFile(join(this.#options.out, "logs", `${name}.stderr.log`), "utf8").catch(
      () => "",
    );
    return text.trim().split("\n").at(-1) ?? "no message";
  }
}

/** Asks processes to end, and kills those that do not in time. */
async function ended(children: readonly Child[]): Promise<void> {
  for (const child of children) child.process.kill("SIGTERM");
  const patience = delay(STOP_TIMEOUT_MS, "late", { ref: false });
  await Promise.all(
    children.map(async (child) => {
      if ((await Promise.race([child.exited, patience])) === "late") child.process.kill("SIGKILL");
      await child.exited;
    }),
  );
}

/** What the user has set for a NATS of their own is not for the local one; the pool's settings are read already. */
function withoutSettings(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const isSetting = /^SAF_(NATS_(URL|CREDS_FILE|SEED_FILE|CA_FILE|CERT_FILE|KEY_FILE)|POOL_.+)$/;
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !isSetting.test(name)));
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
