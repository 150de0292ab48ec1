/** What happened, line by line: the newest lines, and a fingerprint of all of them, which tells two runs of a seed apart. */

const MOST_LINES = 4000;

export class Trace {
  readonly #lines: string[] = [];
  readonly #keeps: boolean;
  #left = 0;
  #fingerprint = 0;
  #events = 0;

  /** Without `keeps`, only the fingerprint: lines cost time. */
  constructor(keeps: boolean) {
    this.#keeps = keeps;
  }

  get events(): number {
    return this.#events;
  }

  get fingerprint(): number {
    return this.#fingerprint >>> 0;
  }

  /** An event of the schedule. */
  event(atMs: number, process: string, label: string): void {
    this.#events++;
    // FNV-1a over the time in microseconds and a part of the names (paths hold the id of the process): enough to differ.
    for (const word of [Math.round(atMs * 1000), process.length, label.charCodeAt(0)])
      this.#fingerprint = Math.imul(this.#fingerprint ^ word, 0x01000193);
    if (this.#keeps) this.#keep(atMs, process, label);
  }

  /** What a process said, or the simulation did to it. */
  note(atMs: number, process: string, text: string): void {
    if (this.#keeps) this.#keep(atMs, process, `* ${text}`);
  }

  #keep(atMs: number, process: string, text: string): void {
    if (this.#lines.length >= MOST_LINES) {
      this.#lines.splice(0, MOST_LINES / 4);
      this.#left += MOST_LINES / 4;
    }
    this.#lines.push(`${atMs.toFixed(3).padStart(12)} ms  ${process.padEnd(12)} ${text}`);
  }

  /** The last `most` lines that say something; a timer alone says nothing. */
  shortened(most: number): string[] {
    const telling = this.#lines.filter((line) => !/ (timer|disk [a-z]+ .*|> ping|< pong)$/.test(line));
    const left = this.#left + this.#lines.length - Math.min(most, telling.length);
    return [`… ${left} lines before and between are left out`, ...telling.slice(-most)];
  }

  get lines(): readonly string[] {
    return this.#lines;
  }
}
