/** A sweep with its directory: what conducts it knows no disk, and this decides nothing. */
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

/**
 * Throws ClusterError: "config" (finished trials of another spec), "data" (its journal), "dependency" (somebody else writes
 * there, no worker came), "storage".
 */
export async function leadSweep(
  options: SweepOptions & Pick<SweepSetting, "isForced">,
  { locks, ...context }: LeadContext,
): Promise<SweepEnd> {
  const { directory, space } = options;
  await makeFolder(directory).catch((cause: unknown) => {
    throw storageError(`create the sweep's folder ${directory}`, cause);
  });
  const warn = (message: string): void => context.events.note("warning", message);
  const onError = ({ message }: Error): void => warn(message);
  const journal = await SweepJournal.open(directory, { locks, clock: realClock, onError });
  try {
    const found = await readSweep(directory, { space, code: RESULTS_CODE });
    found.notes.forEach(warn);
    refuseOutside(found, directory, options.isForced);
    await writeSweepSpec(directory, { ...space.spec, base: { ...space.settings } as typeof space.spec.base });
    const home = new DiskStorage(directory, realClock, locks);
    await home.writeJson("env.json", context.environment());
    const states = await StatesOnDisk.open(directory);
    // Of a process that was killed between a decision and what followed from it.
    for (const place of states.stored())
      if (!found.book.isWanted(place.trial, place.rung)) await states.remove(place);
    const disk = {
      book: found.book,
      append: journal.append.bind(journal),
      flush: journal.flush.bind(journal),
      states,
      engines: await RunEngines.open(home, false),
    };
    return await conductSweep(options, { ...context, disk, writeResults: () => writeResults(options, warn) });
  } finally {
    await journal.close();
  }
}

/** The journal has all of it: a report that cannot be written costs nothing but itself, and can be made later. */
async function writeResults(
  { directory, space }: SweepOptions,
  warn: (message: string) => void,
): Promise<void> {
  try {
    const sweep = await readSweep(directory, { space, code: RESULTS_CODE });
    await writeSweepResultsAside(directory, resultsOf(sweep, directory));
  } catch (error) {
    warn(`No report was written: ${wordsOf(error)}; saf report ${directory} tries again`);
  }
}

/** Nothing is lost by a change of the spec, but what was paid for would silently not count. */
function refuseOutside(sweep: SweepOnDisk, directory: string, isForced: boolean): void {
  const outside = newlyOutside(sweep);
  if (outside.length === 0 || isForced) return;
  const names = outside.slice(0, 5).map(({ trial, number }) => `${number} (${trial})`);
  const more = outside.length > names.length ? ` and ${outside.length - names.length} more` : "";
  throw new ClusterError(
    "config",
    `The spec makes ${outside.length} of the measured trials in ${directory} no more: ${names.join(", ")}${more}`,
    { hint: "--force leaves them out of the ranking, and in the journal; another --out or name begins anew" },
  );
}
