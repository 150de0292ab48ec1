import assert from "node:assert/strict";
import { test } from "node:test";
import {
  MOST_CREDIT_MS,
  type PassedOver,
  fairOrder,
  withAccount,
  withPassedOver,
} from "../../../coordinator/pool/fairness.js";
import { SEED, randomNumbers } from "../../support/draws.js";

test("the job with the fewest workers comes first, then the one that has waited longest", () => {
  const shares = {
    many: { held: 3, lastServed: 1 },
    late: { held: 1, lastServed: 9 },
    early: { held: 1, lastServed: 4 },
    fresh: { held: 0, lastServed: 7 },
  };
  const names = ["many", "late", "early", "fresh"] as const;
  assert.deepEqual(
    fairOrder(names, (name) => shares[name]),
    ["fresh", "early", "late", "many"],
  );
});

test("jobs that were never served keep their order", () => {
  assert.deepEqual(
    fairOrder(["a", "b", "c"], () => ({ held: 0, lastServed: 0 })),
    ["a", "b", "c"],
  );
});

test("whatever their leases take, no job waits for more turns than there are jobs", (t) => {
  t.diagnostic(`SAF_TEST_SEED=${SEED}`);
  const below = randomNumbers(SEED);
  const jobs = ["a", "b", "c", "d", "e"];
  for (let workers = 1; workers <= 6; workers++) {
    const lastServed = new Map<string, number>();
    const busy: { job: string; until: number }[] = [];
    for (let turn = 1; turn <= 500; turn++) {
      if (busy.length === workers) busy.sort((x, y) => x.until - y.until).shift();
      const [job = ""] = fairOrder(jobs, (name) => ({
        held: busy.filter((lease) => lease.job === name).length,
        lastServed: lastServed.get(name) ?? 0,
      }));
      lastServed.set(job, turn);
      busy.push({ job, until: turn + 1 + below(20) });
      if (turn <= jobs.length) continue;
      // With fewer workers than jobs each must come round; a job that holds a worker already is served.
      for (const name of jobs) {
        const waited = turn - (lastServed.get(name) ?? 0);
        assert.ok(
          waited < 2 * jobs.length || busy.some((lease) => lease.job === name),
          `${name} waited ${waited} turns for one of ${workers} workers`,
        );
      }
    }
  }
});

const passed = (name: string, usedMs: number, more: Partial<PassedOver> = {}): PassedOver => ({
  ...{ name, priority: 0, usedMs, isHeld: false },
  ...more,
});

test("an account that has nothing to lease moves along with the one that is served instead of it", () => {
  const used = new Map([["paused", 300], ["served", 5000]]); // prettier-ignore
  const moved = withPassedOver(used, [passed("paused", 300)], { priority: 0, usedMs: 5000 });
  assert.deepEqual([...moved], [["paused", 5000], ["served", 5000]]); // prettier-ignore
});

test("an account that has had too much still owes it after a pause", () => {
  const used = new Map([["paused", 9000], ["served", 5000]]); // prettier-ignore
  assert.equal(withPassedOver(used, [passed("paused", 9000)], { priority: 0, usedMs: 5000 }), used);
  assert.equal(withAccount(used, { name: "paused", priority: 0 }, [{ priority: 0, usedMs: 5000 }]), used);
});

test("an account between two steps keeps what it is behind, up to a bound", () => {
  const servedMs = MOST_CREDIT_MS + 5000;
  const used = new Map([["near", 6000], ["far", 1000], ["served", servedMs]]); // prettier-ignore
  const held = [passed("near", 6000, { isHeld: true }), passed("far", 1500, { isHeld: true })];
  const moved = withPassedOver(used, held, { priority: 0, usedMs: servedMs });
  assert.equal(moved.get("near"), 6000);
  // 500 ms of it are of a lease that goes on, and are counted when it ends.
  assert.equal(moved.get("far"), 4500);
});

test("accounts of another priority are not moved by work that came in their stead", () => {
  const used = new Map([["high", 300], ["served", 5000]]); // prettier-ignore
  const high = passed("high", 300, { priority: 1 });
  assert.equal(withPassedOver(used, [high], { priority: 0, usedMs: 5000 }), used);
});

test("a new account begins where the one with least of its priority stands, and after all where nobody is", () => {
  const used = new Map([["gone", 8000], ["low", 50]]); // prettier-ignore
  const present = [
    { priority: 0, usedMs: 700 },
    { priority: 0, usedMs: 900 },
    { priority: -1, usedMs: 50 },
  ];
  assert.equal(withAccount(used, { name: "new", priority: 0 }, present).get("new"), 700);
  assert.equal(withAccount(used, { name: "new", priority: 1 }, present).get("new"), 8000);
  assert.equal(withAccount(used, { name: "new", priority: 0 }, []).get("new"), 8000);
});
