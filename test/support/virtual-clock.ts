/** Time that passes when a test says so. */
import type { Clock } from "../../shared/clock.js";

interface Timer {
  atMs: number;
  run: () => void;
}

/** Turns of the event loop in which a bus in memory carries dozens of messages back and forth. */
const TURNS = 100;

export class VirtualClock implements Clock {
  #nowMs = 0;
  readonly #timers = new Set<Timer>();

  now(): number {
    return this.#nowMs;
  }

  after(delayMs: number, run: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs, run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  every(periodMs: number, run: () => void): () => void {
    let cancel = (): void => undefined;
    const arm = (): void => {
      cancel = this.after(periodMs, () => {
        arm();
        run();
      });
    };
    arm();
    return () => cancel();
  }

  /** Timers that have not gone off. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Lets so much time pass. Messages that are on their way arrive before it, between two timers and after it. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await settle();
    for (let timer = this.#next(endMs); timer !== undefined; timer = this.#next(endMs)) {
      this.#nowMs = Math.max(this.#nowMs, timer.atMs);
      this.#timers.delete(timer);
      timer.run();
      await settle();
    }
    this.#nowMs = endMs;
  }

  /** The one that goes off first; of several at one time the one that was set first. */
  #next(untilMs: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.atMs <= untilMs && (first === undefined || timer.atMs < first.atMs)) first = timer;
    }
    return first;
  }
}

/** Messages that are on their way over a bus in memory arrive. No time passes. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn++) await new Promise((resolve) => setImmediate(resolve));
}
