import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Conditional, inOrder, triedValues } from "../../../coordinator/sweeps/conditions.js";
import type { Domain } from "../../../coordinator/sweeps/domains.js";
import { Points } from "../../../coordinator/sweeps/points.js";
import type { SettingValue } from "../../../shared/config/sweep.js";

type Dimension = Conditional & { domain: Domain };

const values = (path: string, list: readonly SettingValue[], when?: Conditional["when"]): Dimension => ({
  path,
  domain: { kind: "values", values: list },
  ...(when === undefined ? {} : { when }),
});

test("the last parameter changes fastest, and what is not tried is one point", () => {
  const points = new Points([
    values("a", ["x", "y"]),
    values("b", [1, 2], { a: "y" }),
    values("c", [true, false]),
  ]);
  assert.equal(points.count, 6);
  assert.deepEqual(
    Array.from({ length: 6 }, (_, place) => points.at(place)),
    [
      { a: "x", c: true },
      { a: "x", c: false },
      { a: "y", b: 1, c: true },
      { a: "y", b: 1, c: false },
      { a: "y", b: 2, c: true },
      { a: "y", b: 2, c: false },
    ],
  );
  assert.throws(() => points.at(6), RangeError);
});

test("a thousand million points are counted at once", () => {
  const list = Array.from({ length: 1000 }, (_, i) => i);
  assert.equal(new Points([values("a", list), values("b", list), values("c", list)]).count, 1e9);
});

/** Parameters of which each may ask something of earlier ones. */
const dimensions = fc
  .array(
    fc.tuple(fc.integer({ min: 1, max: 4 }), fc.array(fc.tuple(fc.nat(4), fc.nat(4)), { maxLength: 2 })),
    {
      minLength: 1,
      maxLength: 5,
    },
  )
  .map((drawn) =>
    drawn.map(([size, asks], i): Dimension => {
      const list = Array.from({ length: size }, (_, value) => value);
      const when = Object.fromEntries(
        asks.filter(([other]) => other < i).map(([other, least]) => [`p${other}`, { min: least }]),
      );
      return values(`p${i}`, list, Object.keys(when).length === 0 ? undefined : when);
    }),
  );

/** Every combination, made one by one; those that come to the same count once. */
function bruteForce(parameters: readonly Dimension[]): Set<string> {
  const all = parameters.reduce<Record<string, SettingValue>[]>(
    (sum, { path, domain }) =>
      sum.flatMap((before) =>
        (domain.kind === "values" ? domain.values : []).map((value) => ({ ...before, [path]: value })),
      ),
    [{}],
  );
  return new Set(all.map((one) => JSON.stringify(triedValues(inOrder(parameters), one))));
}

test("any conditions: every point once, and none but those", () => {
  fc.assert(
    fc.property(dimensions, (parameters) => {
      const points = new Points(parameters);
      const found = Array.from({ length: points.count }, (_, place) => JSON.stringify(points.at(place)));
      const expected = bruteForce(parameters);
      assert.equal(new Set(found).size, found.length);
      assert.deepEqual(new Set(found), expected);
    }),
  );
});
