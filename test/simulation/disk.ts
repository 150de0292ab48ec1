/**
 * A disk as a process sees it, and what a crash leaves of it: what was fsynced, and a beginning of what was not, torn in
 * the middle of a write. Names (created, renamed, removed) become durable in their order, with the next fsync of anything,
 * as on a file system with a journal.
 */
import type { Draws } from "./draws.js";

export interface FileNode {
  kind: "file";
  /** What reads see now. */
  bytes: Uint8Array;
  /** What an fsync has made safe. */
  safe: Uint8Array;
  /** Contents after each write since then. */
  unsafe: Uint8Array[];
}

export interface FolderNode {
  kind: "folder";
  entries: Map<string, Node>;
  safe: Map<string, Node>;
}

export interface LinkNode {
  kind: "link";
  target: string;
}

export type Node = FileNode | FolderNode | LinkNode;

/** A change of names that is not safe yet. */
type Change = () => void;

export class DiskError extends Error {
  readonly code: string;

  constructor(code: string, path: string) {
    super(`${code}: simulated, '${path}'`);
    this.name = "DiskError";
    this.code = code;
  }
}

const MOST_LINKS = 8;

export class SimulatedDisk {
  readonly root: FolderNode = folder();
  readonly #draws: Draws;
  #changes: Change[] = [];
  /** Files that were appended to, and the end of which is not safe. */
  readonly #appended = new Set<FileNode>();
  isFull = false;

  constructor(draws: Draws) {
    this.#draws = draws;
  }

  /** May a crash now tear the end of a file? */
  get isAppended(): boolean {
    return this.#appended.size > 0;
  }

  // ---- Looking ----------------------------------------------------------------------------------------------------

  /** The node at a path, links followed. */
  find(path: string): Node | undefined {
    return this.#walk(partsOf(path), true, MOST_LINKS);
  }

  /** The node at a path, a link at its end as it is. */
  findLink(path: string): Node | undefined {
    return this.#walk(partsOf(path), false, MOST_LINKS);
  }

  #walk(parts: readonly string[], followLast: boolean, links: number): Node | undefined {
    let node: Node = this.root;
    for (const [i, part] of parts.entries()) {
      if (node.kind !== "folder") return undefined;
      const next: Node | undefined = node.entries.get(part);
      if (next === undefined) return undefined;
      if (next.kind === "link" && (i < parts.length - 1 || followLast)) {
        if (links === 0) return undefined;
        const target = [...parts.slice(0, i), ...next.target.split("/"), ...parts.slice(i + 1)];
        return this.#walk(plain(target), followLast, links - 1);
      }
      node = next;
    }
    return node;
  }

  folderOf(path: string): { folder: FolderNode; name: string } {
    const parts = partsOf(path);
    const name = parts.pop();
    const found = this.#walk(parts, true, MOST_LINKS);
    if (name === undefined || found === undefined) throw new DiskError("ENOENT", path);
    if (found.kind !== "folder") throw new DiskError("ENOTDIR", path);
    return { folder: found, name };
  }

  // ---- Changing names ---------------------------------------------------------------------------------------------

  put(path: string, node: Node): void {
    const { folder: at, name } = this.folderOf(path);
    at.entries.set(name, node);
    this.#changes.push(() => at.safe.set(name, node));
  }

  remove(path: string): void {
    const { folder: at, name } = this.folderOf(path);
    at.entries.delete(name);
    this.#changes.push(() => at.safe.delete(name));
  }

  /** One change, seen whole or not at all. */
  rename(from: string, to: string): void {
    const [source, target] = [this.folderOf(from), this.folderOf(to)];
    const node = source.folder.entries.get(source.name);
    if (node === undefined) throw new DiskError("ENOENT", from);
    const there = target.folder.entries.get(target.name);
    if (there?.kind === "folder" && (node.kind !== "folder" || there.entries.size > 0))
      throw new DiskError(node.kind === "folder" ? "ENOTEMPTY" : "EISDIR", to);
    source.folder.entries.delete(source.name);
    target.folder.entries.set(target.name, node);
    this.#changes.push(() => {
      source.folder.safe.delete(source.name);
      target.folder.safe.set(target.name, node);
    });
  }

  // ---- Changing files ---------------------------------------------------------------------------------------------

  /** Replaces what a file holds. With a full disk only a part of what is new gets there. */
  write(file: FileNode, bytes: Uint8Array, path: string): void {
    const isLonger = bytes.byteLength > file.bytes.byteLength;
    const fits =
      this.isFull && isLonger ? this.#draws.whole(file.bytes.byteLength, bytes.byteLength - 1) : Infinity;
    file.bytes = bytes.slice(0, Math.min(fits, bytes.byteLength));
    file.unsafe.push(file.bytes);
    if (isLonger && file.safe.byteLength > 0) this.#appended.add(file);
    if (fits < bytes.byteLength) throw new DiskError("ENOSPC", path);
  }

  /** Makes a file's content, and all names so far, safe. */
  sync(node: Node): void {
    if (node.kind === "file") {
      node.safe = node.bytes;
      node.unsafe = [];
      this.#appended.delete(node);
    }
    for (const change of this.#changes.splice(0)) change();
  }

  /** The machine loses its power, or the process is killed: what is left afterwards is what the next one finds. */
  crash(): void {
    const kept = this.#draws.whole(0, this.#changes.length);
    for (const change of this.#changes.slice(0, kept)) change();
    this.#changes = [];
    this.#appended.clear();
    this.#settle(this.root);
  }

  #settle(node: Node): void {
    if (node.kind === "file") this.#tear(node);
    if (node.kind !== "folder") return;
    node.entries = new Map(node.safe);
    for (const inside of node.entries.values()) this.#settle(inside);
  }

  /** Some of the writes got there, the next one perhaps in part. */
  #tear(file: FileNode): void {
    const versions = [file.safe, ...file.unsafe];
    const at = this.#draws.whole(0, versions.length - 1);
    const whole = versions[at] as Uint8Array;
    const next = versions[at + 1];
    const grows = next !== undefined && next.byteLength > whole.byteLength && startsWith(next, whole);
    const torn = grows ? next.slice(0, this.#draws.whole(whole.byteLength, next.byteLength)) : whole;
    file.bytes = torn;
    file.safe = torn;
    file.unsafe = [];
  }
}

function startsWith(bytes: Uint8Array, beginning: Uint8Array): boolean {
  return Buffer.compare(bytes.subarray(0, beginning.byteLength), beginning) === 0;
}

export function folder(): FolderNode {
  return { kind: "folder", entries: new Map(), safe: new Map() };
}

export function emptyFile(): FileNode {
  return { kind: "file", bytes: new Uint8Array(), safe: new Uint8Array(), unsafe: [] };
}

function partsOf(path: string): string[] {
  return plain(path.split("/"));
}

/** Without empty parts, "." and "..". */
function plain(parts: readonly string[]): string[] {
  const found: string[] = [];
  for (const part of parts) {
    if (part === "..") found.pop();
    else if (part !== "" && part !== ".") found.push(part);
  }
  return found;
}
