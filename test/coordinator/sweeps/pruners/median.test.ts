import assert from "node:assert/strict";
import { test } from "node:test";
import { median } from "../../../../coordinator/sweeps/pruners/median.js";
import { contender, rungOf } from "./support.js";

const pruner = median({ metric: "clean", goal: "maximize", factor: 3 }, 3);
const outlook = { trials: Infinity, isOver: false };

/** What becomes of the last trial, the others being decided on. */
function last(losses: readonly number[]) {
  const rung = rungOf(losses, { decided: losses.map((_, i) => i).slice(0, -1) });
  return pruner.verdict(rung, [rung], outlook);
}

test("with too few others everybody goes on", () => {
  const verdict = last([-0.9, -0.8, -0.1]);
  assert.equal(verdict?.decision, "go on");
  assert.match(verdict.reason, /2 others were there, and 3 are needed/);
});

test("a trial worse than the median of the others ends", () => {
  const verdict = last([-0.9, -0.7, -0.8, -0.6]);
  assert.equal(verdict?.decision, "stop");
  assert.equal(
    verdict.reason,
    "clean 0.6 at best up to rung 0 (20,000 images); the median of 3 others' means is 0.8",
  );
  assert.equal(last([-0.9, -0.7, -0.8, -0.8])?.decision, "go on", "as good as the median is not worse");
});

test("of an even number of others the two in the middle count", () => {
  assert.equal(last([-0.9, -0.8, -0.6, -0.5, -0.69])?.decision, "stop");
  assert.equal(last([-0.9, -0.8, -0.6, -0.5, -0.71])?.decision, "go on");
});

test("the best that a trial has shown is compared with the others' means", () => {
  const rung = rungOf([-0.9, -0.7, -0.8], { decided: [0, 1, 2] });
  const late = { ...contender(-0.1, 3), best: -0.85, mean: -0.475 };
  for (const ranked of [rung.measured, rung.byMean, rung.waiting]) ranked.add(late);
  assert.equal(pruner.verdict(rung, [rung], outlook)?.decision, "go on");
});

test("what is no number ends, however few there are", () => {
  assert.equal(last([Infinity])?.decision, "stop");
});
