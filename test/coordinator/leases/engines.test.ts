/** Whose bits a pool computes, as the book decides it: joins, commits, restarts, a rolling change. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type LeaseBook, emptyBook, refusesEngine } from "../../../coordinator/leases/book.js";
import { decide } from "../../../coordinator/leases/decide.js";
import { hungLimitOf } from "../../../coordinator/leases/deadline.js";
import type { Effect, LeaseEvent } from "../../../coordinator/leases/events.js";
import type { MixedEngines } from "../../../coordinator/pool/engines.js";
import { blockPlan } from "../../../coordinator/training/modes/step-by-step/plan.js";
import { stretchPlan } from "../../../coordinator/training/modes/stretches/plan.js";
import type { EngineFingerprint } from "../../../shared/fingerprint.js";
import { TENSORFLOW, WASM } from "../../support/fingerprints.js";

const setting = { plan: { images: 64, batchSize: 8, slots: 1, epochs: 9 }, floorMs: 1000 };

/** A pool of workers that ask to join, as the coordinator asks the book about them. */
class Pool {
  book: LeaseBook;
  readonly effects: Effect[] = [];
  readonly reasons: string[] = [];

  constructor(mixedEngines: MixedEngines = "refuse", committed: readonly EngineFingerprint[] = []) {
    const rules = { heartbeatMs: 100, quarantine: { after: 2, firstMs: 500 }, hungAfter: 10, mixedEngines };
    this.book = emptyBook(rules, committed);
  }

  take(...events: LeaseEvent[]): void {
    for (const event of events) {
      const { book, effects, reasons } = decide(this.book, event, 0);
      this.book = book;
      this.effects.push(...effects);
      this.reasons.push(...reasons.map(({ text }) => text));
    }
  }

  /** The reason where it is refused. */
  join(worker: string, engine: EngineFingerprint, incarnation = 1): string | undefined {
    const refusal = refusesEngine(this.book, worker, engine);
    if (refusal === undefined) this.take({ kind: "joined", worker, incarnation, engine, pid: 1, leaseId: 0 });
    return refusal;
  }

  leave(worker: string): void {
    this.take({ kind: "left", worker, incarnation: 9, reason: "signal" });
  }

  /** The worker computes a step of one block, and it is committed. */
  commitStep(worker: string): void {
    const plan = blockPlan(setting, { step: 0, stopAt: 9 });
    const unitId = "step 0 slots 0-0";
    this.take(
      { kind: "planned", jobId: "job", runId: "run", plan, isFresh: false },
      { kind: "serve", first: undefined },
      { kind: "computed", jobId: "job", unitId, worker, steps: 1, toldMs: undefined },
    );
  }
}

describe("a pool that refuses mixed engines", () => {
  test("takes the bits of the first worker, and refuses others in words", () => {
    const pool = new Pool();
    assert.equal(pool.join("worker-1", TENSORFLOW), undefined);
    assert.equal(
      pool.join("worker-2", WASM),
      "its engine computes other bits than the pool's: engine wasm (tfjs-backend-wasm 4.22.0), not tensorflow (TensorFlow 2.21.0 with oneDNN)",
    );
    assert.equal(pool.join("worker-3", { ...TENSORFLOW }), undefined);
    assert.deepEqual([...pool.book.members.keys()], ["worker-1", "worker-3"]);
  });

  test("takes any engine again when all are gone and nothing was committed", () => {
    const pool = new Pool();
    pool.join("worker-1", WASM);
    pool.leave("worker-1");
    assert.equal(pool.join("worker-2", TENSORFLOW), undefined);
  });

  test("lets the only worker change its engine before the first commit, and not after it", () => {
    const pool = new Pool();
    pool.join("worker-1", WASM);
    assert.equal(pool.join("worker-1", TENSORFLOW, 2), undefined);
    pool.commitStep("worker-1");
    assert.match(pool.join("worker-1", WASM, 3) ?? "", /engine wasm/);
  });

  test("stays with the bits of its committed steps, also when all workers are gone", () => {
    const pool = new Pool();
    pool.join("worker-1", TENSORFLOW);
    pool.commitStep("worker-1");
    assert.deepEqual(pool.book.committedEngines, [TENSORFLOW]);
    pool.leave("worker-1");
    assert.match(pool.join("worker-2", WASM) ?? "", /engine wasm/);
    assert.equal(pool.join("worker-3", TENSORFLOW), undefined);
  });

  test("stays with them after a restart of the coordinator, whoever comes first", () => {
    const pool = new Pool("refuse", [TENSORFLOW]);
    assert.match(pool.join("worker-2", WASM) ?? "", /engine wasm/);
    assert.equal(pool.join("worker-1", TENSORFLOW), undefined);
  });

  test("stops a rolling change at its first worker: the others train on", () => {
    const pool = new Pool();
    const next = { ...TENSORFLOW, version: "TensorFlow 2.22.0", sample: "0123" };
    for (const worker of ["worker-1", "worker-2", "worker-3"]) pool.join(worker, TENSORFLOW);
    pool.commitStep("worker-1");
    pool.leave("worker-3");
    for (let attempt = 2; attempt < 5; attempt++)
      assert.equal(
        pool.join("worker-3", next, attempt),
        "its engine computes other bits than the pool's: TensorFlow 2.22.0, not TensorFlow 2.21.0 with oneDNN",
      );
    assert.deepEqual([...pool.book.members.keys()], ["worker-1", "worker-2"]);
  });
});

test("a pool that warns takes every worker, says each time what it means, and remembers whose bits were committed", () => {
  const pool = new Pool("warn");
  pool.join("worker-1", TENSORFLOW);
  pool.commitStep("worker-1");
  assert.equal(pool.join("worker-2", WASM), undefined);
  assert.equal(pool.join("worker-2", WASM), undefined);
  const warnings = pool.reasons.filter((text) => text.includes("depend on who computes what"));
  assert.deepEqual(warnings, [
    "Worker worker-2 makes the weights depend on who computes what: its engine computes other bits than the pool's: engine wasm (tfjs-backend-wasm 4.22.0), not tensorflow (TensorFlow 2.21.0 with oneDNN)",
  ]);
});

test("a commit says whose engine computed each unit", () => {
  const pool = new Pool();
  pool.join("worker-1", WASM);
  pool.commitStep("worker-1");
  const commit = pool.effects.find((effect) => effect.kind === "commit");
  assert.deepEqual(
    commit?.units.map(({ worker, engine }) => [worker, engine]),
    [["worker-1", WASM]],
  );
});

describe("an engine may be silent", () => {
  const leases = (pool: Pool): number[] =>
    pool.effects.flatMap((effect) => (effect.kind === "lease" ? effect.hungMs : []));

  test("for ten deadlines, twice as long at each attempt: a slow one comes to its end some day", () => {
    const limits = [1, 2, 3, 7, 8].map((attempt) => hungLimitOf(10, 2000, attempt) / 20_000);
    assert.deepEqual(limits, [1, 2, 4, 64, 64]);
    assert.equal(hungLimitOf(0, 2000, 1), 0);
  });

  test("for those of the first lease, which may take a minute, and then of its own", () => {
    const pool = new Pool();
    pool.join("worker-1", WASM);
    pool.commitStep("worker-1");
    pool.take({ kind: "serve", first: undefined });
    assert.deepEqual(leases(pool), [10 * 60_000, 10 * setting.floorMs]);
  });

  test("for those of one step where it is leased many: it tells each", () => {
    const pool = new Pool();
    pool.join("worker-1", WASM);
    const plan = stretchPlan(setting, { step: 0, stopAt: 60 }, { steps: 8, stepMs: 900 });
    const unitId = "steps 0-7";
    pool.take(
      { kind: "planned", jobId: "job", runId: "run", plan, isFresh: false },
      { kind: "serve", first: undefined },
      { kind: "computed", jobId: "job", unitId, worker: "worker-1", steps: 8, toldMs: undefined },
      { kind: "serve", first: undefined },
    );
    assert.equal(leases(pool).at(-1), 10 * setting.floorMs);
  });
});
