/**
 * Runs a local nats-server as a child process: private directory, generated keys, loopback only unless it is told to
 * listen elsewhere, and no way for it to outlive us. It can die and be restarted on the same ports with the same keys.
 */
import type { Clock } from "../../../shared/clock.js";
import { ClusterError } from "../../../shared/errors.js";
import { realClock } from "../../../shared/io/real-clock.js";
import type { NatsBinary } from "./binary.js";
import { ANY_PORT, type NatsListening, checkWorkerName } from "./config.js";
import { isHealthy, readPorts } from "./monitoring.js";
import { type NatsCredentials, ServerFiles, type ServerPorts, makeServerDirectory } from "./server-files.js";
import { type NatsExit, ServerProcess } from "./server-process.js";
import { type StoreLock, lockStore } from "./store-lock.js";
import { hostText } from "../../machines/core/address.js";

/** Measured: 50 to 300 ms; the rest is for a machine that is busy. */
const START_TIMEOUT_MS = 30_000;
/** The guard of a dead owner needs its time to end the server, too. */
const ABANDONED_SERVER_WAIT_MS = 8_000;

export interface StartNatsOptions {
  binary: NatsBinary;
  /** The server's own directory; made if missing. What is in it (keys) is used again. */
  directory: string;
  /** Removed when this process dies without stopping the server. */
  removeAfterDeath?: string;
  pool: string;
  workers: readonly string[];
  /** For machines that join: where it listens, encrypted, and who is known there already. */
  open?: {
    listening: NatsListening;
    /** What the processes of this machine dial. */
    dialHost: string;
    /** Public keys of workers on other machines, by name. */
    enrolled: ReadonlyMap<string, string>;
  };
  /** Fixed ports; without them the system chooses free ones, and a restart keeps those. */
  port?: number;
  monitorPort?: number;
  /** The process's own, unless it says otherwise. */
  clock?: Clock;
  /** Every line of the server's log. */
  onLog?: (line: string) => void;
  /** Gives up the start. */
  signal?: AbortSignal | undefined;
}

export interface RunningNatsServer {
  /** For clients of this machine: `nats://127.0.0.1:<port>`, `tls://` where it is open. The same after a restart. */
  readonly url: string;
  /** The server's own monitoring, without authentication and on loopback only: `http://127.0.0.1:<port>`. */
  readonly monitorUrl: string;
  /** Of the server process that runs now, or ran last. */
  readonly pid: number;
  readonly version: string;
  readonly credentials: {
    coordinator: NatsCredentials;
    observer: NatsCredentials;
    submitter: NatsCredentials;
    /** @throws ClusterError("usage") for a worker that was not named at the start or added. */
    worker: (id: string) => NatsCredentials;
  };
  /** Gives these workers keys, without disturbing anyone who is connected. Back when the server accepts the keys. */
  addWorkers(ids: readonly string[]): Promise<void>;
  /** The same for workers whose seeds are on other machines: public keys by name. */
  enrol(keys: ReadonlyMap<string, string>): Promise<void>;
  /** SIGTERM, then SIGKILL after 5 s. Back when the process is gone and the store is free. May be called again. */
  stop(): Promise<void>;
  /** Calls back after every end that neither stop() nor restart() caused. Returns what ends the subscription. */
  onExit(callback: (exit: NatsExit) => void): () => void;
  /** Starts the server again, after its death or instead of the running one: same ports and keys. */
  restart(): Promise<void>;
}

/**
 * Back when the server is healthy.
 * @throws ClusterError("dependency") when the store is in use, or the server refuses its configuration or ends at once;
 *   the message has the last lines of its log. ClusterError("usage") on an impossible worker name.
 */
export async function startNatsServer(options: StartNatsOptions): Promise<RunningNatsServer> {
  for (const worker of options.workers) checkWorkerName(worker);
  const clock = options.clock ?? realClock;
  await makeServerDirectory(options.directory);
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

class LocalNatsServer implements RunningNatsServer {
  url = "";
  monitorUrl = "";
  readonly #options: StartNatsOptions;
  readonly #clock: Clock;
  readonly #lock: StoreLock;
  readonly #files: ServerFiles;
  readonly #users: { workers: Set<string>; enrolled: Map<string, string> };
  readonly #exitCallbacks = new Set<(exit: NatsExit) => void>();
  #process: ServerProcess | undefined;
  #isStopped = false;
  /** Ports of the running server's configuration; a reload may not change them, not even from "any" to the one in use. */
  #ports: ServerPorts;
  /** addWorkers, restart and stop happen one after the other. */
  #lastChange: Promise<unknown> = Promise.resolve();

  constructor(options: StartNatsOptions, clock: Clock, lock: StoreLock) {
    this.#options = options;
    this.#clock = clock;
    this.#lock = lock;
    const { directory, pool, binary, open } = options;
    this.#files = new ServerFiles(directory, pool, binary, open?.listening);
    this.#users = { workers: new Set(options.workers), enrolled: new Map(open?.enrolled) };
    this.#ports = { port: options.port ?? ANY_PORT, monitorPort: options.monitorPort ?? ANY_PORT };
  }

  get version(): string {
    return this.#options.binary.version;
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  get credentials(): RunningNatsServer["credentials"] {
    return {
      coordinator: this.#files.credentialsOf("coordinator"),
      observer: this.#files.credentialsOf("observer"),
      submitter: this.#files.credentialsOf("submitter"),
      worker: (id) => {
        if (this.#users.workers.has(id)) return this.#files.credentialsOf(id);
        throw new ClusterError("usage", `Cannot give out credentials of worker "${id}": it was never added`);
      },
    };
  }

  async start(): Promise<void> {
    await this.#files.prepare();
    await this.#writeConfig();
    await this.#launch(this.#options.signal);
  }

  addWorkers(ids: readonly string[]): Promise<void> {
    return this.#inTurn(async () => {
      for (const id of ids) checkWorkerName(id);
      const added = ids.filter((id) => !this.#users.workers.has(id));
      if (added.length === 0) return;
      for (const id of added) this.#users.workers.add(id);
      await this.#reload(() => added.forEach((id) => this.#users.workers.delete(id)));
    });
  }

  enrol(keys: ReadonlyMap<string, string>): Promise<void> {
    return this.#inTurn(async () => {
      for (const name of keys.keys()) checkWorkerName(name);
      const added = [...keys].filter(
        ([name]) => !this.#users.enrolled.has(name) && !this.#users.workers.has(name),
      );
      if (added.length === 0) return;
      for (const [name, key] of added) this.#users.enrolled.set(name, key);
      await this.#reload(() => added.forEach(([name]) => this.#users.enrolled.delete(name)));
    });
  }

  stop(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#isStopped) return;
      this.#isStopped = true;
      await this.#running?.terminate();
      this.#lock.release();
    });
  }

  restart(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#isStopped)
        throw new ClusterError("usage", "Cannot restart nats-server: it was stopped for good");
      await this.#running?.terminate();
      this.#ports = { port: portOf(this.url), monitorPort: portOf(this.monitorUrl) };
      await this.#writeConfig();
      await this.#launch();
    });
  }

  onExit(callback: (exit: NatsExit) => void): () => void {
    this.#exitCallbacks.add(callback);
    return () => this.#exitCallbacks.delete(callback);
  }

  get #running(): ServerProcess | undefined {
    return this.#process?.isRunning === true ? this.#process : undefined;
  }

  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const result = this.#lastChange.then(change);
    this.#lastChange = result.catch(() => {});
    return result;
  }

  #writeConfig(): Promise<void> {
    return this.#files.writeConfig(this.#users, this.#ports);
  }

  async #reload(undo: () => void): Promise<void> {
    try {
      await this.#writeConfig();
      // A server that is down reads the file when it is restarted.
      if (this.#running !== undefined) await this.#running.reload(this.monitorUrl);
    } catch (error) {
      undo();
      throw error;
    }
  }

  async #launch(signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    await this.#files.forgetPorts();
    const started = this.#startProcess();
    try {
      const deadline = this.#clock.now() + START_TIMEOUT_MS;
      const ports = await started.until("telling its ports", deadline, () => {
        signal?.throwIfAborted();
        return readPorts(this.#files.portsDirectory, started.pid);
      });
      const { open } = this.#options;
      this.url = open === undefined ? ports.url : `tls://${hostText(open.dialHost)}:${portOf(ports.url)}`;
      this.monitorUrl = ports.monitorUrl;
      await started.until("being healthy", deadline, () => {
        signal?.throwIfAborted();
        return isHealthy(ports.monitorUrl);
      });
      started.isExpectedToEnd = false;
    } catch (error) {
      await this.#running?.terminate();
      throw error;
    }
  }

  #startProcess(): ServerProcess {
    const { binary, directory, removeAfterDeath, onLog } = this.#options;
    const started = new ServerProcess({
      binary,
      directory,
      configFile: this.#files.configFile,
      removeAfterDeath,
      clock: this.#clock,
      onLog,
    });
    this.#process = started;
    this.#lock.setServer(started.pid);
    void started.ended.then((exit) => {
      if (started.isExpectedToEnd) return;
      for (const callback of this.#exitCallbacks) callback(exit);
    });
    return started;
  }
}

function portOf(url: string): number {
  return Number(new URL(url).port);
}
