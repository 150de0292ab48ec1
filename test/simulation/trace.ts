/** What happened, line by line: the newest lines, and a fingerprint of all of them, which tells two runs of a seed apart. */

const MOST_LINES = 200_000;

export class Trace {
  readonly #lines: { atMs: number; text: string }[] = [];
  readonly #keeps: boolean;
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
    if (this.#lines.length >= MOST_LINES) this.#lines.splice(0, MOST_LINES / 4);
    this.#lines.push({ atMs, text: `${atMs.toFixed(3).padStart(12)} ms  ${process.padEnd(12)} ${text}` });
  }

  get lines(): string[] {
    return this.#lines.map(({ text }) => text);
  }

  /** What was said around a moment, and at the end: timers, disks and heartbeats say nothing. */
  shortened(atMs: number, { before = 40, after = 40, last = 10 } = {}): string[] {
    const telling = this.#lines.filter(({ text }) => !SILENT.test(text));
    const at = telling.findLastIndex((line) => line.atMs <= atMs);
    const from = Math.max(0, at - before);
    const parts = [
      telling.slice(from, at + after),
      telling.slice(Math.max(at + after, telling.length - last)),
    ];
    const left = this.#lines.length - parts.flat().length;
    return [
      ...(parts[0] ?? []).map(({ text }) => text),
      `… ${left} lines before, between and after are left out: --trace shows them`,
      ...(parts[1] ?? []).map(({ text }) => text),
    ];
  }
}

const SILENT = / (timer|disk [a-z]+ .*|> ping|< pong|request timeout|[<>] \S*\.hb\.\S*)$/;
