/**
 * What a local nats-server finds in its directory (0700): `nats.json` (0600), `keys/<identity>.seed` (0600), `store/`,
 * `ports/`, `lock`.
 */
import { chmod, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ClusterError } from "../../../shared/errors.js";
import { type NatsBinary, configFault } from "./binary.js";
import { natsConfig } from "./config.js";
import { serverEnvironment } from "./server-process.js";
import { publicKeyOf } from "./user-keys.js";
import { makeFolder } from "../../../shared/io/folders.js";

export interface NatsCredentials {
  /** "coordinator", "observer" or the worker's name; also the owner of the inbox prefix. */
  identity: string;
  /** File with the nkey seed, mode 0600. */
  seedFile: string;
}

export interface ServerPorts {
  port: number;
  monitorPort: number;
}

export class ServerFiles {
  readonly #directory: string;
  readonly #pool: string;
  readonly #binary: NatsBinary;

  constructor(directory: string, pool: string, binary: NatsBinary) {
    this.#directory = directory;
    this.#pool = pool;
    this.#binary = binary;
  }

  get configFile(): string {
    return join(this.#directory, "nats.json");
  }

  /** Where the server writes the ports that it listens on. */
  get portsDirectory(): string {
    return join(this.#directory, "ports");
  }

  credentialsOf(identity: string): NatsCredentials {
    return { identity, seedFile: join(this.#directory, "keys", `${identity}.seed`) };
  }

  /** Makes the directory; what is in it is used again. */
  async prepare(): Promise<void> {
    for (const folder of ["keys", "store", "ports"])
      await makeFolder(join(this.#directory, folder), { mode: 0o700 });
  }

  async forgetPorts(): Promise<void> {
    for (const name of await readdir(this.portsDirectory))
      await rm(join(this.portsDirectory, name), { force: true });
  }

  /** Throws ClusterError("dependency") when the server would refuse the configuration; the one before it stays then. */
  async writeConfig(workerIds: Iterable<string>, ports: ServerPorts): Promise<void> {
    const publicKey = (identity: string): Promise<string> =>
      publicKeyOf(this.credentialsOf(identity).seedFile);
    const workers = new Map<string, string>();
    for (const id of workerIds) workers.set(id, await publicKey(id));
    const config = natsConfig({
      pool: this.#pool,
      serverName: `saf-${this.#pool}`,
      storeDirectory: join(this.#directory, "store"),
      portsDirectory: this.portsDirectory,
      ...ports,
      capabilities: this.#binary.capabilities,
      keys: {
        coordinator: await publicKey("coordinator"),
        observer: await publicKey("observer"),
        system: await publicKey("system"),
        workers,
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

/** The server's own directory, which only this user may enter. */
export async function makeServerDirectory(directory: string): Promise<void> {
  await makeFolder(directory, { mode: 0o700 });
  await chmod(directory, 0o700);
}
