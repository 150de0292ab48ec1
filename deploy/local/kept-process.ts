/** A process that is started again when it ends, as its policy says. */
import { type Clock, pause } from "../../shared/clock.js";
import type { ProcessExit } from "./process-exit.js";
import type { Program } from "./program.js";
import {
  RECENT_MS,
  type RestartDecision,
  type RestartPolicy,
  decideRestart,
  restartsThatCount,
} from "./restarts.js";

export interface KeepOptions {
  start: () => Program;
  policy: RestartPolicy;
  clock: Clock;
  /** Told of every end that nobody asked for, at once, and what follows from it. */
  onEnd: (exit: ProcessExit, next: RestartDecision) => void;
  /** Nobody calls `served`: whoever lives long enough did what it is for. */
  servesByLiving?: boolean;
}

export class KeptProcess {
  readonly #options: KeepOptions;
  readonly #letGo = new AbortController();
  #program: Program;
  #hasServed = false;
  #endsMs: readonly number[] = [];
  /** Resolves with the last end: the process is not started again. */
  readonly settled: Promise<ProcessExit>;

  constructor(options: KeepOptions) {
    this.#options = options;
    this.#program = options.start();
    this.settled = this.#keep();
  }

  /** The process that runs now, or ran last. */
  get program(): Program {
    return this.#program;
  }

  /** The process that runs now did what it is for: if it lives on for a while, restarts before it count no more. */
  served(): void {
    this.#hasServed = true;
  }

  /** From now on an end is final, and no news. */
  letGo(): void {
    this.#letGo.abort();
  }

  /** How many ends there were of late, with this one. */
  #countEnd(nowMs: number): number {
    this.#endsMs = [...this.#endsMs.filter((endMs) => nowMs - endMs < RECENT_MS), nowMs];
    return this.#endsMs.length;
  }

  async #keep(): Promise<ProcessExit> {
    const { start, policy, clock, onEnd, servesByLiving = false } = this.#options;
    const { signal } = this.#letGo;
    for (let restarts = 0; ; restarts++) {
      const startedMs = clock.now();
      const exit = await this.#program.exited;
      if (signal.aborted) return exit;
      const life = { ranMs: clock.now() - startedMs, hasServed: servesByLiving || this.#hasServed };
      restarts = restartsThatCount(restarts, life);
      const next = decideRestart(policy, exit, restarts, this.#countEnd(clock.now()));
      onEnd(exit, next);
      if (next.kind === "done" || next.kind === "abandon") return exit;
      await pause(clock, next.pauseMs, signal);
      if (signal.aborted) return exit;
      this.#hasServed = false;
      this.#program = start();
    }
  }
}
