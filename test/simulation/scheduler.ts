/**
 * Virtual time: a heap of events. One event runs, then everything that it set in motion (promises, next ticks) runs to its
 * end, then the next event runs. So the order of all that happens depends on the seed alone.
 */
import type { Clock } from "../../shared/clock.js";
import type { Draws } from "./draws.js";

/** Whose code an event runs. The events of a process that has died never run. */
export interface Owner {
  readonly name: string;
  alive: boolean;
  /** Nothing of it runs before this time. */
  frozenUntilMs: number;
}

interface Event {
  /** When it runs. */
  dueMs: number;
  /** When it was to run; differs after a freeze, whose backlog keeps its order. */
  atMs: number;
  /** Decides between events of the same moment. */
  priority: number;
  number: number;
  owner: Owner;
  label: string;
  run: (() => void) | undefined;
}

/** The real one: the simulated processes are handed another. */
const nextTurn = setImmediate;

export class Scheduler {
  readonly #draws: Draws;
  readonly #heap: Event[] = [];
  #number = 0;
  #nowMs = 0;
  #live = 0;
  #current: Owner | undefined;
  /** Told before each event. */
  onEvent: (atMs: number, owner: Owner, label: string) => void = () => undefined;
  /** Told what an event threw. */
  onError: (error: unknown, owner: Owner) => void = (error) => {
    throw error;
  };

  constructor(draws: Draws) {
    this.#draws = draws;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Whose code runs now. */
  get current(): Owner | undefined {
    return this.#current;
  }

  /** Events that are still to run. */
  get pending(): number {
    return this.#live;
  }

  /** Runs `run` at that time; the answer takes it back. */
  at(atMs: number, owner: Owner, label: string, run: () => void): () => void {
    const event: Event = {
      dueMs: Math.max(atMs, this.#nowMs),
      atMs: Math.max(atMs, this.#nowMs),
      priority: this.#draws.bits(),
      number: this.#number++,
      owner,
      label,
      run,
    };
    this.#live++;
    push(this.#heap, event);
    return () => this.#cancel(event);
  }

  #cancel(event: Event): void {
    if (event.run === undefined) return;
    event.run = undefined;
    this.#live--;
  }

  /**
   * Runs events until `isOver` says so, none is left, or the next one lies behind `untilMs`. `isOver` is asked after each
   * event, when all that it set in motion has run.
   */
  run(untilMs: number, isOver: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const turn = (): void => {
        if (isOver() || !this.#runNext(untilMs)) {
          this.#current = undefined;
          resolve();
        } else nextTurn(turn);
      };
      nextTurn(turn);
    });
  }

  /** False when there was nothing to run. */
  #runNext(untilMs: number): boolean {
    for (;;) {
      const event = this.#heap[0];
      if (event === undefined || event.dueMs > untilMs) {
        if (Number.isFinite(untilMs)) this.#nowMs = Math.max(this.#nowMs, untilMs);
        return false;
      }
      pop(this.#heap);
      const { run, owner } = event;
      if (run === undefined) continue;
      if (owner.alive && owner.frozenUntilMs > event.dueMs) {
        event.dueMs = owner.frozenUntilMs;
        push(this.#heap, event);
        continue;
      }
      event.run = undefined;
      this.#live--;
      if (!owner.alive) continue;
      this.#nowMs = event.dueMs;
      this.#current = owner;
      this.onEvent(event.dueMs, owner, event.label);
      try {
        run();
      } catch (error) {
        this.onError(error, owner);
      }
      return true;
    }
  }
}

/** The clock of one process. Its zero differs from the others', as clocks of machines do. */
export class ProcessClock implements Clock {
  readonly #scheduler: Scheduler;
  readonly #owner: Owner;
  readonly #offsetMs: number;
  readonly #latenessMs: () => number;

  /** `latenessMs`: how late a timer is, drawn for each. */
  constructor(scheduler: Scheduler, owner: Owner, offsetMs: number, latenessMs: () => number) {
    this.#scheduler = scheduler;
    this.#owner = owner;
    this.#offsetMs = offsetMs;
    this.#latenessMs = latenessMs;
  }

  now(): number {
    return this.#scheduler.nowMs + this.#offsetMs;
  }

  after(delayMs: number, run: () => void): () => void {
    const atMs = this.#scheduler.nowMs + Math.max(0, delayMs) + this.#latenessMs();
    return this.#scheduler.at(atMs, this.#owner, "timer", run);
  }

  every(periodMs: number, run: (lateMs?: number) => void): () => void {
    let cancel = (): void => undefined;
    const next = (): void => {
      const dueMs = this.#scheduler.nowMs + periodMs;
      cancel = this.after(periodMs, () => {
        next();
        run(this.#scheduler.nowMs - dueMs);
      });
    };
    next();
    return () => cancel();
  }
}

// ---- A binary heap ----------------------------------------------------------------------------------------------

function isBefore(one: Event, other: Event): boolean {
  if (one.dueMs !== other.dueMs) return one.dueMs < other.dueMs;
  if (one.atMs !== other.atMs) return one.atMs < other.atMs;
  if (one.priority !== other.priority) return one.priority < other.priority;
  return one.number < other.number;
}

function push(heap: Event[], event: Event): void {
  let at = heap.length;
  heap.push(event);
  while (at > 0) {
    const above = (at - 1) >> 1;
    const parent = heap[above] as Event;
    if (!isBefore(event, parent)) break;
    heap[at] = parent;
    at = above;
  }
  heap[at] = event;
}

function pop(heap: Event[]): void {
  const last = heap.pop() as Event;
  if (heap.length === 0) return;
  let at = 0;
  for (;;) {
    let below = 2 * at + 1;
    if (below >= heap.length) break;
    if (below + 1 < heap.length && isBefore(heap[below + 1] as Event, heap[below] as Event)) below++;
    if (!isBefore(heap[below] as Event, last)) break;
    heap[at] = heap[below] as Event;
    at = below;
  }
  heap[at] = last;
}
