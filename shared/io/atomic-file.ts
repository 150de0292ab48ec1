/** Files and folders that are whole or absent, after a kill at any instant: written aside, fsynced, renamed. */
import { open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { ClusterError, codeIn, hintOf, wordsOf } from "../errors.js";
import { makeFolder } from "./folders.js";

let begun = 0;

/** A name of its own for every writing: two at the same time must not write into each other. */
function asideOf(path: string): string {
  return join(dirname(path), `.${basename(path)}.${process.pid}-${begun++}.part`);
}

/** Throws ClusterError("storage") naming the file; the old content stays. */
export async function writeFileAtomic(file: string, content: string | Uint8Array): Promise<void> {
  const aside = asideOf(file);
  try {
    await writeSynced(aside, content);
    await rename(aside, file);
    await syncDirectory(dirname(file));
  } catch (cause) {
    await rm(aside, { force: true }).catch(() => undefined);
    throw storageError(`write ${file}`, cause);
  }
}

/**
 * A folder with these files (folders inside it too: "a/b"), all or nothing. One of that name is removed first: a kill right then leaves neither, so
 * replace only what is worth nothing.
 */
export async function writeDirectoryAtomic(
  directory: string,
  files: Record<string, string | Uint8Array>,
): Promise<void> {
  const aside = asideOf(directory);
  try {
    await makeFolder(aside);
    for (const [name, content] of Object.entries(files)) {
      await makeFolder(dirname(join(aside, name)));
      await writeSynced(join(aside, name), content);
    }
    await syncDirectory(aside);
    await rm(directory, { recursive: true, force: true });
    await rename(aside, directory);
    await syncDirectory(dirname(directory));
  } catch (cause) {
    await rm(aside, { recursive: true, force: true }).catch(() => undefined);
    throw storageError(`write ${directory}`, cause);
  }
}

async function writeSynced(file: string, content: string | Uint8Array): Promise<void> {
  const handle = await open(file, "w");
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** What file systems answer that know no fsync of a folder: then names are as safe there as they get. */
const NO_FOLDER_SYNC: readonly string[] = ["EINVAL", "ENOTSUP", "ENOSYS", "EISDIR", "EPERM"];

/** Makes the names in a folder safe. */
export async function syncDirectory(directory: string): Promise<void> {
  const ignoreMissing = (error: NodeJS.ErrnoException): undefined => {
    if (NO_FOLDER_SYNC.includes(error.code ?? "")) return undefined;
    throw error;
  };
  const handle = await open(directory, "r").catch(ignoreMissing);
  try {
    await handle?.sync().catch(ignoreMissing);
  } finally {
    await handle?.close();
  }
}

/** What only somebody who knows the folder's name can say of it. */
const FOLDER_HINTS: Readonly<Record<string, string>> = {
  EROFS: "the folder cannot be written: choose another one by --runs (a coordinator: --out)",
  EACCES: "the folder cannot be written: choose another one by --runs (a coordinator: --out)",
  EEXIST: "something else has that name: move it away, or choose another folder",
  ENOTDIR: "a file is in the place of a folder: move it away, or choose another folder",
  EISDIR: "a folder is in the place of a file: move it away, or choose another folder",
};

export function storageError(action: string, cause: unknown): ClusterError {
  const hint = FOLDER_HINTS[codeIn(cause) ?? ""] ?? hintOf(cause);
  return new ClusterError("storage", `Cannot ${action}: ${wordsOf(cause)}`, {
    cause,
    ...(hint === undefined ? {} : { hint }),
  });
}
