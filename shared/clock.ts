/** Time as it is handed in: everything that waits takes one, so that a simulation can run ahead of the wall clock. */

export interface Clock {
  /** Milliseconds since some moment; only differences matter. */
  now(): number;
  /** Calls `run` once, `delayMs` from now at the earliest. The answer takes the call back. */
  after(delayMs: number, run: () => void): () => void;
  /**
   * Calls `run` every `periodMs`, first after one period, until the answer is called. `lateMs`: how much later than its time it
   * runs, as after a loop that was busy or a process that stood still.
   */
  every(periodMs: number, run: (lateMs?: number) => void): () => void;
}

/** Resolves after `delayMs`, or at once when `signal` aborts. */
export function pause(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) {
      resolve();
      return;
    }
    const end = (): void => {
      cancel();
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const cancel = clock.after(delayMs, end);
    signal?.addEventListener("abort", end, { once: true });
  });
}
