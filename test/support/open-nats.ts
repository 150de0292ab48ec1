/** A nats-server that lets everybody say and hear everything: for what is to be shown of the bus, not of rights. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NatsBinary } from "../../deploy/local/nats/binary.js";
import { readPorts } from "../../deploy/local/nats/monitoring.js";
import { until } from "./production-nats.js";

export class OpenNats {
  readonly #binary: NatsBinary;
  readonly #directory: string;
  readonly #maxPayload: number;
  #process: ChildProcess | undefined;
  /** 0 before the server has chosen one. */
  #port = 0;

  private constructor(binary: NatsBinary, directory: string, maxPayload: number) {
    this.#binary = binary;
    this.#directory = directory;
    this.#maxPayload = maxPayload;
  }

  static async start(binary: NatsBinary, maxPayload = 2 * 1024 * 1024): Promise<OpenNats> {
    const server = new OpenNats(binary, await mkdtemp(join(tmpdir(), "saf-nats-open-")), maxPayload);
    await server.run();
    return server;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.#port}`;
  }

  /** Starts it, again on its port. */
  async run(): Promise<void> {
    const config = [
      'host: "127.0.0.1"',
      `port: ${this.#port === 0 ? -1 : this.#port}`,
      'http: "127.0.0.1:-1"',
      `ports_file_dir: ${JSON.stringify(this.#directory)}`,
      `max_payload: ${this.#maxPayload}`,
    ];
    await writeFile(join(this.#directory, "nats.conf"), `${config.join("\n")}\n`);
    const child = spawn(this.#binary.path, ["-c", join(this.#directory, "nats.conf")], { stdio: "ignore" });
    this.#process = child;
    const found = await until("the server to start", () => readPorts(this.#directory, child.pid ?? 0));
    this.#port = Number(new URL(found.url).port);
  }

  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.#directory, { recursive: true, force: true });
  }
}
