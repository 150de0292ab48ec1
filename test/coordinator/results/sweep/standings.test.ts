import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseConstraint } from "../../../../shared/config/objectives.js";
import { behindOf, fieldOf, standingsOf } from "../../../../coordinator/results/sweep/standings.js";
import type { TrialRow } from "../../../../shared/records/sweep-line.js";
import { trial } from "./trial.js";

const AREA = { metric: "area(adversarial)", goal: "maximize" } as const;
const CLEAN = { metric: "clean", goal: "maximize" } as const;
const LOSS = { metric: "loss", goal: "minimize" } as const;

const numbers = (standings: ReturnType<typeof standingsOf>): number[] =>
  standings.map(({ best }) => best.number);

test("seeds of one setting are one place, named by the best of them and ranked by their mean", () => {
  const rows = [
    trial(0, { clean: 0.99 }, { group: "a" }),
    trial(1, { clean: 0.91 }, { group: "a" }),
    trial(2, { clean: 0.96 }, { group: "b" }),
    trial(3, { clean: 0.97 }, { group: "b" }),
  ];

  const standings = standingsOf(fieldOf({ rows, constraints: [] }).contenders, [CLEAN]);

  assert.deepEqual(numbers(standings), [3, 0]);
  assert.deepEqual(
    standings.map(({ place, members }) => [place, members.length]),
    [
      [1, 2],
      [2, 2],
    ],
  );
});

test("whoever misses a constraint with one seed stands behind all who meet it", () => {
  const rows = [
    trial(0, { clean: 0.99, loss: 0.9 }, { group: "a" }),
    trial(1, { clean: 0.96, loss: 0.1 }, { group: "b" }),
    trial(2, { clean: 0.99, loss: 0.1 }, { group: "b" }),
    trial(3, { loss: 0.01 }),
  ];

  const field = fieldOf({ rows, constraints: [parseConstraint("clean >= 97 %")] });
  const standings = standingsOf(field.contenders, [LOSS]);

  assert.deepEqual(numbers(standings), [0, 3, 1]);
  assert.deepEqual(
    standings.map(({ unmet }) => unmet),
    [[], ["clean >= 97 %"], ["clean >= 97 %"]],
  );
});

test("only trials of one rung are compared: the finished ones, or those that came farthest", () => {
  const early = trial(0, { clean: 0.999 }, { state: "stopped", rung: 0 });
  const far = trial(1, { clean: 0.9 }, { state: "waiting", rung: 2 });
  const failed = trial(2, { clean: 1 }, { state: "failed", rung: 2 });
  const foreign = trial(3, { clean: 1 }, { outside: "the spec has no such value" });
  const done = trial(4, { clean: 0.8 });

  const all = fieldOf({ rows: [early, far, failed, foreign, done], constraints: [] });
  assert.deepEqual(all.basis, { kind: "done" });
  assert.deepEqual(numbers(standingsOf(all.contenders, [CLEAN])), [4]);

  const unfinished = fieldOf({ rows: [early, far, failed, foreign], constraints: [] });
  assert.deepEqual(unfinished.basis, { kind: "rung", rung: 2, samples: 54_000 });
  assert.deepEqual(numbers(standingsOf(unfinished.contenders, [CLEAN])), [1]);

  assert.deepEqual(fieldOf({ rows: [failed], constraints: [] }), {
    contenders: [],
    basis: { kind: "nothing" },
  });
});

test("of equals the older is first, and what reports no number is left out", () => {
  const rows = [trial(0, {}), trial(1, { clean: 0.9 }), trial(2, { clean: 0.9 }), trial(3, { clean: NaN })];
  assert.deepEqual(numbers(standingsOf(fieldOf({ rows, constraints: [] }).contenders, [CLEAN])), [1, 2]);
});

test("the front holds exactly those that nobody dominates", () => {
  const pairs = fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 9 })), {
    minLength: 1,
    maxLength: 40,
  });
  fc.assert(
    fc.property(pairs, (points) => {
      const rows: TrialRow[] = points.map(([area, loss], i) =>
        trial(i, { "area(adversarial)": area / 10, loss: loss / 10 }),
      );
      const standings = standingsOf(fieldOf({ rows, constraints: [] }).contenders, [AREA, LOSS]);
      const isDominated = ([area, loss]: readonly [number, number]): boolean =>
        points.some(([a, l]) => a >= area && l <= loss && (a > area || l < loss));
      const expected = points.flatMap((point, i) => (isDominated(point) ? [] : [i]));
      const front = standings.filter(({ isOnFront }) => isOnFront);
      assert.deepEqual(
        numbers(front).sort((a, b) => a - b),
        expected,
      );
      assert.ok(
        front.every(({ place = Infinity }) => place <= front.length),
        "the front stands first",
      );
    }),
  );
});

test("nobody who misses a constraint is on the front while somebody meets all", () => {
  const rows = [
    trial(0, { "area(adversarial)": 0.5, clean: 0.99 }),
    trial(1, { "area(adversarial)": 0.9, clean: 0.5 }),
  ];
  const field = fieldOf({ rows, constraints: [parseConstraint("clean >= 0.97")] });
  const standings = standingsOf(field.contenders, [AREA, CLEAN]);
  assert.deepEqual(
    standings.map(({ best, isOnFront }) => [best.number, isOnFront]),
    [
      [0, true],
      [1, false],
    ],
  );
});

test("behind the field stand those that came less far: the farthest first, each setting once", () => {
  const rows = [
    trial(0, { clean: 0.9 }),
    trial(1, { clean: 0.99 }, { state: "stopped", rung: 0 }),
    trial(2, { clean: 0.5 }, { state: "stopped", rung: 1, group: "b" }),
    trial(3, { clean: 0.8 }, { state: "stopped", rung: 0, group: "b" }),
    trial(4, { clean: 0.6 }, { state: "waiting", rung: 1 }),
    trial(5, { clean: 1 }, { state: "failed", rung: 1 }),
  ];
  const behind = behindOf({ rows, constraints: [] }, fieldOf({ rows, constraints: [] }), [CLEAN]);
  assert.deepEqual(numbers(behind), [4, 2, 1]);
  assert.ok(behind.every(({ place }) => place === undefined));
});
