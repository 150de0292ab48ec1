/**
 * Where log lines go, each at once: what a process said last is there when it dies. A log that cannot be written (the disk
 * is full, its reader is gone) costs its lines and nothing else; the next line that can be written says how many. The
 * stock destination waits in its exit for a disk that has room again, and ends the process over an error.
 */
import { openSync, writeSync } from "node:fs";
import { codeIn, wordsOf } from "../errors.js";

/** A pipe whose reader is slow gets this long for a line. */
const PATIENCE_MS = 100;
const LOOK_MS = 5;

export class LogFile {
  readonly #descriptor: number | undefined;
  /** Said once, where it can be: the first line that could not be written, and why. */
  readonly #onLost: (reason: string) => void;
  #lost = 0;
  /** Half a line is there: the next one would join it. */
  #isTorn = false;

  /** A file's name, or the descriptor of what is open already. */
  constructor(target: string | number, onLost: (reason: string) => void) {
    this.#onLost = onLost;
    this.#descriptor = typeof target === "number" ? target : this.#opened(target);
  }

  write(line: string): void {
    if (this.#descriptor === undefined) return;
    const told = this.#lost === 0 ? "" : lostLine(this.#lost);
    try {
      this.#append(this.#descriptor, Buffer.from(`${this.#isTorn ? "\n" : ""}${told}${line}`));
      this.#lost = 0;
    } catch (error) {
      if (this.#lost === 0) this.#onLost(wordsOf(error));
      this.#lost++;
    }
  }

  #opened(file: string): number | undefined {
    try {
      return openSync(file, "a");
    } catch (error) {
      this.#onLost(wordsOf(error));
      return undefined;
    }
  }

  #append(descriptor: number, bytes: Uint8Array): void {
    let written = 0;
    let waitedMs = 0;
    while (written < bytes.byteLength) {
      try {
        written += writeSync(descriptor, bytes, written);
        this.#isTorn = written < bytes.byteLength;
      } catch (error) {
        if (codeIn(error) !== "EAGAIN" || waitedMs >= PATIENCE_MS) throw error;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOOK_MS);
        waitedMs += LOOK_MS;
      }
    }
  }
}

function lostLine(count: number): string {
  return `${JSON.stringify({ level: "warn", time: new Date().toISOString(), msg: `${count} line(s) of this log could not be written` })}\n`;
}
