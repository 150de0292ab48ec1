/** The worker processes of this machine: each is started again when it dies, until it is sent away or given up. */
import type { Clock } from "../../shared/clock.js";
import { againWords } from "./again.js";
import { KeptProcess } from "./kept-process.js";
import { type ProcessExit, describeExit } from "./process-exit.js";
import { type Program, endPrograms, lastWords, logFile } from "./program.js";
import { type RestartDecision, WORKER_RESTARTS } from "./restarts.js";

export interface CrewOptions {
  start: (id: string) => Program;
  /** Folder of the logs. */
  logs: string;
  clock: Clock;
  onNote: (message: string) => void;
  /** A process has ended, at once. */
  onDeath: (worker: string, pid: number) => void;
  /** Nobody is left here: how the last one ended, and where its log is. */
  onNobodyLeft: (message: string, hint: string) => void;
  /** Nobody tells here what a worker does: one that lives long enough counts as a success. */
  isUnwatched?: boolean;
}

export class Crew {
  readonly #options: CrewOptions;
  readonly #workers = new Map<string, KeptProcess>();
  /** Workers that are given up for now, or were sent away. */
  readonly #absent = new Set<string>();

  constructor(options: CrewOptions) {
    this.#options = options;
  }

  get ids(): string[] {
    return [...this.#workers.keys()];
  }

  /** Of those that are to be here, how many are. */
  get presentCount(): number {
    return this.#workers.size - this.#absent.size;
  }

  pidOf(id: string): number | undefined {
    return this.#workers.get(id)?.program.pid;
  }

  add(id: string): void {
    const { start, clock, onNote, isUnwatched } = this.#options;
    const worker = new KeptProcess({
      start: () => {
        if (this.#absent.delete(id)) onNote(`${id}, which was given up for now, is tried again`);
        return start(id);
      },
      policy: WORKER_RESTARTS,
      clock,
      onEnd: (exit, next) => void this.#ended(id, exit, next),
      ...(isUnwatched === true ? { servesByLiving: true } : {}),
    });
    this.#workers.set(id, worker);
  }

  /** The worker did something: if it lives on for a while, restarts before it count no more. */
  served(id: string): void {
    this.#workers.get(id)?.served();
  }

  /** Ends a worker that is not started again. Undefined when there is none of this id. */
  async remove(id: string, signal: NodeJS.Signals): Promise<ProcessExit | undefined> {
    const worker = this.#workers.get(id);
    this.#workers.delete(id);
    this.#absent.delete(id);
    worker?.letGo();
    worker?.program.kill(signal);
    return worker?.program.exited;
  }

  /** From now on an end is final, and no news. */
  letGo(): void {
    for (const worker of this.#workers.values()) worker.letGo();
  }

  /** Ends all of them; what does not end by itself in time is killed. */
  async stop(): Promise<void> {
    this.letGo();
    const programs = [...this.#workers.values()].map(({ program }) => program);
    await endPrograms(programs, this.#options.clock);
  }

  /** Resolves when none of them is started again. */
  async settled(): Promise<void> {
    await Promise.all([...this.#workers.values()].map((worker) => worker.settled));
  }

  async #ended(id: string, exit: ProcessExit, next: RestartDecision): Promise<void> {
    const { onNote, onDeath, onNobodyLeft, logs } = this.#options;
    const pid = this.pidOf(id);
    if (pid !== undefined) onDeath(id, pid);
    if (next.kind === "restart")
      onNote(`${id} ended (${describeExit(exit)}); ${againWords(logs, id, next.recent)}`);
    else this.#absent.add(id);
    if (next.kind !== "rest") return;
    const left = this.presentCount;
    const words = await lastWords(logs, id);
    if (left === 0) {
      onNobodyLeft(
        `No worker is left: ${id} ended last (${describeExit(exit)}): ${words}`,
        `its log is in ${logFile(logs, id)}`,
      );
      return;
    }
    const total = this.#workers.size;
    onNote(
      `${id} ended (${describeExit(exit)}) and is given up for now: ${words}; ` +
        `${left} of ${total} workers go on without it; it is tried again in ${Math.round(next.pauseMs / 1000)} s`,
    );
  }
}
