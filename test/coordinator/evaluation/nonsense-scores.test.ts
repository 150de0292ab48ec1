import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  areaUnderRoc,
  coverageCurve,
  falseAccept,
  realness,
} from "../../../coordinator/evaluation/nonsense-scores.js";

test("an answer of a nonsense class speaks against a real image, the more the surer it is", () => {
  assert.equal(realness(3, 0.75, 10), 0.75);
  assert.equal(realness(9, 0.25, 10), 0.25);
  assert.equal(realness(10, 0.75, 10), -0.75);
  assert.ok(realness(11, 0.9, 10) < realness(11, 0.2, 10));
});

test("the area under the ROC curve, counted by hand: pairs won, ties half", () => {
  // 3 beats 1 and 2; 2 beats 1 and ties with 2: 3.5 of 4 pairs.
  assert.equal(areaUnderRoc([3, 2], [1, 2]), 3.5 / 4);
  assert.equal(areaUnderRoc([5, 6], [1, 2, 3]), 1);
  assert.equal(areaUnderRoc([1], [2]), 0);
  assert.equal(areaUnderRoc([0.5, 0.5], [0.5]), 0.5);
});

const scores = fc.array(
  fc.nat(20).map((k) => k / 20),
  { minLength: 1, maxLength: 40 },
);

test("the area is the share of all pairs, whatever the scores", () => {
  fc.assert(
    fc.property(scores, scores, (real, nonsense) => {
      const won = real.flatMap((a) => nonsense.map((b) => (a > b ? 1 : a === b ? 0.5 : 0)));
      const expected = won.reduce((sum: number, share) => sum + share, 0) / won.length;
      assert.ok(Math.abs(areaUnderRoc(real, nonsense) - expected) < 1e-12);
      // Turned round, it is the rest.
      assert.ok(Math.abs(areaUnderRoc(nonsense, real) + expected - 1) < 1e-12);
    }),
  );
});

test("false acceptance: nonsense at or above the threshold that 19 of 20 real images reach", () => {
  const real = Array.from({ length: 20 }, (_, i) => (i + 1) / 20); // 0.05 to 1: the threshold is 0.1
  assert.equal(falseAccept(real, [0.05, 0.1, 0.2, 0.01]), 0.5);
  assert.equal(falseAccept(real, [0.09]), 0);
  assert.equal(falseAccept(real, [0.05], 1), 1);
});

test("coverage: the surest answers first, equal ones together", () => {
  const points = coverageCurve([0.9, 0.8, 0.8, 0.1], [true, true, false, false]);
  assert.deepEqual(points, [
    { coverage: 0.25, accuracy: 1 },
    { coverage: 0.75, accuracy: 2 / 3 },
    { coverage: 1, accuracy: 0.5 },
  ]);
});

test("coverage ends at all images and their accuracy", () => {
  fc.assert(
    fc.property(scores, fc.infiniteStream(fc.boolean()), (values, coin) => {
      const right = values.map(() => coin.next().value as boolean);
      const points = coverageCurve(values, right);
      const last = points.at(-1);
      assert.equal(last?.coverage, 1);
      assert.equal(last?.accuracy, right.filter(Boolean).length / right.length);
      assert.ok(points.every(({ coverage }, i) => i === 0 || coverage > (points[i - 1]?.coverage ?? 1)));
    }),
  );
});
