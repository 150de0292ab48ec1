/** Append-only files of JSON lines: ledger, metrics, evaluation results. */
import { type FileHandle, open, truncate } from "node:fs/promises";
import type { Clock } from "../../shared/clock.js";
import { at } from "../../shared/core/at.js";
import { storageError } from "../../shared/io/atomic-file.js";
import { readBytes, scanJsonLines } from "../../shared/io/json-lines.js";

/** Lines are gathered this long before they are written and fsynced. */
const GATHER_MS = 500;

export class Journal {
  readonly #file: string;
  readonly #handle: FileHandle;
  readonly #clock: Clock;
  readonly #onError: (error: Error) => void;
  #pending = "";
  /** Takes back the write that is to come. */
  #takeBack: (() => void) | undefined;
  #writing: Promise<void> = Promise.resolve();

  private constructor(file: string, handle: FileHandle, clock: Clock, onError: (error: Error) => void) {
    this.#file = file;
    this.#handle = handle;
    this.#clock = clock;
    this.#onError = onError;
  }

  /**
   * Drops a torn last line, or the next one would join it. `onError` is told when lines could not be written: they are
   * kept and tried again with the next ones. Throws ClusterError("storage").
   */
  static async open(file: string, clock: Clock, onError: (error: Error) => void): Promise<Journal> {
    const bytes = await readBytes(file);
    const whole = bytes.lastIndexOf(10) + 1;
    try {
      if (whole < bytes.length) await truncate(file, whole);
      return new Journal(file, await open(file, "a"), clock, onError);
    } catch (cause) {
      throw storageError(`open ${file}`, cause);
    }
  }

  append(record: object): void {
    this.#pending += `${JSON.stringify(record)}\n`;
    this.#takeBack ??= this.#clock.after(GATHER_MS, () => void this.flush().catch(this.#onError));
  }

  /** Resolves when everything appended so far is on the disk. Throws ClusterError("storage"). */
  flush(): Promise<void> {
    this.#takeBack?.();
    this.#takeBack = undefined;
    const turn = this.#writing.then(() => this.#write());
    this.#writing = turn.catch(() => undefined);
    return turn;
  }

  async close(): Promise<void> {
    try {
      await this.flush();
    } finally {
      await this.#handle.close();
    }
  }

  async #write(): Promise<void> {
    const text = this.#pending;
    if (text === "") return;
    this.#pending = "";
    const before = (await this.#handle.stat()).size;
    try {
      await this.#handle.writeFile(text);
      await this.#handle.sync();
    } catch (cause) {
      // Half a line would join the next one.
      await this.#handle.truncate(before).catch(() => undefined);
      this.#pending = text + this.#pending;
      throw storageError(`append to ${this.#file}`, cause);
    }
  }
}

/** Cuts a journal behind the records for which `keep` holds from the start on, and behind a torn line. */
export async function trimJournal<Entry>(file: string, keep: (record: Entry) => boolean): Promise<Entry[]> {
  const { records, ends } = await scanJsonLines<Entry>(file);
  const firstLost = records.findIndex((record) => !keep(record));
  const kept = firstLost < 0 ? records.length : firstLost;
  const length = kept === 0 ? 0 : at(ends, kept - 1);
  await truncate(file, length).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== "ENOENT") throw storageError(`trim ${file}`, cause);
  });
  return records.slice(0, kept);
}
