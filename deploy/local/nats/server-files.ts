/**
 * What a local nats-server finds in its directory (0700): `nats.json` (0600), `keys/<identity>.seed` (0600),
 * `ports/`, `lock`.
 */
import { chmod, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ClusterError } from "../../../shared/errors.js";
import { type NatsBinary, configFault } from "./binary.js";
import { type NatsListening, natsConfig } from "./config.js";
import { serverEnvironment } from "./server-process.js";
import { publicKeyOf } from "./user-keys.js";
import { makeFolder } from "../../../shared/io/folders.js";

export interface NatsCredentials {
  /** "coordinator", "observer", "submitter" or the worker's name; also the owner of the inbox prefix. */
  identity: string;
  /** File with the nkey seed, mode 0600. */
  seedFile: string;
}

export interface ServerPorts {
  port: number;
  monitorPort: number;
}

/** Whose keys the server knows, besides those of the coordinator, the observer and the submitter. */
export interface ServerUsers {
  /** Their seeds are here. */
  workers: Iterable<string>;
  /** Public keys of workers whose seeds are on other machines, by name. */
  enrolled: ReadonlyMap<string, string>;
}

export class ServerFiles {
  readonly #directory: string;
  readonly #pool: string;
  readonly #binary: NatsBinary;
  readonly #listening: NatsListening | undefined;

  constructor(directory: string, pool: string, binary: NatsBinary, listening?: NatsListening) {
    this.#directory = directory;
    this.#pool = pool;
    this.#binary = binary;
    this.#listening = listening;
  }

  get configFile(): string {
    return join(this.#directory, "nats.json");
  }

  /** Where the server writes the ports that it listens on. */
  get portsDirectory(): string {
    return join(this.#directory, "ports");
  }

  credentialsOf(identity: string): NatsCredentials {
    return credentialsIn(this.#directory, identity);
  }

  /** Makes the directory; what is in it is used again. */
  async prepare(): Promise<void> {
    for (const folder of ["keys", "ports"]) await makeFolder(join(this.#directory, folder), { mode: 0o700 });
  }

  async forgetPorts(): Promise<void> {
    for (const name of await readdir(this.portsDirectory))
      await rm(join(this.portsDirectory, name), { force: true });
  }

  /** Throws ClusterError("dependency") when the server would refuse the configuration; the one before it stays then. */
  async writeConfig({ workers: ids, enrolled }: ServerUsers, ports: ServerPorts): Promise<void> {
    const publicKey = (identity: string): Promise<string> =>
      publicKeyOf(this.credentialsOf(identity).seedFile);
    const workers = new Map(enrolled);
    const own = await Promise.all([...ids].map(async (id) => [id, await publicKey(id)] as const));
    for (const [id, key] of own) workers.set(id, key);
    const config = natsConfig({
      pool: this.#pool,
      serverName: `saf-${this.#pool}`,
      portsDirectory: this.portsDirectory,
      listening: this.#listening,
      ...ports,
      keys: {
        coordinator: await publicKey("coordinator"),
        observer: await publicKey("observer"),
        submitter: await publicKey("submitter"),
        system: await publicKey("system"),
        workers,
        ...(this.#listening === undefined
          ? {}
          : { guest: await publicKey("guest"), registrar: await publicKey("registrar") }),
      },
    });

    const aside = `${this.configFile}.new`;
    await writeFile(aside, JSON.stringify(config, null, 1), { mode: 0o600 });
    const fault = await configFault(this.#binary.path, aside, serverEnvironment());
    if (fault !== undefined) {
      throw new ClusterError(
        "dependency",
        `nats-server ${this.#binary.version} refuses its configuration ${aside}: ${fault}`,
      );
    }
    await rename(aside, this.configFile);
  }
}

/** Where a server that keeps its files in `directory` has the seed of an identity. */
export function credentialsIn(directory: string, identity: string): NatsCredentials {
  return { identity, seedFile: join(directory, "keys", `${identity}.seed`) };
}

/** The server's own directory, which only this user may enter. */
export async function makeServerDirectory(directory: string): Promise<void> {
  await makeFolder(directory, { mode: 0o700 });
  await chmod(directory, 0o700);
}
