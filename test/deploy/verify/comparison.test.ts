import assert from "node:assert/strict";
import { test } from "node:test";
import { type Machine, compare, notRecomputed, processorModel } from "../../../deploy/verify/comparison.js";
import { finding, verificationExitCode } from "../../../deploy/verify/finding.js";
import type { StepMetric } from "../../../shared/results.js";

const XEON: Machine = { engine: "tensorflow", processor: "Xeon" };
const SAME = { run: XEON, here: XEON };
const stretch = { start: { step: 0, checkpoint: undefined }, end: 2 };
const again = {
  steps: [
    { step: 0, loss: 2.5, accuracy: 0.125 },
    { step: 1, loss: 2.25, accuracy: 0.25 },
  ],
  states: [{ step: 2, weightsSha256: "aa", velocitySha256: "bb" }],
};
const metrics = again.steps.map((step): StepMetric => ({
  ...step,
  epoch: 0,
  learning_rate: 0.01,
  seconds: 1,
}));
const state = { step: 2, weightsSha256: "aa", velocitySha256: "bb", where: "step-00000002" };

test("equal bits are equal on any machine", () => {
  for (const here of [XEON, { engine: "wasm", processor: "Epyc" }]) {
    const [found] = compare([stretch], again, { metrics, states: [state] }, { run: XEON, here });
    assert.equal(found?.verdict, "holds");
    assert.match(found?.words ?? "", /^steps 0–1 in one process: same loss .*; same weights after step 2$/);
  }
});

test("a step that comes to another loss does not hold, and is named with both", () => {
  const off = metrics.map((line) => (line.step === 1 ? { ...line, loss: 2.2500000000000004 } : line));
  const [found] = compare([stretch], again, { metrics: off, states: [] }, SAME);
  assert.equal(found?.verdict, "broken");
  assert.match(found?.words ?? "", /step 1 differs: .* 2\.25 .* 2\.2500000000000004/);
});

test("weights and momentum are compared by their hashes", () => {
  for (const [what, other] of [
    ["weights", { ...state, weightsSha256: "cc" }],
    ["momentum", { ...state, velocitySha256: "cc" }],
  ] as const) {
    const [found] = compare([stretch], again, { metrics, states: [other] }, SAME);
    assert.equal(found?.verdict, "broken");
    assert.match(
      found?.words ?? "",
      new RegExp(`the ${what} after 2 steps differ: .* step-00000002 says cc`),
    );
  }
});

test("on another engine or processor a difference proves nothing, and that is said", () => {
  const other = { metrics, states: [{ ...state, weightsSha256: "cc" }] };
  for (const [here, words] of [
    [{ engine: "wasm", processor: "Xeon" }, /engine tensorflow, here it is wasm$/],
    [{ engine: "tensorflow", processor: "Epyc" }, /processor Xeon, here it is Epyc$/],
  ] as const) {
    const [found] = compare([stretch], again, other, { run: XEON, here });
    assert.equal(found?.verdict, "incomparable");
    assert.match(found?.words ?? "", words);
  }
  const [unnamed] = compare([stretch], again, other, {
    run: { engine: undefined, processor: undefined },
    here: XEON,
  });
  assert.equal(unnamed?.verdict, "incomparable");
});

test("what is not computed again is left to the ledger, in words", () => {
  assert.match(
    notRecomputed([stretch], 100)[0]?.words ?? "",
    /^98 steps of 100: the ledger proves which images/,
  );
  assert.deepEqual(notRecomputed([stretch], 2), []);
});

test("how many cores a machine has decides no bit", () => {
  assert.equal(processorModel("2 x Xeon"), processorModel("64 x Xeon"));
});

test("exit code 7 when something does not hold, 5 when nothing here can tell, 0 otherwise", () => {
  const holds = finding("ledger", "holds", "");
  const unproven = finding("not recomputed", "unproven", "");
  const incomparable = finding("recomputed", "incomparable", "");
  assert.equal(verificationExitCode([holds, unproven]), 0);
  assert.equal(verificationExitCode([holds, incomparable]), 5);
  assert.equal(verificationExitCode([incomparable, finding("ledger", "broken", "")]), 7);
});
