/**
 * What stands in the way of a run directory, looked at before anything is begun or written: a file in the place of a folder
 * or the other way round, a folder that cannot be written.
 */
import { accessSync, constants, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { ClusterError } from "../../shared/errors.js";
import { storageError } from "../../shared/io/atomic-file.js";

const FOLDERS = ["checkpoints", "eval", "logs", "plots", "runs.d"];
const FILES = [
  ...["config.yaml", "env.json", "lock.json", "term.json", "status.json", "result.json", "results.json"],
  ...["ledger.jsonl", "metrics.jsonl", "log.jsonl", "error.json", "report.html"],
];

/** What a directory is for: one of them never writes into another one's. */
export type PlaceKind = "run" | "sweep" | "queue";

const KIND_WORDS: Readonly<Record<PlaceKind, string>> = {
  run: "a run",
  sweep: "a sweep",
  queue: "a pool's submissions",
};

/** Of a run, or of several runs beside each other. */
const OF_RUN = ["config.yaml", "ledger.jsonl", "checkpoints", "result.json", "status.json"];
/** Whoever started there and wrote nothing yet leaves these. */
const OF_START = [
  ...["runs.d", "logs", "log.jsonl", "lock.json", "live.json", "term.json", "env.json", "error.json"],
  ...["engines.json", "trials", "lost+found"],
];

/** What is kept there; "nothing" of an empty folder and of none, "other" where it is nothing of ours. */
export function keptAt(path: string): PlaceKind | "nothing" | "other" {
  const names = namesIn(path);
  const has = (...some: readonly string[]): boolean => some.some((name) => names.includes(name));
  const handed = namesIn(join(path, "runs.d")).filter((name) => name.endsWith(".yaml"));
  if (has("sweep.jsonl", "sweep.yaml") || handed.includes("sweep.yaml")) return "sweep";
  if (has("queue.jsonl")) return "queue";
  if (has(...OF_RUN) || handed.length > 0) return "run";
  return names.every((name) => OF_START.includes(name) || name.startsWith(".")) ? "nothing" : "other";
}

/** Throws ClusterError("usage") where something else is kept: what it found would be written over. */
export function refuseOtherWork(path: string, kind: PlaceKind): void {
  const kept = keptAt(path);
  if (kept === kind || kept === "nothing") return;
  // A run's folder may be anywhere, and its files may be prepared by hand.
  if (kept === "other" && kind !== "sweep") return;
  const what = kept === "other" ? "files that are no sweep's" : KIND_WORDS[kept];
  throw new ClusterError("usage", `Cannot keep ${KIND_WORDS[kind]} in ${path}: the folder holds ${what}`, {
    hint: "choose another folder",
  });
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

/**
 * Can a directory of this kind be made or continued at `path`? Throws ClusterError: "usage" where something else is kept there,
 * "storage" naming what stands in the way.
 */
export function checkRunDirectory(path: string, kind: PlaceKind): void {
  refuseOtherWork(path, kind);
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
