import assert from "node:assert/strict";
import { test } from "node:test";
import { fixedPlan } from "../../../coordinator/evaluation/fixed-plan.js";
import { type LeaseBook, MOST_TAKEN, emptyBook } from "../../../coordinator/leases/book.js";
import { decide } from "../../../coordinator/leases/decide.js";
import type { LeaseEvent } from "../../../coordinator/leases/events.js";
import { poolView } from "../../../coordinator/leases/pool-view.js";
import type { Unit, WorkPlan } from "../../../coordinator/leases/unit.js";
import { blockPlan } from "../../../coordinator/training/modes/step-by-step/plan.js";
import { stretchPlan } from "../../../coordinator/training/modes/stretches/plan.js";
import { WASM } from "../../support/fingerprints.js";
import type { PoolView } from "../../../shared/pool-view.js";

const HEARTBEAT_MS = 1000;
const setting = { plan: { images: 64, batchSize: 8, slots: 4, epochs: 9 }, floorMs: 2000 };

/** A pool that decides for itself, and is looked at. */
class Pool {
  book: LeaseBook = emptyBook({
    ...{ heartbeatMs: HEARTBEAT_MS, quarantine: { after: 2, firstMs: 5000 } },
    ...{ hungAfter: 10, mixedEngines: "refuse" },
  });
  nowMs = 0;

  take(event: LeaseEvent): void {
    for (const one of [event, { kind: "serve" as const, first: undefined }])
      this.book = decide(this.book, one, this.nowMs).book;
  }

  join(...workers: string[]): void {
    for (const worker of workers)
      this.take({ kind: "joined", worker, incarnation: 1, engine: WASM, pid: 7, leaseId: 0 });
  }

  plan(plan: WorkPlan, jobId = "run/train"): void {
    this.take({ kind: "planned", jobId, runId: "run", plan, isFresh: false });
  }

  computed(worker: string, unitId: string, jobId = "run/train"): void {
    this.take({ kind: "computed", jobId, unitId, worker, steps: 1, toldMs: undefined });
  }

  /** Everybody beats, so that nobody is lost. */
  pass(ms: number): void {
    this.nowMs += ms;
    for (const [worker, { lease }] of this.book.members) {
      const beat = { kind: "heard" as const, worker, incarnation: 1, isOurTerm: true };
      this.take({ ...beat, leaseId: lease?.id ?? 0, rssBytes: 0, progress: undefined });
    }
    this.take({ kind: "tick" });
  }

  get view(): PoolView {
    return poolView(this.book, this.nowMs);
  }

  get waits(): string[] {
    return this.view.waits.map(({ text, is_late: isLate }) => `${isLate ? "late: " : ""}${text}`);
  }
}

/** Two workers in the middle of a training: each has done a step of theirs in 100 ms. */
function inStep(): Pool {
  const pool = new Pool();
  pool.join("worker-1", "worker-2");
  pool.plan(blockPlan(setting, { step: 0, stopAt: 100 }));
  for (let step = 0; step < 3; step++) {
    pool.nowMs += 100;
    pool.computed("worker-1", `step ${step} slots 0-1`);
    pool.computed("worker-2", `step ${step} slots 2-3`);
  }
  return pool;
}

test("a step names whom it waits for, for how long, and until when", () => {
  const pool = inStep();
  pool.pass(150);
  pool.computed("worker-1", "step 3 slots 0-1");
  assert.deepEqual(pool.waits, [
    "step 3 waits for slots 2–3 of worker-2: held for 150 ms, deadline in 1.9 s",
  ]);
  pool.pass(500);
  assert.deepEqual(pool.waits, [
    "late: step 3 waits for slots 2–3 of worker-2: held for 650 ms, deadline in 1.4 s; worker-1 computes it too",
  ]);
  const [one, other] = pool.view.workers;
  assert.deepEqual([one?.id, one?.holds?.unit, one?.rests_seconds], ["worker-1", "step 3, slots 2–3", 0]);
  assert.deepEqual(other?.holds, {
    runId: "run",
    unit: "step 3, slots 2–3",
    attempt: 1,
    held_seconds: 0.65,
    deadline_seconds: 1.35,
  });
});

test("a lease that is overdue is said to be offered to others, and why it was taken away", () => {
  const pool = inStep();
  pool.computed("worker-1", "step 3 slots 0-1");
  pool.pass(2001);
  assert.deepEqual(pool.waits, [
    "late: step 3 waits for slots 2–3 of worker-2: held for 2.0 s, overdue for 1 ms and offered to others; worker-1 computes it too",
  ]);
  pool.pass(12_000);
  const [newest, before] = pool.view.taken;
  assert.deepEqual(
    [newest, before].map((taken) => taken && [taken.worker, taken.unit, taken.ago_seconds]),
    [
      ["worker-1", "step 3, slots 2–3", 0],
      ["worker-2", "step 3, slots 2–3", 12],
    ],
  );
  assert.match(before?.reason ?? "", /^lease \d+ is overdue after 2001 ms$/);
});

test("what a lost, a dead and a leaving worker held says so, once each, the newest first", () => {
  const pool = new Pool();
  pool.join("worker-1", "worker-2", "worker-3", "worker-4");
  pool.plan(blockPlan(setting, { step: 0, stopAt: 100 }));
  pool.take({ kind: "died", worker: "worker-1", pid: 7 });
  pool.take({ kind: "left", worker: "worker-2", incarnation: 1, reason: "SIGTERM" });
  pool.nowMs = 10 * HEARTBEAT_MS;
  pool.take({ kind: "tick" });
  assert.deepEqual(
    pool.view.taken.map(({ worker, reason }) => [worker, reason]),
    [
      ["worker-4", "no heartbeat for 10000 ms"],
      ["worker-3", "no heartbeat for 10000 ms"],
      ["worker-2", "it left: SIGTERM"],
    ],
  );
  assert.deepEqual(pool.waits, ["late: step 0 waits for a worker: none is there"]);
});

test("the book remembers a few of the leases that were taken away, however many there were", () => {
  const pool = new Pool();
  pool.join("worker-1");
  pool.plan(blockPlan(setting, { step: 0, stopAt: 100 }));
  for (let i = 0; i < 50; i++) {
    const leaseId = pool.book.members.get("worker-1")?.lease?.id ?? 0;
    const back = { kind: "returned" as const, worker: "worker-1", incarnation: 1, leaseId };
    pool.take({ ...back, reason: `no ${i}`, hasFailed: false });
  }
  assert.equal(pool.book.taken.length, MOST_TAKEN);
  assert.equal(pool.view.taken[0]?.reason, "it gave the lease back: no 49");
});

test("a stretch and the tasks of an evaluation are named in words, many of them counted", () => {
  const pool = new Pool();
  pool.join("worker-1");
  pool.plan(stretchPlan(setting, { step: 8, stopAt: 100 }));
  assert.match(pool.waits[0] ?? "", /^steps 8–15 wait for worker-1: held for 0 ms, deadline in 2 min$/);

  const tasks = new Pool();
  tasks.join("worker-1", "worker-2", "worker-3", "worker-4", "worker-5");
  const patience = { series: "task", scale: 1, floorMs: 1000, unknownMs: 30_000, warmUpMs: 0 };
  const unit = (i: number): Unit => ({
    ...{
      id: `${i}`.padStart(24, "f"),
      words: { name: `pgd-40, images ${i}00–${i}99`, part: `pgd-40, images ${i}00–${i}99` },
      images: 100,
      steps: 1,
      patience,
    },
  });
  tasks.plan(fixedPlan([1, 2, 3, 4, 5, 6, 7].map(unit), "the evaluation"), "run/evaluate");
  assert.deepEqual(tasks.waits, [
    "the evaluation waits for pgd-40, images 100–199 of worker-1: held for 0 ms, deadline in 30.0 s",
    "the evaluation waits for pgd-40, images 200–299 of worker-2: held for 0 ms, deadline in 30.0 s",
    "the evaluation waits for pgd-40, images 300–399 of worker-3: held for 0 ms, deadline in 30.0 s",
    "the evaluation waits for 2 more in work",
    "the evaluation: 2 pieces of work are open: no worker is free",
  ]);
  assert.equal(tasks.view.workers[0]?.holds?.unit, "pgd-40, images 100–199");
});

test("where nobody may work, that is said: resting workers, and a connection that is lost", () => {
  const pool = new Pool();
  pool.join("worker-1");
  pool.plan(blockPlan(setting, { step: 0, stopAt: 100 }));
  for (let i = 0; i < 2; i++) {
    const leaseId = pool.book.members.get("worker-1")?.lease?.id ?? 0;
    const back = { kind: "returned" as const, worker: "worker-1", incarnation: 1, leaseId };
    pool.take({ ...back, reason: "out of memory", hasFailed: true });
  }
  assert.deepEqual(pool.waits, [
    "late: step 0: 1 piece of work is open: no worker is free, 1 rests after failures",
  ]);
  assert.equal(pool.view.workers[0]?.rests_seconds, 5);
  pool.take({ kind: "connection", isConnected: false });
  assert.deepEqual(pool.waits, ["late: step 0 waits for the connection to NATS"]);
});
