import assert from "node:assert/strict";
import { test } from "node:test";
import { Allowance } from "../../../coordinator/pool/allowance.js";

test("a worker is heard so often at once, then as its bucket fills, and another has its own", () => {
  const allowance = new Allowance({ burst: 5, perSecond: 10 });
  const heard = (worker: string, times: number, nowMs: number): number =>
    Array.from({ length: times }, () => allowance.take(worker, nowMs)).filter(Boolean).length;
  assert.equal(heard("evil", 100, 0), 5);
  assert.equal(heard("good", 1, 0), 1);
  assert.equal(heard("evil", 100, 50), 0);
  assert.equal(heard("evil", 100, 200), 2);
  assert.equal(heard("evil", 100, 60_000), 5);
  assert.equal(heard("evil", 100, 0), 0, "a clock that goes back fills nothing");
});
