/** Two nats-servers that are one cluster: whoever is connected to one hears what is said on the other. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { OpenPool } from "../../deploy/local/cluster.js";
import type { NatsBinary } from "../../deploy/local/nats/binary.js";
import { natsConfig } from "../../deploy/local/nats/config.js";
import { credentialsIn, makeServerDirectory } from "../../deploy/local/nats/server-files.js";
import { ServerProcess } from "../../deploy/local/nats/server-process.js";
import { publicKeyOf } from "../../deploy/local/nats/user-keys.js";
import { makeFolder } from "../../shared/io/folders.js";
import { realClock } from "../../shared/io/real-clock.js";
import { freePort } from "./free-port.js";

const START_MS = 20_000;

export class NatsNode {
  readonly url: string;
  readonly #binary: NatsBinary;
  readonly #folder: string;
  readonly #monitorUrl: string;
  #process: ServerProcess | undefined;

  constructor(binary: NatsBinary, folder: string, ports: { clients: number; monitor: number }) {
    this.#binary = binary;
    this.#folder = folder;
    this.url = `nats://127.0.0.1:${ports.clients}`;
    this.#monitorUrl = `http://127.0.0.1:${ports.monitor}`;
  }

  /** Back when clients may come. */
  async start(): Promise<void> {
    const [directory, configFile] = [this.#folder, join(this.#folder, "nats.json")];
    const options = { binary: this.#binary, directory, configFile, removeAfterDeath: undefined };
    const started = new ServerProcess({ ...options, clock: realClock, onLog: undefined });
    this.#process = started;
    await started.until("answering", realClock.now() + START_MS, () => this.#count("connz"));
  }

  /** Back when the other node is connected. */
  async linked(): Promise<void> {
    await this.#process?.until("meeting the other node", realClock.now() + START_MS, async () =>
      ((await this.#count("routez")) ?? 0) > 0 ? true : undefined,
    );
  }

  /** Clients that are connected here. */
  async clients(): Promise<number> {
    return (await this.#count("connz")) ?? 0;
  }

  /** From now on it says nothing, and nobody is told: no FIN, no RST. Whoever dials it gets no answer either. */
  silence(): void {
    process.kill(this.#process?.pid ?? 0, "SIGSTOP");
  }

  /** It goes on where it was, with the bytes of before. */
  wake(): void {
    process.kill(this.#process?.pid ?? 0, "SIGCONT");
  }

  async stop(): Promise<void> {
    if (this.#process?.isRunning !== true) return;
    this.wake();
    await this.#process.terminate();
  }

  /** Undefined while it does not answer. */
  async #count(page: "connz" | "routez"): Promise<number | undefined> {
    try {
      const answer = await fetch(`${this.#monitorUrl}/${page}`);
      const { num_connections: clients, num_routes: routes } = (await answer.json()) as Record<
        string,
        number
      >;
      return page === "connz" ? clients : routes;
    } catch {
      return undefined;
    }
  }
}

export interface NatsNodes extends Pick<OpenPool, "server" | "folder"> {
  first: NatsNode;
  second: NatsNode;
  stop(): Promise<void>;
}

/** Of a pool with these workers; neither is started. `server` has the addresses of both. */
export async function natsNodes(
  directory: string,
  binary: NatsBinary,
  { pool, workers }: { pool: string; workers: readonly string[] },
): Promise<NatsNodes> {
  await makeServerDirectory(directory);
  for (const name of ["keys", "run"]) await makeFolder(join(directory, name), { mode: 0o700 });
  const keyOf = (identity: string): Promise<string> =>
    publicKeyOf(credentialsIn(directory, identity).seedFile);
  const keys = {
    coordinator: await keyOf("coordinator"),
    observer: await keyOf("observer"),
    submitter: await keyOf("submitter"),
    system: await keyOf("system"),
    workers: new Map(await Promise.all(workers.map(async (id) => [id, await keyOf(id)] as const))),
  };
  const routes = [await freePort(), await freePort()];
  const nodes: NatsNode[] = [];
  for (const [i, route] of routes.entries()) {
    const folder = join(directory, `node-${i + 1}`);
    await makeServerDirectory(folder);
    const ports = { clients: await freePort(), monitor: await freePort() };
    const config = natsConfig({
      ...{ pool, keys, capabilities: binary.capabilities, serverName: `node-${i + 1}` },
      ...{ storeDirectory: join(folder, "store"), portsDirectory: folder },
      ...{ port: ports.clients, monitorPort: ports.monitor },
    });
    const others = routes.filter((port) => port !== route).map((port) => `nats://127.0.0.1:${port}`);
    const cluster = { name: pool, host: "127.0.0.1", port: route, routes: others };
    await writeFile(join(folder, "nats.json"), JSON.stringify({ ...withoutStreams(config), cluster }));
    nodes.push(new NatsNode(binary, folder, ports));
  }
  const [first, second] = nodes as [NatsNode, NatsNode];
  const of = (identity: string): ReturnType<typeof credentialsIn> => credentialsIn(directory, identity);
  return {
    ...{ first, second, folder: join(directory, "run") },
    server: {
      url: `${first.url},${second.url}`,
      credentials: {
        coordinator: of("coordinator"),
        observer: of("observer"),
        submitter: of("submitter"),
        worker: of,
      },
    },
    stop: async () => void (await Promise.all(nodes.map((node) => node.stop()))),
  };
}

/** Streams of a cluster want a majority of its nodes, and one of two is none. The product has no stream. */
function withoutStreams(config: object): object {
  const { accounts, ...others } = config as { accounts: { SAF: object }; jetstream: object };
  const { SAF, ...rest } = accounts;
  return { ...others, jetstream: undefined, accounts: { ...rest, SAF: { ...SAF, jetstream: undefined } } };
}
