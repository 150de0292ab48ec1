import assert from "node:assert/strict";
import { test } from "node:test";
import {
  admit,
  type Applicant,
  lostWorkers,
  MISSED_HEARTBEATS,
} from "../../../coordinator/pool/membership.js";
import { enginesFor } from "../../../shared/engine.js";

test("a worker is lost after three missed heartbeats, not a millisecond before", () => {
  const workers = new Map([
    ["fresh", { incarnation: 1, lastSeenMs: 10_000 }],
    ["late", { incarnation: 1, lastSeenMs: 7_000 }],
    ["lost", { incarnation: 1, lastSeenMs: 6_999 }],
    ["ahead", { incarnation: 1, lastSeenMs: 10_500 }], // its heartbeat came while we looked at the clock
  ]);
  assert.equal(MISSED_HEARTBEATS, 3);
  assert.deepEqual(lostWorkers(workers, 1000, 10_000), ["lost"]);
  assert.deepEqual(lostWorkers(workers, 1000, 10_001), ["late", "lost"]);
  assert.deepEqual(lostWorkers(new Map(), 1000, 10_000), []);
});

const applicant: Applicant = {
  workerId: "worker-1",
  protocol: 1,
  selfTestPassed: true,
  selfTestDetail: "",
  engineName: "wasm",
  incarnation: 5,
};
const engines = ["tensorflow", "wasm"];

test("a worker of this protocol with a known engine that computes right is admitted", () => {
  assert.deepEqual(admit(applicant, "worker-1", 1, engines), { accepted: true });
});

test("another protocol, an unknown engine and wrong gradients are refused by name", () => {
  for (const [change, label, pattern] of [
    [{ protocol: 2 }, "protocol", /version 2, this coordinator 1/],
    [{ engineName: "abacus" }, "engine", /"abacus"/],
    [{ workerId: "all" }, "name", /reserved/],
    [{ workerId: "w.1" }, "name", /1 to 32/],
    [{ selfTestPassed: false, selfTestDetail: "max pool" }, "self_test", /"wasm".*max pool/],
    [{ selfTestPassed: false }, "self_test", /unnamed/],
    // The protocol first: what else such a worker says may mean something else.
    [{ protocol: 2, engineName: "abacus", selfTestPassed: false }, "protocol", /version 2/],
  ] as const) {
    const says = { ...applicant, ...change };
    const admission = admit(says, says.workerId, 1, engines);
    assert.ok(!admission.accepted);
    assert.equal(admission.label, label);
    assert.match(admission.reason, pattern);
  }
});

test("real gradients and made-up ones never meet in a run", () => {
  const emulated = { ...applicant, engineName: "emulated" };
  for (const [worker, served] of [
    [emulated, enginesFor([{}])],
    [applicant, enginesFor([{ engine: "emulated" }])],
  ] as const) {
    const admission = admit(worker, "worker-1", 1, served);
    assert.ok(!admission.accepted);
    assert.equal(admission.label, "engine");
    assert.match(
      admission.reason,
      /its engine is "(emulated|wasm)", and the runs here are computed by .* only/,
    );
  }
  assert.deepEqual(admit(emulated, "worker-1", 1, enginesFor([{ engine: "emulated" }])), { accepted: true });
  assert.throws(() => enginesFor([{}, { engine: "emulated" }]), /Some of these runs are emulated/);
});

test("of two processes with one name the one that was started later is the worker; the other is refused", () => {
  const present = { incarnation: 6, lastSeenMs: 0 };
  const earlier = admit(applicant, "worker-1", 1, engines, { present });
  assert.ok(!earlier.accepted);
  assert.equal(earlier.label, "name");
  assert.match(earlier.reason, /another worker that was started later is here under the name "worker-1"/);
  for (const incarnation of [5, 6, 7])
    assert.ok(
      admit({ ...applicant, incarnation }, "worker-1", 1, engines, {
        present: { ...present, incarnation: 5 },
      }).accepted,
    );
});

test("who speaks for another worker is refused", () => {
  const admission = admit({ ...applicant, workerId: "worker-2" }, "worker-1", 1, engines);
  assert.deepEqual(admission, {
    accepted: false,
    label: "name",
    reason: 'it is "worker-1" and spoke for another',
  });
});
