/** A sweep with its directory: what conducts it knows no disk, and this decides nothing. */
import { relative } from "node:path";
import { ClusterError, wordsOf } from "../shared/errors.js";
import { makeFolder } from "../shared/io/folders.js";
import { realClock } from "../shared/io/real-clock.js";
import { storageError } from "../shared/io/atomic-file.js";
import type { DirectoryLocks } from "./io/directory-locks.js";
import { DiskStorage } from "./io/run-storage.js";
import {
  SweepJournal,
  type SweepOnDisk,
  newlyOutside,
  readSweep,
  writeSweepSpec,
} from "./io/sweep-directory.js";
import { StatesOnDisk } from "./io/trial-states.js";
import { RunEngines } from "./runs/engines.js";
import { resultsOf } from "./sweeps/results-of.js";
import { writeSweepResultsAside } from "./results/sweep/results-thread.js";
import { RESULTS_CODE } from "./sweeps/results-code.js";
import { type SweepContext, type SweepEnd, type SweepOptions, conductSweep } from "./sweeps/conduct-sweep.js";
import type { Space } from "./sweeps/space.js";

export interface SweepSetting {
  space: Space;
  /** Finished trials that the present spec does not make are left out; else they are a reason to stop. */
  isForced: boolean;
}

export interface LeadContext extends Omit<SweepContext, "disk" | "writeResults"> {
  locks: DirectoryLocks;
}

type PreparedOptions = SweepOptions & Pick<SweepSetting, "isForced">;

/**
 * Throws ClusterError: "config" (finished trials of another spec), "data" (its journal), "dependency" (somebody else writes
 * there, no worker came), "storage".
 */
export async function leadSweep(
  options: PreparedOptions,
  { locks, ...context }: LeadContext,
): Promise<SweepEnd> {
  const { directory } = options;
  await makeFolder(directory).catch((cause: unknown) => {
    throw storageError(`create the sweep's folder ${directory}`, cause);
  });
  const warn = (message: string): void => context.events.note("warning", message);
  const refused = new AbortController();
  const onError = (error: Error): void => refused.abort(error);
  const edges = { locks, clock: realClock, onError };
  const { journal, prepared } = await SweepJournal.openBehind(directory, edges, () => prepare(options));
  const { book, notes } = prepared;
  try {
    notes.forEach(warn);
    const home = new DiskStorage(directory, realClock, locks);
    await home.writeJson("env.json", context.environment());
    const states = await StatesOnDisk.open(directory);
    // Of a process that was killed between a decision and what followed from it.
    for (const place of states.stored())
      if (!book.isWanted(place.trial, place.rung)) await states.remove(place);
    const disk = {
      ...{ book, states, refused: refused.signal },
      append: journal.append.bind(journal),
      flush: journal.flush.bind(journal),
      engines: await RunEngines.open(home, false),
    };
    return await conductSweep(options, { ...context, disk, writeResults: () => writeResults(options) });
  } finally {
    await journal.close();
  }
}

/** The sweep as it is there; from here on it is searched as this spec says. Throws ClusterError: "config", "data", "storage". */
async function prepare({ directory, space, isForced }: PreparedOptions): Promise<SweepOnDisk> {
  const found = await readSweep(directory, { space, code: RESULTS_CODE });
  refuseOutside(found, directory, isForced);
  await writeSweepSpec(directory, { ...space.spec, base: { ...space.settings } as typeof space.spec.base });
  return found;
}

/** Throws ClusterError: they are what the sweep is for. The journal has all that they are made of. */
async function writeResults({ directory, space }: SweepOptions): Promise<void> {
  try {
    const sweep = await readSweep(directory, { space, code: RESULTS_CODE });
    await writeSweepResultsAside(directory, resultsOf(sweep, asTyped(directory)));
  } catch (error) {
    const { code, hint } = error instanceof ClusterError ? error : new ClusterError("unexpected", "");
    throw new ClusterError(
      code,
      `The trials are safe in ${directory}, but their results are not written: ${wordsOf(error)}`,
      { cause: error, ...(hint === undefined ? {} : { hint }) },
    );
  }
}

/** As the commands of the page are to name it: `saf report` writes the same. */
function asTyped(directory: string): string {
  const short = relative(process.cwd(), directory);
  return short.startsWith("..") || short === "" ? directory : short;
}

function changesText({ changes }: SweepOnDisk): string {
  return changes.length === 0 ? "" : `; other than before: ${changes.join("; ")}`;
}

/** Nothing is lost by a change of the spec, but what was paid for would silently not count. */
function refuseOutside(sweep: SweepOnDisk, directory: string, isForced: boolean): void {
  const outside = newlyOutside(sweep);
  if (outside.length === 0 || isForced) return;
  const names = outside.slice(0, 5).map(({ trial, number }) => `${number} (${trial})`);
  const more = outside.length > names.length ? ` and ${outside.length - names.length} more` : "";
  throw new ClusterError(
    "config",
    `The spec makes ${outside.length} of the measured trials in ${directory} no more: ${names.join(", ")}${more}${changesText(sweep)}`,
    { hint: "--force leaves them out of the ranking, and in the journal; another --out or name begins anew" },
  );
}
