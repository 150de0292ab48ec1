/** runs/<utc>-<name>-<hex>/: everything a run leaves behind. Readable after a kill at any instant. */
import { randomBytes } from "node:crypto";
import { mkdir, realpath } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { storageError, writeFileAtomic } from "../../shared/io/atomic-file.js";
import { pointLink } from "./links.js";
import { readJson } from "../../shared/io/json-document.js";
import { makeFolder } from "../../shared/io/folders.js";

/** A fresh name, unique and sortable by time: 20261122T101500Z-mrelu-r-m-3fa91c. */
export function runDirectoryName(name: string, nowMs: number): string {
  const stamp = new Date(nowMs).toISOString().replace(/[-:]/g, "").replace(/\.\d+/, "");
  return `${stamp}-${name}-${randomBytes(3).toString("hex")}`;
}

/** Makes a folder that is nobody's yet. Throws ClusterError("storage"), also when it is there already. */
export async function createFreshDirectory(path: string): Promise<void> {
  try {
    await makeFolder(dirname(path));
    await mkdir(path);
  } catch (cause) {
    throw storageError(`create the run directory ${path}`, cause);
  }
}

/**
 * The folder itself, by whatever link it is named: `runs/latest` is another run tomorrow, and a link must not come to lead
 * to itself. A folder that is not there yet keeps its name.
 */
export async function realDirectory(path: string): Promise<string> {
  return realpath(path).catch(() => resolve(path));
}

export class RunDirectory {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** Creates the folder with those that a run fills. Throws ClusterError("storage"). */
  async create(): Promise<void> {
    try {
      for (const inside of ["checkpoints", "eval"]) await makeFolder(join(this.path, inside));
    } catch (cause) {
      throw storageError(`create the run directory ${this.path}`, cause);
    }
  }

  get checkpoints(): string {
    return join(this.path, "checkpoints");
  }

  file(...parts: string[]): string {
    return join(this.path, ...parts);
  }

  async writeJson(name: string, value: unknown): Promise<void> {
    await writeFileAtomic(this.file(name), `${JSON.stringify(value, null, 2)}\n`);
  }

  async writeText(name: string, text: () => string): Promise<void> {
    await writeFileAtomic(this.file(name), text());
  }

  /** Throws ClusterError("data") when the file is missing or no JSON. */
  async readJson<Value>(name: string): Promise<Value> {
    return readJson<Value>(this.file(name));
  }

  /** Points `latest`, beside this folder, to it: a convenience, which a file system without links only lacks. */
  async linkLatest(): Promise<void> {
    await pointLink(join(dirname(this.path), "latest"), basename(this.path)).catch(() => undefined);
  }
}
