import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type LeaseBook, emptyBook, isOpen } from "../../../coordinator/leases/book.js";
import { decide } from "../../../coordinator/leases/decide.js";
import type { Effect, LeaseEvent } from "../../../coordinator/leases/events.js";
import type { WorkPlan } from "../../../coordinator/leases/unit.js";
import { fixedPlan } from "../../../coordinator/evaluation/fixed-plan.js";
import { blockPlan } from "../../../coordinator/training/modes/step-by-step/plan.js";
import { stretchPlan } from "../../../coordinator/training/modes/stretches/plan.js";
import { checkBook, deepFreeze } from "../../support/book-invariants.js";
import { WASM } from "../../support/fingerprints.js";

const HEARTBEAT_MS = 100;
const rules = {
  heartbeatMs: HEARTBEAT_MS,
  quarantine: { after: 2, firstMs: 500 },
  hungAfter: 10,
  mixedEngines: "refuse",
} as const;
const setting = { plan: { images: 64, batchSize: 8, slots: 4, epochs: 9 }, floorMs: 1000 };

/** A book that is asked and obeyed, step by step. */
class Pool {
  book: LeaseBook = emptyBook(rules);
  nowMs = 0;
  readonly effects: Effect[] = [];
  readonly reasons: string[] = [];

  /** Decides on the event, then gives work. Books are frozen: whoever changes one in place fails. */
  take(event: LeaseEvent, first?: string): this {
    for (const one of [event, { kind: "serve" as const, first }]) {
      const { book, effects, reasons } = decide(deepFreeze(this.book), one, this.nowMs);
      checkBook(book);
      this.book = book;
      this.effects.push(...effects);
      this.reasons.push(...reasons.map(({ text }) => text));
    }
    return this;
  }

  join(worker: string, incarnation = 1, leaseId = 0): this {
    return this.take({ kind: "joined", worker, incarnation, engine: WASM, pid: 1, leaseId });
  }

  plan(plan: WorkPlan, isFresh = false): this {
    return this.take({ kind: "planned", jobId: "job", runId: "run", plan, isFresh });
  }

  computed(worker: string, unitId: string, toldMs?: number, steps = 1): this {
    return this.take({ kind: "computed", jobId: "job", unitId, worker, steps, toldMs }, worker);
  }

  beat(worker: string, leaseId: number): this {
    const beat = { kind: "heard" as const, worker, incarnation: 1, isOurTerm: true };
    return this.take({ ...beat, leaseId, rssBytes: 0, progress: undefined });
  }

  /** Unit and number of the lease that a worker holds. */
  held(worker: string): [string, number] | undefined {
    const lease = this.book.members.get(worker)?.lease;
    return lease === undefined ? undefined : [lease.unit.id, lease.id];
  }

  of(kind: Effect["kind"]): Effect[] {
    return this.effects.filter((effect) => effect.kind === kind);
  }
}

const oneStep = (): WorkPlan => blockPlan(setting, { step: 0, stopAt: 3 });

describe("blocks of a step", () => {
  test("are cut for those who are here when the first one is leased, and go out in slot order", () => {
    const pool = new Pool().join("a").join("b").plan(oneStep());
    assert.deepEqual(pool.held("a"), ["step 0 slots 0-1", 1]);
    assert.deepEqual(pool.held("b"), ["step 0 slots 2-3", 2]);
  });

  test("commit together, and the worker that brought the last one gets the slots it had before", () => {
    const pool = new Pool().join("a").join("b").plan(oneStep());
    pool.computed("b", "step 0 slots 2-3");
    assert.equal(pool.held("b"), undefined, "nothing is open");
    assert.deepEqual(pool.of("commit"), []);
    pool.computed("a", "step 0 slots 0-1");
    const [commit] = pool.of("commit");
    assert.ok(commit?.kind === "commit");
    assert.deepEqual(commit.commit, { step: 0, steps: 1 });
    assert.deepEqual(
      commit.units.map(({ unit, worker }) => [unit.id, worker]),
      [
        ["step 0 slots 0-1", "a"],
        ["step 0 slots 2-3", "b"],
      ],
    );
    assert.deepEqual([pool.held("a")?.[0], pool.held("b")?.[0]], ["step 1 slots 0-1", "step 1 slots 2-3"]);
    const order = pool.effects.filter(({ kind }) => kind === "commit" || kind === "lease");
    assert.deepEqual(
      order.map(({ kind }) => kind),
      ["lease", "lease", "commit", "lease", "lease"],
      "the commit comes before the leases that follow from it",
    );
  });

  test("end with the last step", () => {
    const pool = new Pool().join("a").plan(blockPlan(setting, { step: 2, stopAt: 3 }));
    pool.computed("a", "step 2 slots 0-3");
    assert.equal(pool.of("commit").length, 1);
    assert.equal(pool.held("a"), undefined);
  });

  test("are wanted no more once the step is given up; a late copy changes nothing", () => {
    const pool = new Pool().join("a").plan(oneStep());
    const [, leaseId] = pool.held("a") ?? [];
    pool.plan(blockPlan(setting, { step: 0, stopAt: 0 }), true);
    pool.computed("a", "step 0 slots 0-3");
    assert.deepEqual(pool.of("commit"), []);
    pool.take({
      ...{ kind: "settled", jobId: "job", unitId: undefined, worker: "a", leaseId: leaseId ?? 0 },
      ...{ outcome: "done", reason: "", told: undefined },
    });
    assert.equal(pool.held("a"), undefined);
  });

  test("are not leased again behind the last step that is wanted", () => {
    const pool = new Pool().join("a").join("b").plan(oneStep());
    pool.plan(blockPlan(setting, { step: 0, stopAt: 0 }));
    assert.equal(pool.held("a")?.[0], "step 0 slots 0-1", "what is in work goes on");
    pool.take({ kind: "left", worker: "a", incarnation: 1, reason: "signal" }).join("c");
    assert.equal(pool.held("c"), undefined);
  });

  test("do not commit without those that were dropped when the step was not wanted any more", () => {
    const pool = new Pool().join("a").join("b").plan(oneStep());
    pool.take({ kind: "left", worker: "a", incarnation: 1, reason: "signal" });
    pool.plan(blockPlan(setting, { step: 0, stopAt: 0 }));
    pool.computed("b", "step 0 slots 2-3");
    assert.deepEqual(pool.of("commit"), []);
  });

  test("count once: whoever brings one again, later, is not who computed it", () => {
    const pool = new Pool().join("a").join("b").plan(oneStep());
    const [block = "", leaseId = 0] = pool.held("a") ?? [];
    const [other = ""] = pool.held("b") ?? [];
    pool.nowMs = 3 * HEARTBEAT_MS + 1;
    // It is silent and lost, and comes back when another one has computed the block.
    pool.beat("b", 2).take({ kind: "tick" }).join("c");
    assert.equal(pool.held("c")?.[0], block);
    pool.join("a", 1, leaseId).computed("c", block, 10).computed("a", block, 20).computed("b", other);

    const [commit, another] = pool.of("commit");
    assert.ok(commit?.kind === "commit" && another === undefined);
    const first = commit.units.find(({ unit }) => unit.id === block);
    assert.deepEqual([first?.worker, first?.attempt], ["c", 2]);
  });
});

describe("what a worker tells of its work", () => {
  const series = blockPlan(setting, { step: 0, stopAt: 1 }).units({ speeds: () => [1] })[0]?.patience.series;
  const tell = (pool: Pool, worker: string, leaseId: number, ms: number): void => {
    const told = { series: series ?? "", ms };
    pool.take({
      ...{ kind: "settled", jobId: "job", unitId: undefined, worker, leaseId, told },
      ...{ outcome: "done", reason: "" },
    });
  };
  const times = (pool: Pool): readonly number[] => pool.book.jobs.get("job")?.times.get(series ?? "") ?? [];

  test("counts for no deadline where it had no such lease, or said so before", () => {
    const pool = new Pool().join("a").join("evil").plan(oneStep());
    const [unitId, leaseId] = pool.held("a") ?? ["", 0];
    pool.nowMs = 100;
    for (let i = 0; i < 64; i++)
      for (const ms of [0, 1e300]) {
        tell(pool, "stranger", i, ms);
        tell(pool, "evil", 100 + i, ms);
        tell(pool, "evil", leaseId, ms);
      }
    assert.deepEqual(times(pool), []);
    pool.computed("a", unitId);
    const stopgap = times(pool);
    for (let i = 0; i < 64; i++) tell(pool, "a", leaseId, 20);
    assert.deepEqual(times(pool), [...stopgap, 20]);
  });

  test("counts for no longer than it had the lease", () => {
    const pool = new Pool().join("a").plan(blockPlan(setting, { step: 0, stopAt: 1 }));
    const [unitId, leaseId] = pool.held("a") ?? ["", 0];
    pool.nowMs = 100;
    pool.computed("a", unitId);
    pool.nowMs = 5000;
    tell(pool, "a", leaseId, 1e300);
    assert.deepEqual(times(pool), [25, 25], "100 ms for four slots");
  });

  test("is no progress of what is committed in one piece", () => {
    const pool = new Pool().join("a").plan(oneStep());
    const [, leaseId] = pool.held("a") ?? ["", 0];
    const beat = { kind: "heard", worker: "a", incarnation: 1, isOurTerm: true, rssBytes: 0 } as const;
    pool.take({ ...beat, leaseId: leaseId ?? 0, progress: { steps: 1, loss: NaN, accuracy: NaN } });
    assert.deepEqual(pool.of("progress"), []);
  });
});

describe("a unit is offered again", () => {
  test("when its worker is silent for three heartbeats, and the reason is said", () => {
    const pool = new Pool().join("a").plan(oneStep());
    pool.nowMs = 3 * HEARTBEAT_MS + 1;
    pool.join("b").take({ kind: "tick" });
    assert.deepEqual(pool.held("b"), ["step 0 slots 0-3", 2]);
    assert.ok(pool.reasons.includes("Worker a is lost: no heartbeat for 301 ms"), pool.reasons.join("\n"));
  });

  test("at once when the process of its worker has ended, and the reason is said", () => {
    const pool = new Pool().join("a").plan(oneStep()).join("b");
    pool.take({ kind: "died", worker: "a", pid: 1 });
    assert.deepEqual(pool.held("b"), ["step 0 slots 0-3", 2]);
    assert.equal(pool.book.members.has("a"), false);
    assert.ok(pool.reasons.includes("Worker a is lost: its process 1 has ended"), pool.reasons.join("\n"));
    assert.deepEqual(
      pool.of("member").flatMap((effect) => (effect.kind === "member" ? [effect.change] : [])),
      ["joined", "joined", "lost", "gone"],
    );
  });

  test("when its deadline is over; the late copy counts if it comes first, and the other is then superfluous", () => {
    const pool = new Pool()
      .join("a")
      .join("b")
      .plan(blockPlan(setting, { step: 0, stopAt: 1 }));
    pool.computed("b", "step 0 slots 2-3", 10);
    pool.nowMs = 60_000;
    pool.beat("a", 1).beat("b", 0).take({ kind: "tick" });
    assert.deepEqual(pool.held("b"), ["step 0 slots 0-1", 3]);
    assert.equal(pool.book.members.get("a")?.lease?.isOverdue, true);
    assert.match(pool.book.members.get("a")?.note ?? "", /overdue after 60000 ms/);
    pool.computed("a", "step 0 slots 0-1");
    assert.equal(pool.of("commit").length, 1);
    pool.computed("b", "step 0 slots 0-1");
    assert.equal(pool.of("commit").length, 1, "it counts once");
  });

  test("once when its deadline is over, and not again when the lease that is overdue comes back", () => {
    const pool = new Pool().join("a").plan(oneStep());
    pool.nowMs = 100_000;
    pool.beat("a", 1).take({ kind: "tick" });
    assert.equal(pool.of("reopened").length, 1);
    pool.take({
      ...{ kind: "returned", worker: "a", incarnation: 1, leaseId: 1 },
      ...{ reason: "signal", hasFailed: false },
    });
    assert.equal(pool.of("reopened").length, 1);
    assert.deepEqual(pool.held("a"), ["step 0 slots 0-3", 2]);
  });

  test("when a heartbeat does not know of its lease, two heartbeats after it was given", () => {
    const pool = new Pool().join("a").plan(oneStep());
    pool.nowMs = 2 * HEARTBEAT_MS;
    pool.beat("a", 0);
    assert.deepEqual(pool.held("a"), ["step 0 slots 0-3", 1]);
    pool.nowMs++;
    pool.beat("a", 0);
    assert.deepEqual(pool.held("a"), ["step 0 slots 0-3", 2], "it gets the same again");
    assert.match(
      pool.reasons.join("\n"),
      /Lease 1 of worker a is taken back: its heartbeat says that it is idle/,
    );
  });

  test("when its worker was started again", () => {
    const pool = new Pool().join("a").plan(oneStep()).join("a", 2);
    assert.deepEqual(pool.held("a"), ["step 0 slots 0-3", 2]);
  });

  test("to another worker, when its values were not finite; to the same one only where there is no other", () => {
    const spoil = (pool: Pool, worker: string): void => {
      const [unitId, leaseId] = pool.held(worker) ?? ["", 0];
      const end = { kind: "settled" as const, jobId: "job", outcome: "spoiled" as const, told: undefined };
      pool.take({ ...end, unitId, worker, leaseId, reason: "not finite" });
    };
    const pair = new Pool().join("a").plan(oneStep()).join("b");
    spoil(pair, "a");
    assert.equal(pair.held("a"), undefined);
    assert.deepEqual(pair.held("b"), ["step 0 slots 0-3", 2]);
    spoil(pair, "b");
    const [diverged] = pair.of("diverged");
    assert.ok(diverged?.kind === "diverged");
    assert.deepEqual([...diverged.attempts], Object.entries({ a: 1, b: 1 }));

    const alone = new Pool().join("a").plan(oneStep());
    spoil(alone, "a");
    assert.deepEqual(alone.held("a"), ["step 0 slots 0-3", 2]);
    assert.deepEqual(alone.of("diverged"), []);
  });
});

describe("a stretch", () => {
  test("commits as many steps as came back; the next begins behind them", () => {
    const pool = new Pool().join("a").plan(stretchPlan(setting, { step: 0, stopAt: 8 }));
    assert.deepEqual(pool.held("a"), ["steps 0-7", 1]);
    pool.computed("a", "steps 0-7", 30, 3);
    const [commit] = pool.of("commit");
    assert.ok(commit?.kind === "commit");
    assert.deepEqual(commit.commit, { step: 0, steps: 3 });
    assert.deepEqual(pool.held("a"), ["steps 3-7", 2]);
  });

  test("that is not wanted any more is not leased again when its holder is lost", () => {
    const pool = new Pool().join("a").plan(stretchPlan(setting, { step: 0, stopAt: 8 }));
    pool.plan(stretchPlan(setting, { step: 0, stopAt: 0 })).take({ kind: "recalled", jobId: "job" });
    assert.deepEqual(pool.of("halt"), [{ kind: "halt", worker: "a", leaseId: 1 }]);
    pool.join("b").take({ kind: "left", worker: "a", incarnation: 9, reason: "signal" });
    assert.equal(pool.held("b"), undefined);
    assert.equal(pool.of("reopened").length, 1);
  });
});

test("a worker that is late lease after lease rests, and its late results do not restore its standing", () => {
  const pool = new Pool().join("late").plan(blockPlan(setting, { step: 0, stopAt: 9 }));
  for (let step = 0; step < 2; step++) {
    pool.nowMs += 100_000;
    const [unitId = "", leaseId = 0] = pool.held("late") ?? [];
    pool.beat("late", leaseId).take({ kind: "tick" });
    pool.computed("late", unitId, 10);
  }
  assert.equal(pool.of("commit").length, 2, "what it brings counts all the same");
  assert.equal(pool.held("late"), undefined);
  assert.match(
    pool.reasons.join("\n"),
    /late gets no work for 500 ms: 2 leases in a row failed \(lease 2 is overdue/,
  );
});

test("what a former process of a worker says does not touch its successor", () => {
  const pool = new Pool().join("a", 1).plan(oneStep()).join("a", 2);
  const [, leaseId = 0] = pool.held("a") ?? [];
  pool.take({ kind: "left", worker: "a", incarnation: 1, reason: "SIGTERM" });
  pool.take({ kind: "returned", worker: "a", incarnation: 1, leaseId, reason: "", hasFailed: true });
  assert.deepEqual(pool.held("a"), ["step 0 slots 0-3", leaseId]);
});

test("the end of a former process, or of one that nobody knows, does not touch the worker that is here", () => {
  const pool = new Pool().join("a").plan(oneStep());
  const [, leaseId = 0] = pool.held("a") ?? [];
  pool.take({ kind: "died", worker: "a", pid: 99 }).take({ kind: "died", worker: "b", pid: 1 });
  assert.deepEqual(pool.held("a"), ["step 0 slots 0-3", leaseId]);
});

test("nothing is leased any more once a newer coordinator leads the pool", () => {
  const pool = new Pool().plan(oneStep()).take({ kind: "superseded", term: 8 }).join("a");
  assert.equal(pool.held("a"), undefined);
  assert.match(pool.reasons.join("\n"), /Another coordinator leads the pool now, with term 8/);
});

describe("a worker that has joined a later coordinator, which we never heard of", () => {
  const follow = (pool: Pool, beats: number): Pool => {
    for (let beat = 0; beat < beats; beat++) {
      pool.nowMs += HEARTBEAT_MS;
      pool.take({ kind: "follows", worker: "a", term: 8 }).take({ kind: "tick" });
    }
    return pool;
  };

  test("costs the others nothing", () => {
    const pool = new Pool().join("b").plan(oneStep());
    for (let beat = 0; beat < 100; beat++) {
      follow(pool, 1).beat("b", 1);
      assert.deepEqual(pool.of("superseded"), []);
    }
  });

  test("tells a coordinator without workers that its pool is another one's", () => {
    const pool = follow(new Pool().plan(oneStep()), 31);
    assert.deepEqual(pool.of("superseded"), []);
    assert.deepEqual(follow(pool, 1).of("superseded"), [{ kind: "superseded", term: 8 }]);
    assert.equal(
      pool.reasons.filter((reason) => /a has joined a later coordinator, of term 8/.test(reason)).length,
      1,
    );
  });

  test("tells it nothing when others come meanwhile, or it says so no more", () => {
    const pool = follow(new Pool(), 20)
      .join("b")
      .take({ kind: "left", worker: "b", incarnation: 1, reason: "" });
    assert.deepEqual(follow(pool, 20).of("superseded"), []);
    pool.nowMs += 16 * HEARTBEAT_MS;
    pool.take({ kind: "tick" });
    assert.deepEqual(follow(pool, 20).of("superseded"), []);
  });
});

describe("a worker that works on something else is busy, not free", () => {
  const cancels = (pool: Pool): number[] =>
    pool.effects.flatMap((effect) => (effect.kind === "cancel" ? [effect.leaseId] : []));

  test("so a lease that it does not come to is taken back and cancelled, and it gets no other one", () => {
    const pool = new Pool().join("a").plan(blockPlan(setting, { step: 0, stopAt: 9 }));
    // It was lost, and came back with the lease that was taken from it.
    pool.nowMs = 3 * HEARTBEAT_MS + 1;
    pool.take({ kind: "tick" });
    pool.join("a", 1, 1);
    assert.equal(pool.held("a"), undefined);
    for (let beat = 0; beat < 100; beat++) {
      pool.nowMs += HEARTBEAT_MS;
      pool.beat("a", 1).take({ kind: "tick" });
    }
    assert.equal(pool.of("lease").length, 1, "in a hundred heartbeats it was given nothing");
    pool.beat("a", 0);
    assert.deepEqual(pool.held("a"), ["step 0 slots 0-3", 2]);
  });

  test("which is also seen where a join says nothing of it", () => {
    const pool = new Pool().join("a").plan(blockPlan(setting, { step: 0, stopAt: 9 }));
    for (let beat = 0; beat < 100; beat++) {
      pool.nowMs += HEARTBEAT_MS;
      pool.beat("a", 77).take({ kind: "tick" });
    }
    assert.equal(pool.of("lease").length, 1);
    assert.deepEqual(cancels(pool), [1]);
    pool.join("b");
    assert.deepEqual(pool.held("b"), ["step 0 slots 0-3", 2], "the others go on");
  });

  test("its late result counts if it comes first, and frees it at once", () => {
    const pool = new Pool().join("a").plan(blockPlan(setting, { step: 0, stopAt: 9 }));
    pool.nowMs = 3 * HEARTBEAT_MS + 1;
    pool.take({ kind: "tick" });
    pool.join("a", 1, 1);
    pool.computed("a", "step 0 slots 0-3");
    assert.equal(pool.of("commit").length, 1);
    pool.take({
      ...{ kind: "settled", jobId: "job", unitId: undefined, worker: "a", leaseId: 1 },
      ...{ outcome: "done", reason: "", told: undefined },
    });
    assert.deepEqual(pool.held("a"), ["step 1 slots 0-3", 2]);
  });

  test("but a heartbeat that names the lease which just ended does not keep it from the next", () => {
    const pool = new Pool().join("a").plan(blockPlan(setting, { step: 0, stopAt: 1 }));
    pool.computed("a", "step 0 slots 0-3");
    pool.take({
      ...{ kind: "settled", jobId: "job", unitId: undefined, worker: "a", leaseId: 1 },
      ...{ outcome: "done", reason: "", told: undefined },
    });
    pool.beat("a", 1).plan(blockPlan(setting, { step: 1, stopAt: 2 }));
    assert.deepEqual(pool.held("a"), ["step 1 slots 0-3", 2]);
  });

  test("a join that does not know of its lease gets it anew; one that works on it keeps it", () => {
    const pool = new Pool().join("a").plan(oneStep());
    pool.join("a", 1, 1);
    assert.deepEqual(pool.held("a"), ["step 0 slots 0-3", 1]);
    pool.join("a", 1, 0);
    assert.deepEqual(pool.held("a"), ["step 0 slots 0-3", 2]);
  });

  test("the leases of a job that is over are cancelled", () => {
    const pool = new Pool().join("a").plan(oneStep()).take({ kind: "withdrawn", jobId: "job" });
    assert.deepEqual(cancels(pool), [1]);
  });

  test("so the next job gets it only when it is through with a lease of the job before", () => {
    const pool = new Pool().join("a").plan(oneStep()).take({ kind: "withdrawn", jobId: "job" });
    pool.take({ kind: "planned", jobId: "next", runId: "next", plan: oneStep(), isFresh: false });
    assert.equal(pool.held("a"), undefined);
    pool.take({
      ...{ kind: "settled", jobId: undefined, unitId: undefined, worker: "a", leaseId: 1 },
      ...{ outcome: "done", reason: "", told: undefined },
    });
    assert.deepEqual(pool.held("a"), ["step 0 slots 0-3", 2]);
  });
});

test("nothing is leased while NATS is out of reach, and all are heard of anew when it is back", () => {
  const pool = new Pool().join("a").take({ kind: "connection", isConnected: false }).plan(oneStep());
  assert.equal(pool.held("a"), undefined);
  pool.nowMs = 10_000;
  pool.take({ kind: "tick" });
  assert.ok(pool.book.members.has("a"), "nobody could be heard of");
  pool.take({ kind: "connection", isConnected: true }).take({ kind: "tick" });
  assert.deepEqual(pool.held("a")?.[0], "step 0 slots 0-3");
});

test("a worker that fails lease after lease rests, and others take over", () => {
  const pool = new Pool()
    .join("a")
    .join("b")
    .plan(blockPlan(setting, { step: 0, stopAt: 3 }));
  for (let i = 0; i < 2; i++) {
    const [, leaseId] = pool.held("a") ?? ["", 0];
    pool.take({ kind: "returned", worker: "a", incarnation: 9, leaseId, reason: "broken", hasFailed: true });
  }
  assert.equal(pool.held("a"), undefined);
  assert.match(
    pool.reasons.join("\n"),
    /Worker a gets no work for 500 ms: 2 leases in a row failed \(broken\)/,
  );
});

// ---- Any schedule ---------------------------------------------------------------------------------------------

/** One move of a schedule: numbers that a pool turns into an event that fits its book, or does not. */
const move = fc.record({
  what: fc.integer({ min: 0, max: 12 }),
  worker: fc.integer({ min: 0, max: 3 }),
  ms: fc.integer({ min: 0, max: 400 }),
  isStrange: fc.boolean(),
});
type Move = typeof move extends fc.Arbitrary<infer M> ? M : never;

function play(pool: Pool, { what, worker: number, ms, isStrange }: Move): void {
  const worker = `w${number}`;
  const held = pool.book.members.get(worker)?.lease;
  const leaseId = isStrange ? 999 : (held?.id ?? 0);
  pool.nowMs += ms;
  switch (what) {
    case 0:
      pool.join(worker, isStrange ? 2 : 1);
      break;
    case 1:
      pool.beat(worker, leaseId);
      break;
    case 2:
      pool.take({ kind: "returned", worker, incarnation: 9, leaseId, reason: "r", hasFailed: isStrange });
      break;
    case 3:
      pool.take({ kind: "left", worker, incarnation: 9, reason: "l" });
      break;
    case 4:
      pool.take({ kind: "connection", isConnected: !isStrange });
      break;
    case 5:
      pool.take({ kind: "tick" });
      break;
    case 7:
      pool.take({ kind: "died", worker, pid: isStrange ? 99 : 1 });
      break;
    case 6: {
      const outcome = isStrange ? "spoiled" : "refused";
      const unitId = held?.unit.id;
      pool.take({
        kind: "settled",
        jobId: "job",
        unitId,
        worker,
        leaseId,
        outcome,
        reason: "",
        told: undefined,
      });
      break;
    }
    default: {
      // Mostly, whoever holds something computes it, or somebody else does.
      const units = [...(pool.book.jobs.get("job")?.units.values() ?? [])];
      const unit = isStrange ? units[number % Math.max(1, units.length)]?.unit : held?.unit;
      if (unit !== undefined) pool.computed(worker, unit.id, ms);
    }
  }
}

for (const [name, plan, total] of [
  ["steps", (): WorkPlan => blockPlan(setting, { step: 0, stopAt: 20 }), 20],
  ["stretches", (): WorkPlan => stretchPlan(setting, { step: 0, stopAt: 20 }), 20],
] as const) {
  test(`in any schedule of ${name}, each step commits once and in order, and one honest worker brings the rest`, () => {
    fc.assert(
      fc.property(fc.array(move, { maxLength: 120 }), (moves) => {
        const pool = new Pool().plan(plan());
        for (const one of moves) play(pool, one);
        // The faults are over: one worker serves what it gets.
        pool.nowMs += 1_000_000;
        pool.take({ kind: "connection", isConnected: true });
        for (const id of [...pool.book.members.keys()])
          pool.take({ kind: "left", worker: id, incarnation: 9, reason: "" });
        pool.join("honest");
        for (let i = 0; i < 100; i++) {
          const [unitId] = pool.held("honest") ?? [];
          if (unitId === undefined) break;
          pool.nowMs += 10;
          const steps = pool.book.members.get("honest")?.lease?.unit.steps ?? 1;
          pool.computed("honest", unitId, 10, steps);
        }
        const commits = pool
          .of("commit")
          .flatMap((effect) => (effect.kind === "commit" ? [effect.commit] : []));
        let next = 0;
        for (const { step, steps } of commits) {
          assert.equal(step, next);
          next += steps;
        }
        assert.equal(next, total);
      }),
      { numRuns: 300 },
    );
  });
}

test("in any schedule of an evaluation each task is done once, and one honest worker does what is left", () => {
  const patience = { series: "s", scale: 1, floorMs: 1000, unknownMs: 1000, warmUpMs: 0 };
  const units = Array.from({ length: 7 }, (_, i) => ({ id: `task ${i}`, images: 1, steps: 1, patience }));
  fc.assert(
    fc.property(fc.array(move, { maxLength: 120 }), (moves) => {
      const pool = new Pool().plan(fixedPlan(units, "the work"));
      for (const one of moves) play(pool, one);
      pool.nowMs += 1_000_000;
      pool.take({ kind: "connection", isConnected: true });
      for (const id of [...pool.book.members.keys()])
        pool.take({ kind: "left", worker: id, incarnation: 9, reason: "" });
      pool.join("honest");
      for (let i = 0; i < 10; i++) {
        const [unitId] = pool.held("honest") ?? [];
        if (unitId !== undefined) pool.computed("honest", unitId, 10);
      }
      const records = [...(pool.book.jobs.get("job")?.units.values() ?? [])];
      assert.equal(records.length, 7);
      assert.ok(records.every((record) => record.done !== undefined && !isOpen(record)));
    }),
    { numRuns: 300 },
  );
});
