import assert from "node:assert/strict";
import { test } from "node:test";
import { type LeaseBook, emptyBook } from "../../../coordinator/leases/book.js";
import { decide } from "../../../coordinator/leases/decide.js";
import type { LeaseEvent } from "../../../coordinator/leases/events.js";
import { blockPlan } from "../../../coordinator/training/modes/step-by-step/plan.js";
import { checkBook } from "../../support/book-invariants.js";
import { WASM } from "../../support/fingerprints.js";

const HEARTBEAT_MS = 500;
const TICK_MS = 50;
const SLOT_MS = 50;
const SLOTS = 16;

/** When a worker brings a block of so many slots that it got at this time, ms; Infinity: never, and its heart beats. */
type Habit = (slots: number, atMs: number) => number;

const steady =
  (times: number): Habit =>
  (slots, atMs) =>
    atMs + times * SLOT_MS * slots;

/** A pool of workers with given habits, in virtual time. */
class Crew {
  book: LeaseBook = emptyBook({
    heartbeatMs: HEARTBEAT_MS,
    quarantine: { after: 3, firstMs: 5000 },
    hungAfter: 10,
    mixedEngines: "refuse",
  });
  steps = 0;
  leases = new Map<string, number>();
  readonly #habits: Map<string, Habit>;
  readonly #arrivals: { atMs: number; worker: string; unitId: string; leaseId: number; attempt: number }[] =
    [];
  #nowMs = 0;

  constructor(habits: Record<string, Habit>, slots = SLOTS) {
    this.#habits = new Map(Object.entries(habits));
    for (const worker of this.#habits.keys())
      this.#take({ kind: "joined", worker, incarnation: 1, engine: WASM, pid: 1, leaseId: 0 });
    const plan = { images: 2 ** 20, batchSize: 8 * slots, slots, epochs: 1000 };
    const mode = blockPlan({ plan, floorMs: 2000 }, { step: 0, stopAt: 1e9 });
    this.#take({ kind: "planned", jobId: "job", runId: "run", plan: mode, isFresh: false });
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Steps a second from now on, over so many seconds. */
  speed(seconds: number): number {
    const [before, untilMs] = [this.steps, this.#nowMs + 1000 * seconds];
    for (let tickMs = this.#nowMs; this.#nowMs < untilMs;) {
      this.#arrivals.sort((a, b) => a.atMs - b.atMs);
      const [next] = this.#arrivals;
      if (next !== undefined && next.atMs <= tickMs + TICK_MS) {
        this.#arrivals.shift();
        this.#nowMs = Math.max(this.#nowMs, next.atMs);
        this.#arrived(next);
      } else {
        this.#nowMs = tickMs += TICK_MS;
        this.#beat();
      }
    }
    return (this.steps - before) / seconds;
  }

  #beat(): void {
    const beat = {
      kind: "heard" as const,
      incarnation: 1,
      isOurTerm: true,
      rssBytes: 0,
      progress: undefined,
    };
    for (const [worker, { lease }] of this.book.members)
      this.#take({ ...beat, worker, leaseId: lease?.id ?? 0 });
    this.#take({ kind: "tick" });
  }

  #arrived({ worker, unitId, leaseId }: { worker: string; unitId: string; leaseId: number }): void {
    this.#take({ kind: "computed", jobId: "job", unitId, worker, steps: 1, toldMs: undefined });
    const end = { kind: "settled" as const, outcome: "done" as const, reason: "", told: undefined };
    this.#take({ ...end, jobId: "job", unitId, worker, leaseId });
  }

  #take(event: LeaseEvent): void {
    for (const one of [event, { kind: "serve" as const, first: undefined }]) {
      const { book, effects } = decide(this.book, one, this.#nowMs);
      checkBook(book);
      this.book = book;
      for (const effect of effects) {
        if (effect.kind === "commit") this.steps++;
        if (effect.kind !== "lease") continue;
        const { worker, unit, leaseId, attempt } = effect;
        this.leases.set(worker, (this.leases.get(worker) ?? 0) + 1);
        const atMs = this.#habits.get(worker)?.(unit.patience.scale, this.#nowMs) ?? Infinity;
        if (atMs < Infinity) this.#arrivals.push({ atMs, worker, unitId: unit.id, leaseId, attempt });
      }
    }
  }
}

const three = { a: steady(1), b: steady(1), c: steady(1) };

/** Against four equally fast workers, over a minute after the first ten seconds. */
function ofCalm(habit: Habit, slots = SLOTS): { share: number; crew: Crew } {
  const calm = new Crew({ ...three, d: steady(1) }, slots);
  const crew = new Crew({ ...three, d: habit }, slots);
  calm.speed(10);
  crew.speed(10);
  return { share: crew.speed(60) / calm.speed(60), crew };
}

test("four equally fast workers get one block a step each, and nobody computes anything twice", () => {
  const crew = new Crew({ ...three, d: steady(1) });
  crew.speed(60);
  assert.ok(Math.abs(crew.steps - 60_000 / (4 * SLOT_MS)) <= 1, `${crew.steps} steps`);
  for (const [worker, leases] of crew.leases)
    assert.ok(Math.abs(leases - crew.steps) <= 1, `${worker}: ${leases}`);
});

test("one of four workers five times slower: the others take over, and it helps where it can", () => {
  const { share, crew } = ofCalm(steady(5));
  assert.ok(share >= 0.78, `${share} of calm; 0.8 is all that there is`);
  assert.equal(crew.book.members.get("d")?.standing.failures, 0, "slow is not late");
});

test("one that returns late for ever costs no more than its own share", () => {
  for (const times of [12, 40, 100]) {
    const { share } = ofCalm(steady(times), 64);
    assert.ok(share >= 0.72, `${times} times: ${share} of calm; 0.75 is what three have`);
  }
});

test("one that takes leases and never returns them costs no more than its own share", () => {
  const { share } = ofCalm(() => Infinity, 64);
  assert.ok(share >= 0.72, `${share} of calm`);
});

test("a worker without any habit holds nobody up for long", () => {
  let state = 7;
  const random = (): number => (state = (state * 48271) % 0x7fffffff) / 0x7fffffff;
  const { share } = ofCalm((slots, atMs) => atMs + SLOT_MS * slots * (random() < 0.5 ? 1 : 20), 64);
  assert.ok(share >= 0.65, `${share} of calm`);
});

test("a worker that was slow and is fast again is seen within half a minute", () => {
  let times = 20;
  const crew = new Crew({ ...three, d: (slots, atMs) => atMs + times * SLOT_MS * slots }, 4);
  crew.speed(10);
  times = 1;
  crew.speed(30);
  assert.ok(crew.speed(20) >= 0.95 * (1000 / SLOT_MS), "four slots by four workers take the time of one");
});
