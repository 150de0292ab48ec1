/** Late is who is late beside the others; what the coordinator did not look at meanwhile is nobody's fault. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type LeaseBook, emptyBook } from "../../../coordinator/leases/book.js";
import { decide } from "../../../coordinator/leases/decide.js";
import type { LeaseEvent } from "../../../coordinator/leases/events.js";
import { blockPlan } from "../../../coordinator/training/modes/step-by-step/plan.js";
import { checkBook } from "../../support/book-invariants.js";
import { WASM } from "../../support/fingerprints.js";

const HEARTBEAT_MS = 1000;
const FLOOR_MS = 500;
const WORKERS = ["a", "b", "c", "d"];

/** Four workers that have done five steps, each a slot in 100 ms, and hold the next step's since just now. */
class Pool {
  book: LeaseBook = emptyBook({
    heartbeatMs: HEARTBEAT_MS,
    quarantine: { after: 1, firstMs: 5000 },
    hungAfter: 10,
    mixedEngines: "refuse",
  });
  nowMs = 0;
  readonly reasons: string[] = [];

  constructor() {
    for (const worker of WORKERS)
      this.take({ kind: "joined", worker, incarnation: 1, engine: WASM, pid: 1, leaseId: 0 });
    const plan = { images: 4000, batchSize: 4, slots: 4, epochs: 9 };
    const mode = blockPlan({ plan, floorMs: FLOOR_MS }, { step: 0, stopAt: 100 });
    this.take({ kind: "planned", jobId: "job", runId: "run", plan: mode, isFresh: false });
    for (let step = 0; step < 5; step++) {
      this.nowMs += 100;
      this.brings(...WORKERS);
    }
    this.reasons.splice(0);
  }

  take(event: LeaseEvent): void {
    for (const one of [event, { kind: "serve" as const, first: undefined }]) {
      const { book, reasons } = decide(this.book, one, this.nowMs);
      checkBook(book);
      this.book = book;
      this.reasons.push(...reasons.filter(({ level }) => level === "warn").map(({ text }) => text));
    }
  }

  /** Units of these workers are computed. */
  brings(...workers: string[]): void {
    for (const worker of workers) {
      const unitId = this.book.members.get(worker)?.lease?.unit.id;
      assert.ok(unitId !== undefined, `${worker} holds nothing`);
      this.take({ kind: "computed", jobId: "job", unitId, worker, steps: 1, toldMs: 50 });
    }
  }

  /** So much later, when all hearts have beaten. */
  passes(ms: number, lateMs = 0): void {
    this.nowMs += ms;
    const beat = {
      kind: "heard" as const,
      incarnation: 1,
      isOurTerm: true,
      rssBytes: 0,
      progress: undefined,
    };
    for (const [worker, { lease }] of this.book.members)
      if (lateMs === 0) this.take({ ...beat, worker, leaseId: lease?.id ?? 0 });
    this.take({ kind: "tick", lateMs });
  }

  get leases(): number {
    return this.book.nextLease - 1;
  }
}

test("where all are late, nobody's deadline is over, nobody takes over, and nobody rests", () => {
  const pool = new Pool();
  const before = pool.leases;
  for (let i = 0; i < 60; i++) pool.passes(100);
  pool.brings("b", "c");
  for (let i = 0; i < 10; i++) pool.passes(100);
  assert.deepEqual(pool.reasons, []);
  assert.equal(pool.leases, before);
});

test("one that is late alone loses its lease when its deadline is over, and rests", () => {
  const pool = new Pool();
  pool.passes(100);
  pool.brings("b", "c", "d");
  for (let i = 0; i < 5; i++) pool.passes(100);
  assert.match(pool.reasons.join("\n"), /worker a is overdue after 500 ms/);
  assert.match(pool.reasons.join("\n"), /Worker a gets no work/);
});

test("but where all hang, their leases are over at last, and that is no failure of theirs", () => {
  const pool = new Pool();
  for (let i = 0; i < 21 * (FLOOR_MS / 100); i++) pool.passes(100);
  assert.equal(pool.reasons.filter((reason) => reason.includes("is overdue")).length, WORKERS.length);
  assert.equal(pool.reasons.length, WORKERS.length, pool.reasons.join("\n"));
});

test("while the coordinator stood still nobody fell silent, and no lease went on", () => {
  const pool = new Pool();
  pool.passes(100);
  pool.brings("b", "c", "d");
  pool.passes(10_000, 9900);
  assert.deepEqual(pool.reasons, []);
  // A heartbeat from before names no lease yet.
  const old = { kind: "heard" as const, worker: "a", incarnation: 1, isOurTerm: true, rssBytes: 0 };
  pool.take({ ...old, leaseId: 0, progress: undefined });
  assert.ok(pool.book.members.get("a")?.lease !== undefined, "its lease is taken back");
  pool.passes(4000, 0);
  assert.match(pool.reasons.join("\n"), /worker a is overdue/);
});
