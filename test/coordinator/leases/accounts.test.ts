import assert from "node:assert/strict";
import { test } from "node:test";
import { type LeaseBook, emptyBook } from "../../../coordinator/leases/book.js";
import { decide } from "../../../coordinator/leases/decide.js";
import type { LeaseEvent } from "../../../coordinator/leases/events.js";
import type { Unit, WorkPlan } from "../../../coordinator/leases/unit.js";
import type { Account } from "../../../coordinator/pool/fairness.js";
import { checkBook } from "../../support/book-invariants.js";
import { WASM } from "../../support/fingerprints.js";

const TICK_MS = 50;

interface Work {
  account: Account;
  jobId: string;
  /** Of one unit. */
  ms: number;
  /** It has nothing to lease for now. */
  isPaused?: () => boolean;
}

interface Arrival {
  atMs: number;
  worker: string;
  jobId: string;
  unitId: string;
  leaseId: number;
}

/** Units without end, as many at a time as there are workers. */
function endless(next: number, isPaused = (): boolean => false): WorkPlan {
  const unit = (i: number): Unit => ({
    id: `unit ${i}`,
    images: 1,
    steps: 1,
    isExclusive: true,
    patience: { series: "unit", scale: 1, floorMs: 60_000, unknownMs: 60_000, warmUpMs: 0 },
  });
  return {
    units: () => (isPaused() ? [] : [unit(next)]),
    wants: () => true,
    advance: () => ({ commit: { step: next, steps: 1 }, plan: endless(next + 1, isPaused) }),
  };
}

/** A pool in virtual time whose workers need exactly a unit's time. */
class Pool {
  book: LeaseBook = emptyBook({
    heartbeatMs: 1000,
    quarantine: { after: 3, firstMs: 5000 },
    hungAfter: 10,
    mixedEngines: "refuse",
  });
  /** Time of the workers by account, ms. */
  readonly had = new Map<string, number>();
  /** Runs that each worker was leased work of, in their order. */
  readonly served = new Map<string, string[]>();
  readonly #works = new Map<string, Work>();
  readonly #arrivals: Arrival[] = [];
  nowMs = 0;

  constructor(workers: number) {
    for (let i = 1; i <= workers; i++)
      this.#take({ kind: "joined", worker: `w${i}`, incarnation: 1, engine: WASM, pid: i, leaseId: 0 });
  }

  add(work: Work): void {
    this.#works.set(work.jobId, work);
    const { jobId, account, isPaused } = work;
    const plan = endless(0, isPaused);
    this.#take({ kind: "planned", jobId, runId: jobId, account, plan, isFresh: false });
  }

  remove(jobId: string): void {
    this.#take({ kind: "withdrawn", jobId });
    this.#works.delete(jobId);
  }

  run(seconds: number): void {
    const untilMs = this.nowMs + 1000 * seconds;
    while (this.nowMs < untilMs) {
      this.#arrivals.sort((a, b) => a.atMs - b.atMs);
      const next = this.#arrivals[0];
      if (next !== undefined && next.atMs <= this.nowMs + TICK_MS) {
        this.#arrivals.shift();
        this.nowMs = Math.max(this.nowMs, next.atMs);
        this.#arrived(next);
      } else {
        this.nowMs += TICK_MS;
        for (const [worker, { lease, strayLease }] of this.book.members)
          this.#take({
            ...{ kind: "heard", worker, incarnation: 1, isOurTerm: true, rssBytes: 0, progress: undefined },
            leaseId: lease?.id ?? strayLease,
          });
      }
    }
  }

  #arrived({ worker, jobId, unitId, leaseId }: Arrival): void {
    this.#take({ kind: "computed", jobId, unitId, worker, steps: 1, toldMs: undefined });
    const end = { kind: "settled" as const, outcome: "done" as const, reason: "", told: undefined };
    this.#take({ ...end, jobId, unitId, worker, leaseId });
  }

  #take(event: LeaseEvent): void {
    for (const one of [event, { kind: "serve" as const, first: undefined }]) {
      const { book, effects } = decide(this.book, one, this.nowMs);
      checkBook(book);
      this.book = book;
      for (const effect of effects) {
        if (effect.kind !== "lease") continue;
        const { worker, jobId, unit, leaseId } = effect;
        const work = this.#works.get(jobId);
        assert.ok(work);
        const { name } = work.account;
        this.had.set(name, (this.had.get(name) ?? 0) + work.ms);
        this.served.set(worker, [...(this.served.get(worker) ?? []), jobId]);
        this.#arrivals.push({ atMs: this.nowMs + work.ms, worker, jobId, unitId: unit.id, leaseId });
      }
    }
  }

  /** Share of the workers' time that an account had. */
  shareOf(name: string): number {
    const all = [...this.had.values()].reduce((sum, ms) => sum + ms, 0);
    return (this.had.get(name) ?? 0) / all;
  }
}

const account = (name: string, share = 1, more: Partial<Account> = {}): Account => ({
  ...{ name, share, priority: 0, isSteady: true },
  ...more,
});

test("accounts get their shares of the workers' time, however long their leases are", () => {
  const pool = new Pool(4);
  for (let i = 0; i < 5; i++) pool.add({ account: account("long"), jobId: `long ${i}`, ms: 3000 });
  for (let i = 0; i < 5; i++) pool.add({ account: account("double", 2), jobId: `double ${i}`, ms: 500 });
  for (let i = 0; i < 5; i++) pool.add({ account: account("short"), jobId: `short ${i}`, ms: 70 });
  pool.run(300);
  assert.ok(Math.abs(pool.shareOf("long") - 0.25) < 0.025, `long: ${pool.shareOf("long")}`);
  assert.ok(Math.abs(pool.shareOf("double") - 0.5) < 0.05, `double: ${pool.shareOf("double")}`);
  assert.ok(Math.abs(pool.shareOf("short") - 0.25) < 0.025, `short: ${pool.shareOf("short")}`);
});

test("who comes later has not waited: it gets its share from then on, and no more", () => {
  const pool = new Pool(2);
  for (let i = 0; i < 3; i++) pool.add({ account: account("first"), jobId: `first ${i}`, ms: 200 });
  pool.run(100);
  for (let i = 0; i < 3; i++) pool.add({ account: account("second"), jobId: `second ${i}`, ms: 200 });
  const before = pool.had.get("first") ?? 0;
  pool.run(20);
  const [first, second] = [(pool.had.get("first") ?? 0) - before, pool.had.get("second") ?? 0];
  assert.ok(Math.abs(first / (first + second) - 0.5) < 0.05, `${first} and ${second} ms`);
});

test("who pauses with its jobs in the book comes back to its share, and gets no more", () => {
  const pool = new Pool(2);
  let isAway = false;
  const isPaused = (): boolean => isAway;
  for (let i = 0; i < 3; i++) pool.add({ account: account("there"), jobId: `there ${i}`, ms: 200 });
  for (let i = 0; i < 3; i++)
    pool.add({ account: account("away", 2), jobId: `away ${i}`, ms: 200, isPaused });
  pool.run(5);
  isAway = true;
  pool.run(100);
  isAway = false;
  const before = new Map(pool.had);
  pool.run(30);
  const since = (name: string): number => (pool.had.get(name) ?? 0) - (before.get(name) ?? 0);
  const share = since("away") / (since("away") + since("there"));
  assert.ok(Math.abs(share - 2 / 3) < 0.05, `${share} of the time`);
});

test("who had the pool for itself does not wait for those that came while it paused", () => {
  const pool = new Pool(2);
  for (let i = 0; i < 3; i++) pool.add({ account: account("first"), jobId: `first ${i}`, ms: 200 });
  pool.run(100);
  for (let i = 0; i < 3; i++) pool.remove(`first ${i}`);
  for (let i = 0; i < 3; i++) pool.add({ account: account("second"), jobId: `second ${i}`, ms: 200 });
  pool.run(5);
  for (let i = 3; i < 6; i++) pool.add({ account: account("first"), jobId: `first ${i}`, ms: 200 });
  const before = new Map(pool.had);
  pool.run(20);
  const since = (name: string): number => (pool.had.get(name) ?? 0) - (before.get(name) ?? 0);
  const share = since("first") / (since("first") + since("second"));
  assert.ok(Math.abs(share - 0.5) < 0.05, `${share} of the time`);
});

test("an account whose work is too narrow for its share does not get the whole pool when it widens", () => {
  const pool = new Pool(2);
  for (let i = 0; i < 3; i++) pool.add({ account: account("wide"), jobId: `wide ${i}`, ms: 200 });
  pool.add({ account: account("narrow", 2), jobId: "narrow 0", ms: 200 });
  pool.run(300);
  for (let i = 1; i < 4; i++) pool.add({ account: account("narrow", 2), jobId: `narrow ${i}`, ms: 200 });
  const before = pool.had.get("wide") ?? 0;
  pool.run(60);
  assert.ok((pool.had.get("wide") ?? 0) - before > 20_000, `${(pool.had.get("wide") ?? 0) - before} ms`);
});

test("work of a higher priority comes first; the other goes on when there is none", () => {
  const pool = new Pool(2);
  for (let i = 0; i < 3; i++) pool.add({ account: account("low"), jobId: `low ${i}`, ms: 100 });
  pool.run(5);
  for (let i = 0; i < 2; i++) {
    const high = account("high", 1, { priority: 1 });
    pool.add({ account: high, jobId: `high ${i}`, ms: 100 });
  }
  const before = pool.had.get("low") ?? 0;
  pool.run(5);
  assert.ok((pool.had.get("low") ?? 0) - before <= 200, "low work went on");
  for (let i = 0; i < 2; i++) pool.remove(`high ${i}`);
  pool.run(5);
  assert.ok((pool.had.get("low") ?? 0) - before > 8000, "low work did not go on");
});

test("a worker goes on with the run of a steady account that it served last", () => {
  const pool = new Pool(2);
  for (let i = 0; i < 5; i++) pool.add({ account: account("sweep"), jobId: `trial ${i}`, ms: 100 });
  pool.run(10);
  for (const runs of pool.served.values()) assert.equal(new Set(runs).size, 1, [...new Set(runs)].join(", "));
});

test("runs of other accounts go on side by side", () => {
  const pool = new Pool(2);
  const common = account("", 1, { isSteady: false });
  for (let i = 0; i < 5; i++) pool.add({ account: common, jobId: `run ${i}`, ms: 100 });
  pool.run(10);
  assert.equal(new Set([...pool.served.values()].flat()).size, 5);
});
