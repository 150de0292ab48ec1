/**
 * A sweep on the disk: `sweep.yaml`, what is searched, and `sweep.jsonl`, what happened. Whoever reads writes nothing and needs
 * no lock; the one writer holds the directory's lock from before it reads until it has closed the journal.
 */
import { join } from "node:path";
import type { Clock } from "../../shared/clock.js";
import type { SweepSpec } from "../../shared/config/sweep.js";
import { ClusterError } from "../../shared/errors.js";
import { scanJsonLines } from "../../shared/io/json-lines.js";
import {
  type OpenedLine,
  SWEEP_JOURNAL_VERSION,
  type SweepLine,
  type TrialRow,
  isSweepLine,
} from "../../shared/records/sweep-line.js";
import { baseChanges } from "../sweeps/base-changes.js";
import { specHash } from "../sweeps/belonging.js";
import { SweepBook } from "../sweeps/book.js";
import type { Space } from "../sweeps/space-shape.js";
import type { DirectoryLocks } from "./directory-locks.js";
import { Journal } from "./journal.js";
import { readSweepSpace, readSweepSpec } from "./sweep-spec.js";

export { SWEEP_FILE, readSweepSpec, writeSweepSpec } from "./sweep-spec.js";
export const SWEEP_JOURNAL_FILE = "sweep.jsonl";

export interface SweepOnDisk {
  spec: SweepSpec;
  space: Space;
  book: SweepBook;
  /** Lines that count, in their order. */
  lines: readonly SweepLine[];
  /** By each process that worked on it, oldest first. */
  opened: readonly OpenedLine[];
  /** Version of the code that `book` was made for. */
  code: string;
  /** What the present spec and code have otherwise than those that worked on it last, of what decides all trials' numbers. */
  changes: readonly string[];
  /** What was left out of the journal, and why; empty when nothing was. */
  notes: readonly string[];
}

/** What is searched, and by which code, when it is not what the directory says. */
export interface Present {
  space: Space;
  code: string;
}

/**
 * As far as it has got; another process may be writing. Without `present`, by its own spec and the code that wrote last.
 * Throws ClusterError: "data" where there is no sweep, or one of another version; "config", "storage".
 */
export async function readSweep(directory: string, present?: Present): Promise<SweepOnDisk> {
  const space = present?.space ?? (await readSweepSpace(directory));
  const { lines, notes } = await readLines(join(directory, SWEEP_JOURNAL_FILE));
  const opened = lines.flatMap(({ line }) => (line.kind === "opened" ? [line] : []));
  const code = present?.code ?? opened.at(-1)?.code ?? "";
  const book = new SweepBook(space, code);
  const counted = lines.filter(({ line, number }) => {
    const refused = book.apply(line);
    if (refused !== undefined) notes.push(`line ${number} does not count: ${refused}`);
    return refused === undefined;
  });
  const changes = present === undefined ? [] : await changesSince(directory, opened.at(-1)?.code, present);
  const named = notes.map((note) => `${join(directory, SWEEP_JOURNAL_FILE)}: ${note}`);
  return {
    spec: space.spec,
    space,
    book,
    lines: counted.map(({ line }) => line),
    opened,
    code,
    changes,
    notes: named,
  };
}

async function changesSince(
  directory: string,
  codeBefore: string | undefined,
  { space, code }: Present,
): Promise<string[]> {
  // A damaged one is told of by whoever goes on with it.
  const before = await readSweepSpec(directory).catch(() => undefined);
  const isOther = codeBefore !== undefined && codeBefore !== code;
  return [
    ...baseChanges(before?.base, space),
    ...(isOther ? [`the version of saf's results ${code}, was ${codeBefore}`] : []),
  ];
}

/**
 * Measured trials that the present spec leaves out for the first time: once somebody went on without them, that is no news
 * any more.
 */
export function newlyOutside({ book, opened, space, code }: SweepOnDisk): TrialRow[] {
  const last = opened.at(-1);
  if (last?.spec === specHash(space) && last.code === code) return [];
  return book.outside().filter(({ rungs }) => rungs.length > 0);
}

interface NumberedLine {
  line: SweepLine;
  /** From 1 on. */
  number: number;
}

async function readLines(file: string): Promise<{ lines: NumberedLine[]; notes: string[] }> {
  const { records, damaged } = await scanJsonLines<object>(file, () => undefined);
  const wrong = new Set(damaged);
  const lines: NumberedLine[] = [];
  let number = 0;
  for (const record of records) {
    do number++;
    while (wrong.has(number));
    refuseVersion(file, record);
    if (isSweepLine(record)) lines.push({ line: record, number });
    else damaged.push(number);
  }
  const notes = damaged.sort((a, b) => a - b).map((line) => `line ${line} is damaged and left out`);
  return { lines, notes };
}

/** Its other lines may mean something else. */
function refuseVersion(file: string, record: object): void {
  const { kind, version }: Readonly<Record<string, unknown>> = { ...record };
  if (kind !== "opened" || version === SWEEP_JOURNAL_VERSION) return;
  const found = `its lines are of version ${JSON.stringify(version)}`;
  throw new ClusterError("data", `Cannot read ${file}: ${found}, expected ${SWEEP_JOURNAL_VERSION}`, {
    hint: "use the version of saf that wrote it, or another folder",
  });
}

export interface JournalEdges {
  locks: DirectoryLocks;
  clock: Clock;
  onError: (error: Error) => void;
}

/** The one writer of `sweep.jsonl`; lines are gathered for half a second, written and fsynced. */
export class SweepJournal {
  readonly #directory: string;
  readonly #locks: DirectoryLocks;
  readonly #journal: Journal;

  private constructor(directory: string, locks: DirectoryLocks, journal: Journal) {
    this.#directory = directory;
    this.#locks = locks;
    this.#journal = journal;
  }

  /**
   * Takes the directory's lock and drops a torn last line. Read the sweep behind this, not before. `onError` is told once when
   * lines cannot be written; they are kept and tried again. Throws ClusterError: "dependency" naming who holds the lock, "storage".
   */
  static async open(directory: string, edges: JournalEdges): Promise<SweepJournal> {
    return (await SweepJournal.openBehind(directory, edges, () => Promise.resolve())).journal;
  }

  /**
   * The same, behind `prepare`, which puts what the lines are about onto the disk: it works under the lock, and before there is a
   * journal, so that a folder with one has a spec.
   */
  static async openBehind<Prepared>(
    directory: string,
    { locks, clock, onError }: JournalEdges,
    prepare: () => Promise<Prepared>,
  ): Promise<{ journal: SweepJournal; prepared: Prepared }> {
    await locks.take(directory);
    try {
      const prepared = await prepare();
      const journal = await Journal.open(join(directory, SWEEP_JOURNAL_FILE), clock, onError);
      return { journal: new SweepJournal(directory, locks, journal), prepared };
    } catch (error) {
      await locks.release(directory);
      throw error;
    }
  }

  append(lines: readonly SweepLine[]): void {
    for (const line of lines) this.#journal.append(line);
  }

  /** Of lines that are not on the disk yet. */
  get heldBytes(): number {
    return this.#journal.heldBytes;
  }

  /** Resolves when everything appended so far is on the disk. Throws ClusterError("storage"). */
  flush(): Promise<void> {
    return this.#journal.flush();
  }

  /** Gives the lock back, also when the last lines could not be written. Throws ClusterError("storage"). */
  async close(): Promise<void> {
    try {
      await this.#journal.close();
    } finally {
      await this.#locks.release(this.#directory);
    }
  }
}
