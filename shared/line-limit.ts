/** How much one cause can make a process write: a hostile or broken worker, or a bug, must not fill the log, and the disk. */

export const LINES_A_MINUTE = 60;
const MINUTE_MS = 60_000;
/** Far more than a pool has workers. */
const MOST_KEYS = 10_000;

interface Minute {
  sinceMs: number;
  lines: number;
}

export class LineLimit {
  readonly #minutes = new Map<string, Minute>();

  /** May one more line be written about `key`? `leftOut`: lines that were not, in the minute that has just ended. */
  take(key: string, nowMs: number): { isWritten: boolean; leftOut: number } {
    const minute = this.#minutes.get(key);
    if (minute !== undefined && nowMs - minute.sinceMs < MINUTE_MS) {
      minute.lines++;
      return { isWritten: minute.lines <= LINES_A_MINUTE, leftOut: 0 };
    }
    if (this.#minutes.size >= MOST_KEYS) this.#minutes.clear();
    this.#minutes.set(key, { sinceMs: nowMs, lines: 1 });
    return { isWritten: true, leftOut: Math.max(0, (minute?.lines ?? 0) - LINES_A_MINUTE) };
  }
}
