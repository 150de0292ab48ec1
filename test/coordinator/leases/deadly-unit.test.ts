import assert from "node:assert/strict";
import { test } from "node:test";
import type { Grant, GrantState, UnitRecord } from "../../../coordinator/leases/book.js";
import { deadlyUnit } from "../../../coordinator/leases/deadly-unit.js";
import { WASM } from "../../support/fingerprints.js";

const grant = (state: GrantState, i: number): Grant => ({
  ...{
    leaseId: i,
    worker: `worker-${i}`,
    engine: WASM,
    host: "",
    attempt: i,
    grantedMs: 0,
    state,
    progress: 0,
  },
});

function recordOf(...states: GrantState[]): UnitRecord {
  const patience = { series: "stretch", scale: 1, floorMs: 1, unknownMs: 1, warmUpMs: 0 };
  const unit = { id: "steps 8-71", words: { name: "steps 8–71" }, images: 1, steps: 64, patience };
  return { unit, grants: states.map((state, i) => grant(state, i + 1)), done: undefined };
}

test("work at which two processes were lost may be what ends them", () => {
  const fault = deadlyUnit(recordOf("lost", "expired", "lost"), 2);
  assert.equal(fault?.code, "unexpected");
  assert.match(fault.message, /^2 processes were lost at steps 8–71 \(worker-1, worker-3\)/);
});

test("one may have been lost for any reason, and what came back late or refused tells nothing", () => {
  assert.equal(deadlyUnit(recordOf("lost", "returned", "failed", "held"), 2), undefined);
  assert.equal(deadlyUnit(undefined, 2), undefined);
});

test("a run that is the only work of a pool is never given up for that", () => {
  assert.equal(deadlyUnit(recordOf("lost", "lost", "lost"), undefined), undefined);
});
