/** One process of nats-server: its log, its end, and the wait for what it is expected to say. */
import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { type Clock, pause } from "../../../shared/clock.js";
import { ClusterError } from "../../../shared/errors.js";
import { type ProcessExit, describeExit } from "../process-exit.js";
import type { NatsBinary } from "./binary.js";
import { spawnGuarded } from "./guard.js";
import { configLoadTime } from "./monitoring.js";

const RELOAD_TIMEOUT_MS = 15_000;
/** Between SIGTERM and SIGKILL. Measured: 6 to 12 ms. */
const STOP_TIMEOUT_MS = 5_000;
const POLL_MS = 15;
const LOG_LINES_KEPT = 50;

export interface NatsExit extends ProcessExit {
  /** The last lines of the server's log, 50 at most. */
  logLines: string[];
}

export interface ServerProcessOptions {
  binary: NatsBinary;
  directory: string;
  configFile: string;
  /** Removed when this process dies without stopping the server. */
  removeAfterDeath: string | undefined;
  clock: Clock;
  onLog: ((line: string) => void) | undefined;
}

export class ServerProcess {
  readonly pid: number;
  /** Settles when the process has ended and its log is read to the end. */
  readonly ended: Promise<NatsExit>;
  /** Whether an end is nobody's news: we cause it, or a start waits for the server and will say so itself. */
  isExpectedToEnd = true;
  readonly #options: ServerProcessOptions;
  readonly #child: ChildProcess;
  readonly #logLines: string[] = [];
  #exit: NatsExit | undefined;

  /** Throws ClusterError("dependency") when no process can be made. */
  constructor(options: ServerProcessOptions) {
    const { binary, configFile, directory, removeAfterDeath, onLog } = options;
    this.#options = options;
    this.#child = spawnGuarded(binary.path, ["-c", configFile], {
      cwd: directory,
      env: serverEnvironment(),
      remove: removeAfterDeath,
    });
    const { pid, stderr } = this.#child;
    if (pid === undefined || stderr === null) {
      this.#child.on("error", () => {}); // why it did not start follows; the message below is enough
      throw new ClusterError("dependency", "Cannot start nats-server: no process could be made");
    }
    this.pid = pid;
    createInterface({ input: stderr }).on("line", (line) => {
      this.#logLines.push(line);
      if (this.#logLines.length > LOG_LINES_KEPT) this.#logLines.shift();
      onLog?.(line);
    });
    this.ended = new Promise((resolve) => {
      this.#child.once("close", (code, signal) => {
        this.#exit = { code, signal, logLines: this.#logLines };
        resolve(this.#exit);
      });
    });
  }

  get isRunning(): boolean {
    return this.#exit === undefined;
  }

  /** Polls `attempt` until it has an answer. An end of the process or the deadline is an error with the log. */
  async until<T>(goal: string, deadline: number, attempt: () => Promise<T | undefined>): Promise<T> {
    const { clock } = this.#options;
    for (;;) {
      const answer = await attempt();
      if (answer !== undefined) return answer;
      if (this.#exit !== undefined) throw this.#failed(`ended (${describeExit(this.#exit)}) before ${goal}`);
      if (clock.now() > deadline) throw this.#failed(`took too long in ${goal}`);
      await pause(clock, POLL_MS);
    }
  }

  /** The time of the last load changes when the server has taken the new file in, users first. */
  async reload(monitorUrl: string): Promise<void> {
    const before = await configLoadTime(monitorUrl);
    if (before === undefined) throw this.#failed("does not tell when it loaded its configuration");
    const oldLines = new Set(this.#logLines);
    this.#child.kill("SIGHUP");
    const deadline = this.#options.clock.now() + RELOAD_TIMEOUT_MS;
    await this.until("reloading its configuration", deadline, async () => {
      const isRefused = this.#logLines.some(
        (line) => !oldLines.has(line) && line.includes("Failed to reload"),
      );
      if (isRefused) throw this.#failed("refuses to reload its configuration");
      const now = await configLoadTime(monitorUrl);
      return now === before ? undefined : now;
    });
  }

  /** SIGTERM, then SIGKILL after 5 s. Resolves when the process is gone. */
  async terminate(): Promise<void> {
    this.isExpectedToEnd = true;
    this.#child.kill("SIGTERM");
    const cancel = this.#options.clock.after(STOP_TIMEOUT_MS, () => this.#child.kill("SIGKILL"));
    await this.ended;
    cancel();
  }

  #failed(what: string): ClusterError {
    const { binary, configFile } = this.#options;
    const log = this.#logLines.map((line) => `\n  ${line}`).join("");
    return new ClusterError(
      "dependency",
      `nats-server ${binary.version} ${what}; the end of its log:${log || " (empty)"}`,
      { hint: `Its configuration is ${configFile}.` },
    );
  }
}

/** Nothing of our environment, which may hold secrets, reaches the server. */
export function serverEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env["PATH"] ?? "" };
}
