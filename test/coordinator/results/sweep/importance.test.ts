import assert from "node:assert/strict";
import { test } from "node:test";
import { RandomStream } from "../../../../shared/random.js";
import { fanova } from "../../../../coordinator/results/sweep/importance/fanova.js";
import { growForest, type Table } from "../../../../coordinator/results/sweep/importance/forest.js";
import { importanceOf } from "../../../../coordinator/results/sweep/importance/importance.js";
import { shownParameters } from "../../../../coordinator/results/sweep/parameters.js";
import { sampleSweep } from "./sample.js";

const BINS = 24;

/** Trials drawn evenly over the space. */
function tableOf(count: number, parameters: number, value: (x: number[]) => number, seed = 3): Table {
  const draw = new RandomStream(seed, "theory");
  const points = Array.from({ length: count }, () =>
    Array.from({ length: parameters }, () => draw.uniform()),
  );
  return {
    bins: Array.from({ length: parameters }, () => BINS),
    columns: Array.from({ length: parameters }, (_, j) =>
      Uint8Array.from(points, (point) => Math.floor((point[j] ?? 0) * BINS)),
    ),
    target: Float64Array.from(points, value),
  };
}

function assertShares(table: Table, expected: readonly number[], tolerance: number): void {
  const found = fanova(table, 0);
  assert.ok(found !== undefined);
  expected.forEach((share, i) => {
    const got = found.shares[i] ?? NaN;
    assert.ok(Math.abs(got - share) <= tolerance, `parameter ${i}: ${got}, expected ${share}`);
  });
}

test("shares of a sum are those of its parts' variances", () => {
  // Var(k x) = k²/12: 16 : 4 : 1 : 0 of 21.
  const table = tableOf(1_500, 4, ([a = 0, b = 0, c = 0]) => 4 * a + 2 * b + c);
  // The forest is a staircase of the plane: a few hundredths.
  assertShares(table, [16 / 21, 4 / 21, 1 / 21, 0], 0.04);
});

test("a pure interaction belongs to neither parameter alone", () => {
  // Checkerboard of two halves each: both means are flat.
  const table = tableOf(1_500, 3, ([a = 0, b = 0]) => (a < 0.5 === b < 0.5 ? 1 : 0));
  assertShares(table, [0, 0, 0], 0.06);
});

test("a product of centred factors is interaction, its offset is not", () => {
  // (x + 1/2)(y + 1/2), x and y in [0, 1]: main effects 1/12 each, interaction 1/144: 12 : 12 : 1 of 25.
  const table = tableOf(2_000, 2, ([x = 0, y = 0]) => (x + 0.5) * (y + 0.5));
  assertShares(table, [12 / 25, 12 / 25], 0.04);
});

test("the importances are those of the space, not of where the search looked", () => {
  const draw = new RandomStream(5, "theory");
  // Nine of ten trials lie in a tenth of the first parameter, as a search leaves them.
  const points = Array.from({ length: 2_000 }, (_, i) => [
    i % 10 === 0 ? draw.uniform() : 0.1 * draw.uniform(),
    draw.uniform(),
  ]);
  const table: Table = {
    bins: [BINS, BINS],
    columns: [0, 1].map((j) => Uint8Array.from(points, (point) => Math.floor((point[j] ?? 0) * BINS))),
    target: Float64Array.from(points, ([a = 0, b = 0]) => 2 * a + b),
  };
  assertShares(table, [4 / 5, 1 / 5], 0.08);
});

test("noise fits nothing: R² out of bag is not above 0.1", () => {
  const draw = new RandomStream(11, "theory");
  const table = tableOf(400, 3, () => draw.normal());
  assert.ok(growForest(table, 0).fit < 0.1);
  const signal = tableOf(400, 3, ([a = 0]) => a);
  assert.ok(growForest(signal, 0).fit > 0.95);
});

test("the same seed gives the same shares, and one value everywhere gives none", () => {
  const table = tableOf(200, 3, ([a = 0, b = 0]) => a * b);
  assert.deepEqual(fanova(table, 4), fanova(table, 4));
  assert.notDeepEqual(fanova(table, 4), fanova(table, 5));
  assert.equal(
    fanova(
      tableOf(50, 2, () => 0.5),
      0,
    ),
    undefined,
  );
});

test("of a sweep the highest rung that a dozen trials reached is looked at", () => {
  const sweep = sampleSweep({ trials: 300 });
  const found = importanceOf(sweep, { metric: "clean", goal: "maximize" }, shownParameters(sweep));

  assert.equal(found?.method, "fANOVA");
  assert.equal(found.rung, 2);
  const few = importanceOf(
    { ...sweep, rows: sweep.rows.slice(0, 11) },
    { metric: "clean", goal: "maximize" },
    shownParameters(sweep),
  );
  assert.equal(few, undefined);
  const early = importanceOf(
    { ...sweep, rows: sweep.rows.map((row) => ({ ...row, rungs: row.rungs.slice(0, 1) })) },
    { metric: "clean", goal: "maximize" },
    shownParameters(sweep),
  );
  assert.equal(early?.rung, 0);
  assert.equal(early?.parameters[0]?.name, "learning_rate");
});
