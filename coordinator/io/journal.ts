/** Append-only files of JSON lines: ledger, metrics, evaluation results. */
import { type FileHandle, open, truncate } from "node:fs/promises";
import type { Clock } from "../../shared/clock.js";
import { dirname } from "node:path";
import { at } from "../../shared/core/at.js";
import { storageError, syncDirectory } from "../../shared/io/atomic-file.js";
import { type OnDamaged, readBytes, scanJsonLines } from "../../shared/io/json-lines.js";

/** Lines are gathered this long before they are written and fsynced. */
const GATHER_MS = 500;
/** What could not be written is tried again so much later. */
const RETRY_MS = 2000;

export class Journal {
  readonly #file: string;
  readonly #handle: FileHandle;
  readonly #clock: Clock;
  readonly #onError: (error: Error) => void;
  #pending = "";
  /** Takes back the write that is to come. */
  #takeBack: (() => void) | undefined;
  #writing: Promise<void> = Promise.resolve();
  #isFailing = false;
  #isClosed = false;

  private constructor(file: string, handle: FileHandle, clock: Clock, onError: (error: Error) => void) {
    this.#file = file;
    this.#handle = handle;
    this.#clock = clock;
    this.#onError = onError;
  }

  /**
   * Drops a torn last line, or the next one would join it. `onError` is told once when lines cannot be written: they are
   * kept and tried again until they can. A new file's name is safe at once. Throws ClusterError("storage").
   */
  static async open(file: string, clock: Clock, onError: (error: Error) => void): Promise<Journal> {
    const bytes = await readBytes(file);
    const whole = bytes.lastIndexOf(10) + 1;
    try {
      if (whole < bytes.length) await truncate(file, whole);
      const handle = await open(file, "a");
      // What is fsynced into a file without a name is lost with the power.
      if (bytes.length === 0) await syncDirectory(dirname(file));
      return new Journal(file, handle, clock, onError);
    } catch (cause) {
      throw storageError(`open ${file}`, cause);
    }
  }

  append(record: object): void {
    this.#pending += `${JSON.stringify(record)}\n`;
    this.#writeIn(this.#isFailing ? RETRY_MS : GATHER_MS);
  }

  get heldBytes(): number {
    return Buffer.byteLength(this.#pending);
  }

  #writeIn(delayMs: number): void {
    this.#takeBack ??= this.#clock.after(delayMs, () => {
      const wasFailing = this.#isFailing;
      this.flush().catch((error: Error) => {
        if (!wasFailing) this.#onError(error);
        if (!this.#isClosed) this.#writeIn(RETRY_MS);
      });
    });
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
    this.#isClosed = true;
    try {
      await this.flush();
    } finally {
      await this.#handle.close();
    }
  }

  async #write(): Promise<void> {
    const text = this.#pending;
    if (text === "") return;
    const before = (await this.#handle.stat()).size;
    try {
      await this.#handle.writeFile(text);
      await this.#handle.sync();
      this.#isFailing = false;
      this.#pending = this.#pending.slice(text.length);
    } catch (cause) {
      // Half a line would join the next one.
      await this.#handle.truncate(before).catch(() => undefined);
      this.#isFailing = true;
      throw storageError(`append to ${this.#file}`, cause);
    }
  }
}

/** Cuts a journal behind the records for which `keep` holds from the start on, and behind a torn line. */
export async function trimJournal<Entry>(
  file: string,
  keep: (record: Entry) => boolean,
  onDamaged?: OnDamaged,
): Promise<Entry[]> {
  const { records, ends } = await scanJsonLines<Entry>(file, onDamaged);
  const firstLost = records.findIndex((record) => !keep(record));
  const kept = firstLost < 0 ? records.length : firstLost;
  const length = kept === 0 ? 0 : at(ends, kept - 1);
  await truncate(file, length).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== "ENOENT") throw storageError(`trim ${file}`, cause);
  });
  return records.slice(0, kept);
}
