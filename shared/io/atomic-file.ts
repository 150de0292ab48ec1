/** Files and folders that are whole or absent, after a kill at any instant: written aside, fsynced, renamed. */
import { mkdir, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { ClusterError, codeIn, wordsOf } from "../errors.js";

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
    await mkdir(aside, { recursive: true });
    for (const [name, content] of Object.entries(files)) {
      await mkdir(dirname(join(aside, name)), { recursive: true });
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

export function storageError(action: string, cause: unknown): ClusterError {
  const code = codeIn(cause);
  const hint =
    code === "ENOSPC"
      ? "the disk is full: free some space; what was written before is intact"
      : code === "EROFS" || code === "EACCES"
        ? "the folder cannot be written: choose another one by --runs (a coordinator: --out)"
        : undefined;
  return new ClusterError("storage", `Cannot ${action}: ${wordsOf(cause)}`, {
    cause,
    ...(hint === undefined ? {} : { hint }),
  });
}
