import assert from "node:assert/strict";
import { test } from "node:test";
import { asha } from "../../../../coordinator/sweeps/pruners/asha.js";
import { rungOf } from "./support.js";

const pruner = asha({ metric: "area(pgd-10)", goal: "maximize", factor: 3 });
const unbounded = { trials: Infinity, isOver: false };
const over = { trials: 18, isOver: true };

test("a trial goes on when it is among the best third of its rung", () => {
  const two = rungOf([-0.5, -0.4]);
  assert.equal(pruner.promotion([two], unbounded), undefined, "a third of two is nobody");
  const three = rungOf([-0.5, -0.4, -0.7]);
  const verdict = pruner.promotion([three], unbounded);
  assert.equal(verdict?.contender.number, 2);
  assert.equal(
    verdict.reason,
    "1st of 3 at rung 0 (20,000 images): area(pgd-10) 0.7; the best third goes on",
  );
});

test("the highest rung goes first, and who has gone on does not go again", () => {
  const low = rungOf([-0.9, -0.8, -0.7, -0.6, -0.5, -0.4], { decided: [0] });
  const high = rungOf([-0.5, -0.4, -0.7], { rung: 1 });
  assert.deepEqual(
    [
      pruner.promotion([low, high], unbounded)?.rung,
      pruner.promotion([low, high], unbounded)?.contender.number,
    ],
    [1, 2],
  );
  const decided = rungOf([-0.5, -0.4, -0.7], { rung: 1, decided: [2] });
  const next = pruner.promotion([low, decided], unbounded);
  assert.deepEqual([next?.rung, next?.contender.number], [0, 1]);
});

test("of two that are equally good the earlier trial goes on", () => {
  assert.equal(pruner.promotion([rungOf([-0.1, -0.5, -0.5])], unbounded)?.contender.number, 1);
});

test("what is no number never goes on, and ends at once", () => {
  const rung = rungOf([Infinity, Infinity, Infinity]);
  assert.equal(pruner.promotion([rung], { ...unbounded, isOver: true }), undefined);
  const verdict = pruner.verdict(rung, [rung], unbounded);
  assert.equal(verdict?.decision, "stop");
  assert.match(verdict.reason, /^no area\(pgd-10\) at rung 0/);
});

test("a trial that cannot come to be among the best is stopped before the rung is full", () => {
  // Of 9 trials 3 go on, and one more is kept for those that may fail.
  const rung = rungOf([-0.9, -0.8, -0.7, -0.6, -0.5], { decided: [0] });
  const verdict = pruner.verdict(rung, [rung], { trials: 9, isOver: false });
  assert.deepEqual([verdict?.contender.number, verdict?.decision], [4, "stop"]);
  assert.equal(
    verdict?.reason,
    "5th of 5 at rung 0 (20,000 images): area(pgd-10) 0.5; of at most 9 trials there the best third goes on, and 4 have 0.6 or better",
  );
  assert.equal(
    pruner.verdict(rung, [rung], { trials: 12, isOver: false }),
    undefined,
    "of 12 trials 4 go on",
  );
  assert.equal(pruner.verdict(rung, [rung], unbounded), undefined);
});

test("when nothing more comes, whoever is left is stopped and told where the best begin", () => {
  const losses = Array.from({ length: 18 }, (_, i) => -(90 - i * 5) / 100);
  const rung = rungOf(losses, { rung: 1, decided: [0, 1, 2, 3, 4, 5, 12, 13, 14, 15, 16, 17], gone: 6 });
  const verdict = pruner.verdict(rung, [rung], over);
  assert.equal(
    verdict?.reason,
    "12th of 18 at rung 1 (60,000 images): area(pgd-10) 0.35, the best third begins at 0.65",
  );
});

test("in the end the best of a rung from which none went on does", () => {
  const rung = rungOf([-0.5, -0.6]);
  assert.equal(pruner.promotion([rung], over)?.contender.number, 1);
  const gone = rungOf([-0.5, -0.6], { decided: [1], gone: 1 });
  assert.equal(pruner.promotion([gone], over), undefined);
});
