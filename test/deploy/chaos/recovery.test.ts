import assert from "node:assert/strict";
import { test } from "node:test";
import { type Injected, recoveries, summaries } from "../../../deploy/chaos/core/recovery.js";
import type { Fault } from "../../../deploy/chaos/core/schedule.js";
import { type Outcome, problemsOf } from "../../../deploy/chaos/verdict.js";

const fault: Fault = { kind: "kill", target: "worker-1", atStep: 1, phaseMs: 0, lastsMs: 0, messages: 0 };
const injected = (atMs: number, endMs = atMs, missed = "", of: Partial<Fault> = {}): Injected => ({
  fault: { ...fault, ...of },
  ...{ atMs, endMs, missed },
});

test("recovery is the time to the next commit, from the beginning of a fault and from its end", () => {
  const found = recoveries([injected(100, 450), injected(900)], [50, 100, 130, 500, 600]);
  assert.deepEqual(
    found.map(({ commitMs, afterEndMs }) => [commitMs, afterEndMs]),
    [
      [30, 50],
      [undefined, undefined],
    ],
  );
});

test("medians are by kind, of what came to something; a fault without a commit after it is the worst", () => {
  const stall = { kind: "stall" } as const;
  const found = recoveries(
    [
      ...[injected(0), injected(80), injected(90, 90, "it was down at that moment")],
      ...[injected(10, 60, "", stall), injected(500, 500, "", stall)],
    ],
    [100, 200],
  );
  assert.deepEqual(summaries(found), [
    { kind: "kill", count: 2, medianMs: 60, worstMs: 100 },
    { kind: "stall", count: 2, medianMs: Infinity, worstMs: Infinity },
  ]);
});

const plan = { images: 64, batchSize: 32, slots: 2, epochs: 1, maxSteps: undefined };
const line = (step: number): Outcome["ledger"][number] => ({
  ...{ step, epoch: 0, first: 32 * step, end: 32 * step + 32, samples: 32 },
  blocks: [
    { slots: [0, 1], worker: "a", attempt: 1, ms: 1 },
    { slots: [1, 2], worker: "b", attempt: 1, ms: 1 },
  ],
});
const calm: Outcome = { failure: undefined, step: 2, sha256: "aa", ledger: [line(0), line(1)] };

test("a run that came to the same weights, each image counted once, has no problem", () => {
  assert.deepEqual(problemsOf(calm, { ...calm }, plan, 2), []);
});

test("other weights, a shorter run, an image lost or counted twice, and a failure are named", () => {
  const cases: [Partial<Outcome>, RegExp][] = [
    [{ sha256: "bb" }, /its weights are bb…, the calm run's aa…/],
    [{ step: 1 }, /newest checkpoint is of step 1, expected 2/],
    [{ ledger: [line(0)] }, /ledger does not prove .* ends before step 1/],
    [{ ledger: [line(0), line(0)] }, /ledger does not prove/],
    [{ ledger: [line(0), { ...line(1), samples: 31 }] }, /counts 31 images, expected 32/],
    [{ ledger: [line(0), line(1), line(1)] }, /3 lines for 2 steps/],
    [{ failure: "no step was committed for 60 s" }, /no step was committed/],
  ];
  for (const [change, expected] of cases) {
    const problems = problemsOf(calm, { ...calm, ...change }, plan, 2);
    assert.equal(problems.length, 1, problems.join("; "));
    assert.match(problems[0] ?? "", expected);
  }
});
