/** Which sweep a command means, and which of its trials. */
import { existsSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { realDirectory } from "../../coordinator/io/run-directory.js";
import { SWEEP_FILE, SWEEP_JOURNAL_FILE } from "../../coordinator/io/sweep-directory.js";
import { trialsMeant } from "../../coordinator/sweeps/trial-named.js";
import type { TrialRow } from "../../shared/records/sweep-line.js";
import { ClusterError } from "../../shared/errors.js";
import { ID_LETTERS } from "../../shared/trial-name.js";
import { shown } from "./output.js";
import { quote } from "./quote.js";

/** A sweep is named as an argument or by --sweep, for whichever command. Throws ClusterError("usage") where both name one. */
export function sweepNamed(
  folder: string | undefined,
  { sweep }: { sweep?: string | undefined },
): string | undefined {
  if (folder !== undefined && sweep !== undefined && folder !== sweep)
    throw new ClusterError("usage", `Which sweep is meant, ${quote(folder)} or ${quote(sweep)}? Name one`);
  return folder ?? sweep;
}

/** Another command can go on there. */
export function isSweepFolder(directory: string): boolean {
  return [SWEEP_FILE, SWEEP_JOURNAL_FILE].every((name) => existsSync(join(directory, name)));
}

/** Where no such path is there, the sweep of that name in `runs`: for commands that take runs too. */
export function orSweepIn(runs: string, path: string): string {
  const named = join(runs, path);
  return !existsSync(path) && isSweepFolder(named) ? named : path;
}

/**
 * The folder that was given, or the one of that name in `runs`; without one, `latest` of `runs` where that is a sweep, or the
 * newest one there. Throws ClusterError("usage").
 */
export async function sweepFolder(given: string | undefined, runs: string): Promise<string> {
  if (given !== undefined) {
    const found = [given, join(runs, given)].find(isSweepFolder);
    if (found !== undefined) return realDirectory(found);
    const lacks = existsSync(join(given, SWEEP_JOURNAL_FILE)) ? SWEEP_FILE : SWEEP_JOURNAL_FILE;
    throw new ClusterError("usage", `${given} holds no sweep: it has no ${lacks}`, {
      hint: "`saf sweep run FILE` begins one, and goes on with one that was cut off as it began",
    });
  }
  const latest = join(runs, "latest");
  if ((await journalTime(latest)) !== undefined) return realDirectory(latest);
  const newest = await newestIn(runs);
  if (newest !== undefined) return newest;
  throw new ClusterError("usage", `There is no sweep in ${shown(resolve(runs))}`, {
    hint: "give its folder, or where to look for it by --runs; a sweep is begun by `saf sweep run FILE`",
  });
}

async function newestIn(runs: string): Promise<string | undefined> {
  const names = await readdir(runs).catch(() => []);
  const found = await Promise.all(
    names.map(async (name) => ({ name, time: (await journalTime(join(runs, name))) ?? -1 })),
  );
  const [newest] = found.filter(({ time }) => time >= 0).sort((a, b) => b.time - a.time);
  return newest === undefined ? undefined : realDirectory(join(runs, newest.name));
}

/** When the journal was last written, in ms; undefined where there is no sweep. */
async function journalTime(directory: string): Promise<number | undefined> {
  if (!isSweepFolder(directory)) return undefined;
  return stat(join(directory, SWEEP_JOURNAL_FILE)).then(
    ({ mtimeMs }) => mtimeMs,
    () => undefined,
  );
}

/** By the beginning of its id, or by its number (`#12` where both could be meant). Throws ClusterError("usage") where there is none, or more than one. */
export function trialNamed(name: string, rows: readonly TrialRow[]): TrialRow {
  const found = trialsMeant(name, rows);
  const [only, another] = found;
  if (only !== undefined && another === undefined) return only;
  if (only === undefined) {
    throw new ClusterError("usage", `There is no trial ${quote(name)} in this sweep of ${rows.length}`, {
      hint: "`saf sweep results` lists them: the beginning of an id, or a number",
    });
  }
  const some = found.slice(0, 3).map(({ trial }) => trial.slice(0, Math.max(ID_LETTERS, name.length + 2)));
  throw new ClusterError("usage", `${found.length} trials are meant by ${quote(name)}: ${some.join(", ")} …`);
}
