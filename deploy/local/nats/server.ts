/**
 * Runs a local nats-server as a child process: private directory, generated keys, loopback only, and no way for it to
 * outlive us. It can die and be restarted on the same ports with the same streams and keys.
 *
 * Below `directory` (0700): `nats.json` (0600), `keys/<identity>.seed` (0600), `store/`, `ports/`, `lock`.
 */
import type { ChildProcess } from "node:child_process";
import { chmod, mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { ClusterError } from "../../../shared/errors.js";
import { configFault } from "./binary.js";
import type { NatsBinary } from "./binary.js";
import { ANY_PORT, checkWorkerName, natsConfig } from "./config.js";
import { spawnGuarded } from "./guard.js";
import { configLoadTime, isHealthy, readPorts } from "./monitoring.js";
import { lockStore } from "./store-lock.js";
import type { StoreLock } from "./store-lock.js";
import { publicKeyOf } from "./user-keys.js";

/** Measured: 50 to 300 ms; the rest is for a machine that is busy or recovers large streams. */
const START_TIMEOUT_MS = 30_000;
const RELOAD_TIMEOUT_MS = 15_000;
/** Between SIGTERM and SIGKILL. Measured: 6 to 12 ms. */
const STOP_TIMEOUT_MS = 5_000;
/** The guard of a dead owner needs up to STOP_TIMEOUT_MS as well. */
const ABANDONED_SERVER_WAIT_MS = 8_000;
const POLL_MS = 15;
const LOG_LINES_KEPT = 50;

export interface NatsCredentials {
  /** "coordinator", "observer" or the worker's name; also the owner of the inbox prefix. */
  identity: string;
  /** File with the nkey seed, mode 0600. */
  seedFile: string;
}

/** An end that nobody asked for. */
export interface NatsExit {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** The last lines of the server's log, 50 at most. */
  logLines: string[];
}

export interface StartNatsOptions {
  binary: NatsBinary;
  /** The server's own directory; made if missing. What is in it (streams, keys) is used again. */
  directory: string;
  /** Removed when this process dies without stopping the server. */
  removeAfterDeath?: string;
  pool: string;
  workers: readonly string[];
  /** Fixed ports; without them the system chooses free ones, and a restart keeps those. */
  port?: number;
  monitorPort?: number;
  /** Monotonic milliseconds. */
  clock?: () => number;
  /** Every line of the server's log. */
  onLog?: (line: string) => void;
}

export interface RunningNatsServer {
  /** For clients: `nats://127.0.0.1:<port>`. The same after a restart. */
  readonly url: string;
  /** The server's own monitoring, without authentication and on loopback only: `http://127.0.0.1:<port>`. */
  readonly monitorUrl: string;
  /** Of the server process that runs now, or ran last. */
  readonly pid: number;
  readonly version: string;
  readonly credentials: {
    coordinator: NatsCredentials;
    observer: NatsCredentials;
    /** @throws ClusterError("usage") for a worker that was not named at the start or added. */
    worker: (id: string) => NatsCredentials;
  };
  /** Gives these workers keys, without disturbing anyone who is connected. Back when the server accepts the keys. */
  addWorkers(ids: readonly string[]): Promise<void>;
  /** SIGTERM, then SIGKILL after 5 s. Back when the process is gone and the store is free. May be called again. */
  stop(): Promise<void>;
  /** Calls back after every end that neither stop() nor restart() caused. Returns what ends the subscription. */
  onExit(callback: (exit: NatsExit) => void): () => void;
  /** Starts the server again, after its death or instead of the running one: same ports, streams and keys. */
  restart(): Promise<void>;
}

/**
 * Back when the server is healthy.
 * @throws ClusterError("dependency") when the store is in use, or the server refuses its configuration or ends at once;
 *   the message has the last lines of its log. ClusterError("usage") on an impossible worker name.
 */
export async function startNatsServer(options: StartNatsOptions): Promise<RunningNatsServer> {
  for (const worker of options.workers) checkWorkerName(worker);
  const clock = options.clock ?? (() => performance.now());
  await mkdir(options.directory, { recursive: true, mode: 0o700 });
  await chmod(options.directory, 0o700);
  const lock = await lockStore(options.directory, { clock, serverWaitMs: ABANDONED_SERVER_WAIT_MS });
  try {
    const server = new LocalNatsServer(options, clock, lock);
    await server.start();
    return server;
  } catch (error) {
    lock.release();
    throw error;
  }
}

interface Launched {
  child: ChildProcess;
  pid: number;
  logLines: string[];
  /** Whether an end is nobody's news: we cause it, or a start waits for the server and will say so itself. */
  isExpectedToEnd: boolean;
  /** Settles when the process has ended and its log is read to the end. */
  ended: Promise<NatsExit>;
  exit: NatsExit | undefined;
}

class LocalNatsServer implements RunningNatsServer {
  url = "";
  monitorUrl = "";
  readonly version: string;
  readonly credentials: RunningNatsServer["credentials"];

  readonly #options: StartNatsOptions;
  readonly #clock: () => number;
  readonly #lock: StoreLock;
  readonly #workers: Set<string>;
  readonly #exitCallbacks = new Set<(exit: NatsExit) => void>();
  #launched: Launched | undefined;
  #isStopped = false;
  /** Ports of the running server's configuration; a reload may not change them, not even from "any" to the one in use. */
  #ports: { port: number; monitorPort: number };
  /** addWorkers, restart and stop happen one after the other. */
  #lastChange: Promise<unknown> = Promise.resolve();

  constructor(options: StartNatsOptions, clock: () => number, lock: StoreLock) {
    this.#options = options;
    this.#clock = clock;
    this.#lock = lock;
    this.#workers = new Set(options.workers);
    this.#ports = { port: options.port ?? ANY_PORT, monitorPort: options.monitorPort ?? ANY_PORT };
    this.version = options.binary.version;
    this.credentials = {
      coordinator: this.#credentialsOf("coordinator"),
      observer: this.#credentialsOf("observer"),
      worker: (id) => {
        if (this.#workers.has(id)) return this.#credentialsOf(id);
        throw new ClusterError("usage", `Cannot give out credentials of worker "${id}": it was never added`);
      },
    };
  }

  get pid(): number {
    return this.#launched?.pid ?? 0;
  }

  async start(): Promise<void> {
    for (const folder of ["keys", "store", "ports"]) {
      await mkdir(join(this.#options.directory, folder), { recursive: true, mode: 0o700 });
    }
    await this.#writeConfig();
    await this.#launch();
  }

  addWorkers(ids: readonly string[]): Promise<void> {
    return this.#inTurn(async () => {
      for (const id of ids) checkWorkerName(id);
      const added = ids.filter((id) => !this.#workers.has(id));
      if (added.length === 0) return;
      for (const id of added) this.#workers.add(id);
      try {
        await this.#writeConfig();
        // A server that is down reads the file when it is restarted.
        if (this.#running !== undefined) await this.#reload(this.#running);
      } catch (error) {
        for (const id of added) this.#workers.delete(id);
        throw error;
      }
    });
  }

  stop(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#isStopped) return;
      this.#isStopped = true;
      await this.#terminate();
      this.#lock.release();
    });
  }

  restart(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#isStopped)
        throw new ClusterError("usage", "Cannot restart nats-server: it was stopped for good");
      await this.#terminate();
      this.#ports = { port: portOf(this.url), monitorPort: portOf(this.monitorUrl) };
      await this.#writeConfig();
      await this.#launch();
    });
  }

  onExit(callback: (exit: NatsExit) => void): () => void {
    this.#exitCallbacks.add(callback);
    return () => this.#exitCallbacks.delete(callback);
  }

  get #running(): Launched | undefined {
    return this.#launched?.exit === undefined ? this.#launched : undefined;
  }

  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const result = this.#lastChange.then(change);
    this.#lastChange = result.catch(() => {});
    return result;
  }

  #credentialsOf(identity: string): NatsCredentials {
    return { identity, seedFile: join(this.#options.directory, "keys", `${identity}.seed`) };
  }

  get #configFile(): string {
    return join(this.#options.directory, "nats.json");
  }

  async #writeConfig(): Promise<void> {
    const { directory, pool, binary } = this.#options;
    const publicKey = (identity: string): Promise<string> =>
      publicKeyOf(this.#credentialsOf(identity).seedFile);
    const workers = new Map<string, string>();
    for (const id of this.#workers) workers.set(id, await publicKey(id));
    const config = natsConfig({
      pool,
      serverName: `saf-${pool}`,
      storeDirectory: join(directory, "store"),
      portsDirectory: join(directory, "ports"),
      ...this.#ports,
      capabilities: binary.capabilities,
      keys: {
        coordinator: await publicKey("coordinator"),
        observer: await publicKey("observer"),
        system: await publicKey("system"),
        workers,
      },
    });

    const aside = `${this.#configFile}.new`;
    await writeFile(aside, JSON.stringify(config, null, 1), { mode: 0o600 });
    const fault = await configFault(binary.path, aside, serverEnvironment());
    if (fault !== undefined) {
      throw new ClusterError(
        "dependency",
        `nats-server ${this.version} refuses its configuration ${aside}: ${fault}`,
      );
    }
    await rename(aside, this.#configFile);
  }

  async #launch(): Promise<void> {
    const portsDirectory = join(this.#options.directory, "ports");
    for (const name of await readdir(portsDirectory)) await rm(join(portsDirectory, name), { force: true });
    const launched = this.#spawn();
    this.#launched = launched;
    try {
      const deadline = this.#clock() + START_TIMEOUT_MS;
      const ports = await this.#until(launched, "telling its ports", deadline, () =>
        readPorts(portsDirectory, launched.pid),
      );
      this.url = ports.url;
      this.monitorUrl = ports.monitorUrl;
      await this.#until(launched, "being healthy", deadline, () => isHealthy(ports.monitorUrl));
      launched.isExpectedToEnd = false;
    } catch (error) {
      await this.#terminate();
      throw error;
    }
  }

  #spawn(): Launched {
    const { binary, directory, removeAfterDeath, onLog } = this.#options;
    const child = spawnGuarded(binary.path, ["-c", this.#configFile], {
      cwd: directory,
      env: serverEnvironment(),
      remove: removeAfterDeath,
    });
    const pid = child.pid;
    if (pid === undefined || child.stderr === null) {
      child.on("error", () => {}); // why it did not start follows; the message below is enough
      throw new ClusterError("dependency", "Cannot start nats-server: no process could be made");
    }
    this.#lock.setServer(pid);

    const logLines: string[] = [];
    createInterface({ input: child.stderr }).on("line", (line) => {
      logLines.push(line);
      if (logLines.length > LOG_LINES_KEPT) logLines.shift();
      onLog?.(line);
    });
    const ended = new Promise<NatsExit>((resolve) => {
      child.once("close", (code, signal) => resolve({ code, signal, logLines }));
    });
    const launched: Launched = { child, pid, logLines, isExpectedToEnd: true, ended, exit: undefined };
    void ended.then((exit) => this.#afterEnd(launched, exit));
    return launched;
  }

  #afterEnd(launched: Launched, exit: NatsExit): void {
    launched.exit = exit;
    if (launched.isExpectedToEnd) return;
    for (const callback of this.#exitCallbacks) callback(exit);
  }

  /** Polls `attempt` until it has an answer. An end of the process or the deadline is an error with the log. */
  async #until<T>(
    launched: Launched,
    goal: string,
    deadline: number,
    attempt: () => Promise<T | undefined>,
  ): Promise<T> {
    for (;;) {
      const answer = await attempt();
      if (answer !== undefined) return answer;
      if (launched.exit !== undefined)
        throw this.#failed(launched, `ended (${describe(launched.exit)}) before ${goal}`);
      if (this.#clock() > deadline) throw this.#failed(launched, `took too long in ${goal}`);
      await delay(POLL_MS);
    }
  }

  #failed(launched: Launched, what: string): ClusterError {
    const log = launched.logLines.map((line) => `\n  ${line}`).join("");
    return new ClusterError(
      "dependency",
      `nats-server ${this.version} ${what}; the end of its log:${log || " (empty)"}`,
      {
        hint: `Its configuration is ${this.#configFile}.`,
      },
    );
  }

  /** The time of the last load changes when the server has taken the new file in, users first. */
  async #reload(launched: Launched): Promise<void> {
    const before = await configLoadTime(this.monitorUrl);
    if (before === undefined) throw this.#failed(launched, "does not tell when it loaded its configuration");
    const oldLines = new Set(launched.logLines);
    launched.child.kill("SIGHUP");
    const deadline = this.#clock() + RELOAD_TIMEOUT_MS;
    await this.#until(launched, "reloading its configuration", deadline, async () => {
      const refusal = launched.logLines.find(
        (line) => !oldLines.has(line) && line.includes("Failed to reload"),
      );
      if (refusal !== undefined) throw this.#failed(launched, "refuses to reload its configuration");
      const now = await configLoadTime(this.monitorUrl);
      return now === before ? undefined : now;
    });
  }

  async #terminate(): Promise<void> {
    const launched = this.#running;
    if (launched === undefined) return;
    launched.isExpectedToEnd = true;
    launched.child.kill("SIGTERM");
    const killer = setTimeout(() => launched.child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    await launched.ended;
    clearTimeout(killer);
  }
}

/** Nothing of our environment, which may hold secrets, reaches the server. */
function serverEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env["PATH"] ?? "" };
}

function describe(exit: NatsExit): string {
  return exit.signal === null ? `exit code ${exit.code ?? "unknown"}` : exit.signal;
}

function portOf(url: string): number {
  return Number(new URL(url).port);
}
