/** A queue on the disk: queue.jsonl in its folder, and what each submission told in `told.jsonl` of its own folder. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "../../shared/clock.js";
import { ClusterError, wordsOf } from "../../shared/errors.js";
import { readJsonLines } from "../../shared/io/json-lines.js";
import { QUEUE_VERSION, type QueueLine, queueLineSchema } from "../../shared/records/queue-line.js";
import { QueueBook } from "../queue/book.js";
import type { ToldLine } from "../queue/desk.js";
import { Journal } from "./journal.js";

export const QUEUE_FILE = "queue.jsonl";
const TOLD_FILE = "told.jsonl";
/** Lines of a submission that are kept in memory while it is conducted. */
const MOST_IN_MEMORY = 1000;

export interface QueueDisk {
  book: QueueBook;
  journal: Journal;
}

/**
 * The folder is there, and ours alone. `note` hears what is left out. Throws ClusterError: "data" (a journal of another
 * version of saf), "storage".
 */
export async function openQueueDisk(
  folder: string,
  { clock, wallMs, note }: { clock: Clock; wallMs: number; note: (message: string) => void },
): Promise<QueueDisk> {
  const file = join(folder, QUEUE_FILE);
  const lines = await linesIn(file, note);
  const book = new QueueBook();
  for (const line of lines) {
    const why = book.apply(line);
    if (why !== undefined) note(`A line of ${file} does not count: ${why}`);
  }
  const journal = await Journal.open(file, clock, (error) => note(error.message));
  if (lines.length === 0) journal.append({ kind: "opened", version: QUEUE_VERSION, time: wallMs / 1000 });
  return { book, journal };
}

async function linesIn(file: string, note: (message: string) => void): Promise<QueueLine[]> {
  const found = await readJsonLines<{ kind?: unknown; version?: unknown }>(file, note);
  const [first] = found;
  if (first?.kind === "opened" && first.version !== QUEUE_VERSION) {
    throw new ClusterError(
      "data",
      `Cannot go on with ${file}: it has version ${String(first.version)}, and this saf writes ${QUEUE_VERSION}`,
      { hint: "use the release that wrote it, or another folder" },
    );
  }
  return found.flatMap((record, i) => {
    const { success, data } = queueLineSchema.safeParse(record);
    if (!success) note(`Record ${i + 1} of ${file} is none that is known, and left out`);
    return success ? [data] : [];
  });
}

/** What a submission tells, while it is conducted and afterwards. */
export class ToldLog {
  readonly #lines: ToldLine[];
  readonly #journal: Journal;
  #number: number;

  private constructor(journal: Journal, before: readonly ToldLine[]) {
    this.#journal = journal;
    this.#lines = before.slice(-MOST_IN_MEMORY);
    this.#number = before.at(-1)?.number ?? 0;
  }

  /** The folder is there. Throws ClusterError("storage"). */
  static async open(folder: string, clock: Clock, note: (message: string) => void): Promise<ToldLog> {
    const before = await readToldLines(folder);
    const journal = await Journal.open(join(folder, TOLD_FILE), clock, (error) => note(error.message));
    return new ToldLog(journal, before);
  }

  add(level: ToldLine["level"], message: string, wallMs: number): void {
    const line: ToldLine = { number: ++this.#number, time: wallMs / 1000, level, message };
    this.#lines.push(line);
    if (this.#lines.length > MOST_IN_MEMORY) this.#lines.shift();
    this.#journal.append(line);
  }

  after(number: number, most: number): readonly ToldLine[] {
    return this.#lines.filter((line) => line.number > number).slice(0, most);
  }

  /** What is told is a convenience: a full disk costs it, and nothing else. */
  async close(): Promise<void> {
    await this.#journal.close().catch((error: unknown) => wordsOf(error));
  }
}

export async function readToldLines(folder: string): Promise<ToldLine[]> {
  return readJsonLines<ToldLine>(join(folder, TOLD_FILE), () => undefined);
}

export function isInFolder(folder: string, name: string): boolean {
  return existsSync(join(folder, name));
}
