import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Start,
  someStretches,
  stepCount,
  stepsInWords,
  stretchBetween,
} from "../../../deploy/verify/stretches.js";

const seed: Start = { step: 0, checkpoint: undefined };
const at = (step: number): Start => ({ step, checkpoint: `step-${step}` });
const ranges = (stretches: ReturnType<typeof someStretches>): [number, number][] =>
  stretches.map(({ start, end }) => [start.step, end]);

test("a few steps after the seed and after each checkpoint are computed again, as many as allowed in all", () => {
  const known = { starts: [seed, at(500), at(1000)], steps: 1000 };
  assert.deepEqual(ranges(someStretches(known, 24)), [
    [0, 12],
    [500, 512],
  ]);
  assert.deepEqual(ranges(someStretches(known, 1)), [[0, 1]]);
  assert.deepEqual(someStretches(known, 0), []);
});

test("where there is little room all of it is used, and the rest goes to the others", () => {
  const known = { starts: [seed, at(4), at(500)], steps: 502 };
  assert.deepEqual(ranges(someStretches(known, 24)), [
    [0, 4],
    [4, 22],
    [500, 502],
  ]);
});

test("of many checkpoints a few are chosen, the first and the last start included", () => {
  const starts = [seed, ...Array.from({ length: 50 }, (_, i) => at(10 * (i + 1)))];
  const chosen = someStretches({ starts, steps: 505 }, 24);
  assert.equal(chosen.length, 3);
  assert.equal(chosen[0]?.start.step, 0);
  assert.equal(chosen.at(-1)?.start.step, 500);
  assert.ok(stepCount(chosen) <= 24);
});

test("a run without a step has nothing to compute again", () => {
  assert.deepEqual(someStretches({ starts: [seed], steps: 0 }, 24), []);
});

test("steps that are asked for are computed from the last state before them", () => {
  const known = { starts: [seed, at(500)], steps: 700 };
  assert.deepEqual(ranges([stretchBetween(known, 510, 520)]), [[500, 520]]);
  assert.deepEqual(ranges([stretchBetween(known, 499, 520)]), [[0, 520]]);
  for (const [from, to] of [
    [5, 5],
    [9, 3],
    [0, 701],
  ] as const)
    assert.throws(() => stretchBetween(known, from, to), { code: "usage", message: /from 0 up to 700/ });
});

test("steps are named as people count them", () => {
  assert.equal(stepsInWords([{ start: seed, end: 1 }]), "step 0");
  assert.equal(
    stepsInWords([
      { start: seed, end: 7 },
      { start: at(500), end: 508 },
    ]),
    "steps 0–6, 500–507",
  );
});
