/**
 * `node:fs/promises` over a simulated disk, as far as the product uses it: so the product's own files (journals,
 * checkpoints, what is written aside and renamed) run as they are. Each call takes virtual time.
 */
import type { Draws } from "./draws.js";
import {
  DiskError,
  type FileNode,
  type FolderNode,
  type Node,
  type SimulatedDisk,
  emptyFile,
  folder,
} from "./disk.js";
import type { Owner, Scheduler } from "./scheduler.js";

type Content = string | Uint8Array;

export interface OpenFile {
  writeFile(content: Content): Promise<void>;
  write(content: Content, position: number): Promise<void>;
  appendFile(content: Content): Promise<void>;
  readFile(encoding?: string): Promise<Buffer | string>;
  sync(): Promise<void>;
  datasync(): Promise<void>;
  stat(): Promise<Stats>;
  truncate(length?: number): Promise<void>;
  close(): Promise<void>;
}

export interface Stats {
  size: number;
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
}

const CALL_MS = { least: 0.02, most: 0.4 };
/** An fsync waits for the disk. */
const LEAST_SYNC_MS = 0.2;

export class DiskFiles {
  readonly #disk: SimulatedDisk;
  readonly #scheduler: Scheduler;
  readonly #draws: Draws;
  readonly #syncMs: { least: number; most: number };

  /** `syncMs`: the longest fsync. */
  constructor(disk: SimulatedDisk, scheduler: Scheduler, draws: Draws, syncMs: number) {
    this.#syncMs = { least: LEAST_SYNC_MS, most: syncMs };
    this.#disk = disk;
    this.#scheduler = scheduler;
    this.#draws = draws;
  }

  /** Runs `act` a little later, for the process that calls. */
  #later<Result>(what: string, act: () => Result, time = CALL_MS): Promise<Result> {
    const owner = this.#scheduler.current as Owner;
    const atMs = this.#scheduler.nowMs + this.#draws.between(time.least, time.most);
    return new Promise((resolve, reject) => {
      this.#scheduler.at(atMs, owner, `disk ${what}`, () => {
        try {
          resolve(act());
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      });
    });
  }

  readonly mkdir = (path: string, options: { recursive?: boolean } = {}): Promise<void> =>
    this.#later(`mkdir ${path}`, () => {
      const parts = path.split("/").filter((part) => part !== "");
      const first = options.recursive === true ? 1 : parts.length;
      for (let length = first; length <= parts.length; length++)
        this.#makeFolder(parts.slice(0, length), options);
    });

  #makeFolder(parts: readonly string[], { recursive }: { recursive?: boolean }): void {
    const path = `/${parts.join("/")}`;
    const found = this.#disk.find(path);
    if (found?.kind === "folder" && recursive === true) return;
    if (found !== undefined) throw new DiskError("EEXIST", path);
    this.#refuseWhenFull(path);
    this.#disk.put(path, folder());
  }

  #refuseWhenFull(path: string): void {
    if (this.#disk.isFull) throw new DiskError("ENOSPC", path);
  }

  readonly open = (path: string, flags = "r"): Promise<OpenFile> =>
    this.#later(`open ${path}`, () => {
      const found = this.#disk.find(path);
      if (flags === "r" || flags === "r+") return this.#handle(path, this.#existing(path), false);
      if (flags === "wx" && this.#disk.findLink(path) !== undefined) throw new DiskError("EEXIST", path);
      if (found?.kind === "folder") throw new DiskError("EISDIR", path);
      const file = found?.kind === "file" ? found : this.#create(path);
      if (flags === "w" && file.bytes.byteLength > 0) this.#disk.write(file, new Uint8Array(), path);
      return this.#handle(path, file, flags === "a");
    });

  #create(path: string): FileNode {
    this.#refuseWhenFull(path);
    const file = emptyFile();
    this.#disk.put(path, file);
    return file;
  }

  #existing(path: string): Node {
    const found = this.#disk.find(path);
    if (found === undefined) throw new DiskError("ENOENT", path);
    return found;
  }

  #file(path: string): FileNode {
    const found = this.#existing(path);
    if (found.kind !== "file") throw new DiskError("EISDIR", path);
    return found;
  }

  #handle(path: string, node: Node, appends: boolean): OpenFile {
    const file = (): FileNode => {
      if (node.kind !== "file") throw new DiskError("EISDIR", path);
      return node;
    };
    let position = 0;
    const write = (content: Content, where = position): void => {
      const at = file();
      const start = appends ? at.bytes.byteLength : where;
      const added = bytesOf(content);
      const bytes = new Uint8Array(Math.max(at.bytes.byteLength, start + added.byteLength));
      bytes.set(at.bytes);
      bytes.set(added, start);
      this.#disk.write(at, bytes, path);
      position = start + added.byteLength;
    };
    const sync = (): Promise<void> => this.#later(`fsync ${path}`, () => this.#disk.sync(node), this.#syncMs);
    return {
      writeFile: (content) => this.#later(`write ${path}`, () => write(content)),
      write: (content, where) => this.#later(`write ${path}`, () => write(content, where)),
      appendFile: (content) => this.#later(`append ${path}`, () => write(content)),
      readFile: (encoding) => this.#later(`read ${path}`, () => readAs(file().bytes, encoding)),
      sync,
      datasync: sync,
      stat: () => this.#later(`stat ${path}`, () => statsOf(node)),
      truncate: (length = 0) => this.#later(`truncate ${path}`, () => this.#cut(file(), length, path)),
      close: () => this.#later(`close ${path}`, () => undefined),
    };
  }

  #cut(file: FileNode, length: number, path: string): void {
    const bytes = new Uint8Array(length);
    bytes.set(file.bytes.subarray(0, length));
    this.#disk.write(file, bytes, path);
  }

  readonly readFile = (path: string, options?: string | { encoding?: string }): Promise<Buffer | string> =>
    this.#later(`read ${path}`, () =>
      readAs(this.#file(path).bytes, typeof options === "string" ? options : options?.encoding),
    );

  readonly writeFile = (path: string, content: Content): Promise<void> =>
    this.#later(`write ${path}`, () => {
      const found = this.#disk.find(path);
      const file = found?.kind === "file" ? found : this.#create(path);
      this.#disk.write(file, bytesOf(content), path);
    });

  readonly truncate = (path: string, length = 0): Promise<void> =>
    this.#later(`truncate ${path}`, () => this.#cut(this.#file(path), length, path));

  readonly rename = (from: string, to: string): Promise<void> =>
    this.#later(`rename ${from} ${to}`, () => this.#disk.rename(from, to));

  readonly symlink = (target: string, path: string): Promise<void> =>
    this.#later(`symlink ${path}`, () => {
      if (this.#disk.findLink(path) !== undefined) throw new DiskError("EEXIST", path);
      this.#disk.put(path, { kind: "link", target });
    });

  readonly readlink = (path: string): Promise<string> =>
    this.#later(`readlink ${path}`, () => {
      const found = this.#disk.findLink(path);
      if (found === undefined) throw new DiskError("ENOENT", path);
      if (found.kind !== "link") throw new DiskError("EINVAL", path);
      return found.target;
    });

  readonly rm = (path: string, options: { recursive?: boolean; force?: boolean } = {}): Promise<void> =>
    this.#later(`rm ${path}`, () => {
      const found = this.#disk.findLink(path);
      if (found === undefined) {
        if (options.force === true) return;
        throw new DiskError("ENOENT", path);
      }
      if (found.kind === "folder" && options.recursive !== true) throw new DiskError("ERR_FS_EISDIR", path);
      this.#disk.remove(path);
    });

  readonly unlink = (path: string): Promise<void> => this.rm(path);

  readonly readdir = (path: string): Promise<string[]> =>
    this.#later(`readdir ${path}`, () => {
      const found = this.#existing(path);
      if (found.kind !== "folder") throw new DiskError("ENOTDIR", path);
      return [...(found satisfies FolderNode).entries.keys()].sort();
    });

  readonly stat = (path: string): Promise<Stats> =>
    this.#later(`stat ${path}`, () => statsOf(this.#existing(path)));

  readonly lstat = (path: string): Promise<Stats> =>
    this.#later(`lstat ${path}`, () => {
      const found = this.#disk.findLink(path);
      if (found === undefined) throw new DiskError("ENOENT", path);
      return statsOf(found);
    });

  readonly access = (path: string): Promise<void> =>
    this.#later(`access ${path}`, () => void this.#existing(path));
}

function statsOf(node: Node): Stats {
  return {
    size: node.kind === "file" ? node.bytes.byteLength : 0,
    isFile: () => node.kind === "file",
    isDirectory: () => node.kind === "folder",
    isSymbolicLink: () => node.kind === "link",
  };
}

function bytesOf(content: Content): Uint8Array {
  return typeof content === "string" ? new TextEncoder().encode(content) : new Uint8Array(content);
}

function readAs(bytes: Uint8Array, encoding: string | undefined): Buffer | string {
  // A copy, which begins at a multiple of eight, as what the real one reads does.
  const copy = Buffer.from(new Uint8Array(bytes).buffer);
  return encoding === undefined ? copy : copy.toString("utf8");
}
