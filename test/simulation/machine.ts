/** A machine whose processors its workers share: the more they are at, the longer each of them takes. */

/** Other work on the machine: what a slot takes is so many times as long meanwhile. */
export interface OtherWork {
  fromMs: number;
  untilMs: number;
  times: number;
}

export interface MachinePlan {
  cores: number;
  /** Time of a processor for one slot. */
  slotMs: number;
  others: readonly OtherWork[];
}

export class Machine {
  readonly #plan: MachinePlan;
  /** When each processor is through with what it was given, in virtual time. */
  readonly #freeMs: number[];
  /** When each worker is through with what it was given: one slot after another. */
  readonly #doneMs = new Map<string, number>();

  constructor(plan: MachinePlan) {
    this.#plan = plan;
    this.#freeMs = Array<number>(plan.cores).fill(0);
  }

  /** One more slot of a worker, which takes `times` as long as others: whoever came first is served first. Returns what it takes. */
  slot(worker: string, nowMs: number, times: number): number {
    const fromMs = Math.max(nowMs, this.#doneMs.get(worker) ?? 0);
    const core = this.#freeMs.indexOf(Math.min(...this.#freeMs));
    const beginMs = Math.max(fromMs, this.#freeMs[core] ?? 0);
    const endMs = beginMs + times * this.#plan.slotMs * this.#otherWork(beginMs);
    this.#freeMs[core] = endMs;
    this.#doneMs.set(worker, endMs);
    return endMs - fromMs;
  }

  #otherWork(atMs: number): number {
    const others = this.#plan.others.filter(({ fromMs, untilMs }) => fromMs <= atMs && atMs < untilMs);
    return others.reduce((most, { times }) => Math.max(most, times), 1);
  }
}
