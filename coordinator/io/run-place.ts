/**
 * What stands in the way of a run directory, looked at before anything is begun or written: a file in the place of a folder
 * or the other way round, a folder that cannot be written.
 */
import { accessSync, constants, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { storageError } from "../../shared/io/atomic-file.js";

const FOLDERS = ["checkpoints", "eval", "logs", "plots", "runs.d"];
const FILES = [
  ...["config.yaml", "env.json", "lock.json", "term.json", "status.json", "result.json", "results.json"],
  ...["ledger.jsonl", "metrics.jsonl", "log.jsonl", "error.json", "report.html"],
];

/** Can a run directory be made or continued at `path`? Throws ClusterError("storage") naming what stands in the way. */
export function checkRunDirectory(path: string): void {
  const isThere = kindOf(path) !== "nothing";
  for (const name of isThere ? FOLDERS : []) expectFolder(join(path, name));
  for (const name of isThere ? FILES : [])
    if (kindOf(join(path, name)) === "folder")
      throw storageError(`write ${join(path, name)}`, systemError("EISDIR", "it is a folder"));
  const nearest = nearestThere(path);
  expectFolder(nearest);
  try {
    accessSync(nearest, constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw storageError(
      isThere ? `write the run directory ${path}` : `create the run directory ${path}`,
      cause,
    );
  }
}

/** Where something has to be made for `path` to be there. */
function nearestThere(path: string): string {
  for (let at = path; ; at = dirname(at)) if (kindOf(at) !== "nothing" || dirname(at) === at) return at;
}

function expectFolder(path: string): void {
  if (kindOf(path) === "file")
    throw storageError(`use ${path} as a folder`, systemError("ENOTDIR", "it is a file"));
}

/** By whatever link it is named. */
function kindOf(path: string): "folder" | "file" | "nothing" {
  try {
    return statSync(path).isDirectory() ? "folder" : "file";
  } catch {
    return "nothing";
  }
}

function systemError(code: string, message: string): NodeJS.ErrnoException {
  return Object.assign(new Error(message), { code });
}
