/**
 * Folders with those above them, as `mkdir -p` makes them: the one place that does. Node's own `recursive` never returns
 * where the parent is there and yet nothing can be made in it: in /proc, say, or in a folder that was removed.
 */
import { mkdirSync, statSync } from "node:fs";
import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { codeIn } from "../errors.js";

export interface FolderOptions {
  /** Rights of the folders that are made; what the umask leaves by itself. */
  mode?: number;
}

/** Does nothing where it is there. Throws the system's error. */
export async function makeFolder(path: string, options: FolderOptions = {}): Promise<void> {
  try {
    await mkdir(path, options);
  } catch (error) {
    if (codeIn(error) === "EEXIST" && (await stat(path)).isDirectory()) return;
    if (!lacksParent(path, error)) throw error;
    await makeFolder(dirname(path), options);
    await mkdir(path, options).catch(unlessThere);
  }
}

/** The same, at once. */
export function makeFolderSync(path: string, options: FolderOptions = {}): void {
  try {
    mkdirSync(path, options);
  } catch (error) {
    if (codeIn(error) === "EEXIST" && statSync(path).isDirectory()) return;
    if (!lacksParent(path, error)) throw error;
    makeFolderSync(dirname(path), options);
    try {
      mkdirSync(path, options);
    } catch (again) {
      unlessThere(again);
    }
  }
}

function lacksParent(path: string, error: unknown): boolean {
  return codeIn(error) === "ENOENT" && dirname(path) !== path;
}

/** Somebody else may have made it in the meantime. */
function unlessThere(error: unknown): void {
  if (codeIn(error) !== "EEXIST") throw error;
}
