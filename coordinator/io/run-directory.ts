/** runs/<utc>-<name>-<hex>/: everything a run leaves behind. Readable after a kill at any instant. */
import { randomBytes } from "node:crypto";
import { mkdir, rename, rm, symlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { storageError, writeFileAtomic } from "../../shared/io/atomic-file.js";
import { readJson } from "../../shared/io/json-document.js";

/** A fresh name, unique and sortable by time: 20261122T101500Z-mrelu-r-m-3fa91c. */
export function runDirectoryName(name: string, nowMs: number): string {
  const stamp = new Date(nowMs).toISOString().replace(/[-:]/g, "").replace(/\.\d+/, "");
  return `${stamp}-${name}-${randomBytes(3).toString("hex")}`;
}

export class RunDirectory {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** Creates the folder with those that a run fills. Throws ClusterError("storage"). */
  async create(): Promise<void> {
    try {
      for (const inside of ["checkpoints", "eval"]) await mkdir(join(this.path, inside), { recursive: true });
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

  async writeText(name: string, text: string): Promise<void> {
    await writeFileAtomic(this.file(name), text);
  }

  /** Throws ClusterError("data") when the file is missing or no JSON. */
  async readJson<Value>(name: string): Promise<Value> {
    return readJson<Value>(this.file(name));
  }

  /** Points `latest`, beside this folder, to it: a convenience, which a file system without links only lacks. */
  async linkLatest(): Promise<void> {
    const link = join(dirname(this.path), "latest");
    const aside = `${link}.${process.pid}`;
    try {
      await rm(aside, { force: true });
      await symlink(basename(this.path), aside);
      await rename(aside, link);
    } catch {
      // Said above.
    }
  }
}
