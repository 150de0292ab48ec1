/** What changes a sweep by hand: cancel, take that back, let failed trials try again. The journal has one writer: under its lock. */
import { existsSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { DirectoryLocks, writerOf } from "../../coordinator/io/directory-locks.js";
import { realProcesses } from "../../coordinator/io/process-mark.js";
import { QUEUE_FILE } from "../../coordinator/io/queue-disk.js";
import { SweepJournal, readSweep } from "../../coordinator/io/sweep-directory.js";
import type { SweepBook } from "../../coordinator/sweeps/book.js";
import { pause } from "../../shared/clock.js";
import { ClusterError } from "../../shared/errors.js";
import { realClock } from "../../shared/io/real-clock.js";
import type { SweepLine } from "../../shared/records/sweep-line.js";
import { printResult, shown } from "./output.js";
import { sweepFolder, sweepNamed, trialNamed } from "./sweep-place.js";
import type { LookFlags } from "./sweep-look.js";

/** A coordinator that was told to end finishes what is being computed. */
const END_MS = 120_000;
const LOOK_MS = 200;

/** Throws ClusterError: "usage" for a folder that holds no sweep, "dependency" where another machine works on it. */
export async function cancelSweep(folder: string | undefined, flags: LookFlags): Promise<void> {
  const { runs, json } = flags;
  const directory = await sweepFolder(sweepNamed(folder, flags), runs);
  await refuseSubmitted(directory);
  const stopped = await stopWriter(directory);
  let isOver = false;
  const lines = await change(directory, (book, timeS) => {
    // What is over stays as it is: a mark would only stand in the way of an extended file.
    isOver = !book.summary().isCancelled && book.isOver(timeS);
    return isOver ? [] : book.cancel(timeS);
  });
  const isNew = lines.length > 0;
  if (json === true)
    printResult({
      ...{ directory, cancelled: !isOver, was_cancelled: !isNew && !isOver, is_over: isOver },
      stopped_process: stopped ?? null,
    });
  else if (isOver) process.stderr.write(`${shown(directory)} is over: there is nothing to cancel\n`);
  else {
    process.stderr.write(
      `${shown(directory)} ${isNew ? "is cancelled" : "was cancelled already"}: no more trials begin\n`,
    );
    process.stderr.write(`go on with   npx saf sweep resume ${shown(directory)}\n`);
  }
}

/** The process that works on a submission has others too: its pool is asked, not ended. Throws ClusterError("usage"). */
async function refuseSubmitted(directory: string): Promise<void> {
  const queue = dirname(directory);
  if (!existsSync(join(queue, QUEUE_FILE)) || (await writerOf(queue)) === undefined) return;
  throw new ClusterError("usage", `${shown(directory)} was submitted to a pool that works on it or will`, {
    hint: `end it by   npx saf cancel ${basename(directory)}`,
  });
}

/** The number of the process that was told to end, and has; undefined where none works on it. */
async function stopWriter(directory: string): Promise<number | undefined> {
  const writer = await writerOf(directory);
  if (writer === undefined || !writer.isHere) return undefined;
  process.stderr.write(`process ${writer.pid} works on it: it finishes what is being computed\n`);
  process.kill(writer.pid, "SIGINT");
  for (const end = realClock.now() + END_MS; realClock.now() < end; await pause(realClock, LOOK_MS))
    if ((await writerOf(directory))?.pid !== writer.pid) return writer.pid;
  throw new ClusterError("dependency", `Process ${writer.pid} did not end within ${END_MS / 1000} s`, {
    hint: "end it, and cancel again",
  });
}

export interface ChangeFlags {
  failed?: true;
  trial: string[];
}

/** Returns how many trials may try again. Throws ClusterError("usage") where none may. */
export async function retry(directory: string, { failed, trial: names }: ChangeFlags): Promise<number> {
  if (failed !== true && names.length === 0) {
    throw new ClusterError(
      "usage",
      "Which trials are to be tried again? --failed: all that failed; --trial ID: one",
    );
  }
  const lines = await change(directory, (book, timeS) => {
    if (failed === true) return book.retry("failed", timeS);
    const rows = book.rows();
    return book.retry(
      names.map((name) => trialNamed(name, rows).trial),
      timeS,
    );
  });
  const count = lines.filter(({ kind }) => kind === "retry").length;
  if (count > 0) return count;
  throw new ClusterError(
    "usage",
    `None of ${failed === true ? "the trials" : "these trials"} of ${shown(directory)} has failed`,
  );
}

export async function takeBackCancel(directory: string): Promise<void> {
  await change(directory, (book, timeS) => (book.summary().isCancelled ? book.resume(timeS) : []));
}

/** Throws ClusterError("dependency") naming the process that works on the sweep. */
async function change(
  directory: string,
  linesFor: (book: SweepBook, timeS: number) => SweepLine[],
): Promise<SweepLine[]> {
  const failure = (error: Error): never => {
    throw error;
  };
  const clock = realClock;
  const wallClock = (): number => Date.now();
  const locks = new DirectoryLocks({ clock, wallClock, processes: realProcesses, onLost: failure });
  const journal = await SweepJournal.open(directory, { locks, clock, onError: () => undefined });
  try {
    const lines = linesFor((await readSweep(directory)).book, wallClock() / 1000);
    journal.append(lines);
    return lines;
  } finally {
    await journal.close();
  }
}
