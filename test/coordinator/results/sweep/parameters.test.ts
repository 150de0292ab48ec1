import assert from "node:assert/strict";
import { test } from "node:test";
import { sweepSchema } from "../../../../shared/config/sweep.js";
import type { Values } from "../../../../shared/records/sweep-line.js";
import { placeOf, settingsText, shownParameters } from "../../../../coordinator/results/sweep/parameters.js";
import { trial } from "./trial.js";

const spec = (parameters: Record<string, unknown>): ReturnType<typeof sweepSchema.parse> =>
  sweepSchema.parse({ name: "some", parameters });
const rows = (all: readonly Values[]): ReturnType<typeof trial>[] =>
  all.map((values, number) => trial(number, {}, { values }));

test("shown are parameters in which trials differ, by the end of the path that no other has", () => {
  const all = rows([
    { "train.rate": 0.1, "attack.rate": 1, "train.slots": 4, "data.set": "mnist" },
    { "train.rate": 0.2, "attack.rate": 2, "train.slots": 8, "data.set": "mnist" },
  ]);
  const shown = shownParameters({ spec: spec({}), rows: all });
  assert.deepEqual(
    shown.map(({ name, categories }) => [name, categories]),
    [
      ["train.rate", ["0.1", "0.2"]],
      ["attack.rate", ["1", "2"]],
      ["slots", ["4", "8"]],
    ],
  );
  assert.equal(settingsText(all[1] ?? { values: {} }, shown), "train.rate=0.2 attack.rate=2 slots=8");
});

test("many numbers are a range on the scale that the spec says", () => {
  const values = Array.from({ length: 21 }, (_, i) => ({ rate: 10 ** (-4 + i / 5), width: 1 + i }));
  const parameters = { rate: { range: [0.0001, 1], scale: "log" }, width: { range: [1, 21] } };
  const all = rows(values);
  const [rate, width] = shownParameters({ spec: spec(parameters), rows: all });
  assert.ok(rate !== undefined && width !== undefined);
  assert.equal(rate.range?.isLog, true);
  assert.equal(width.range?.isLog, false);
  const middle = all[10];
  assert.ok(middle !== undefined);
  assert.ok(Math.abs((placeOf(rate, middle) ?? NaN) - 0.5) < 1e-9);
  assert.ok(Math.abs((placeOf(width, middle) ?? NaN) - 0.5) < 1e-9);
});

test("a parameter with one value is shown where a condition leaves it out of some trials", () => {
  const all = rows([{ "network.width": 2 }, {}]);
  const [width] = shownParameters({ spec: spec({}), rows: all });
  assert.equal(width?.path, "network.width");
  assert.equal(width && placeOf(width, all[1] ?? { values: {} }), undefined);
});

test("values that have parts are told apart by their JSON, and keep the spec's order", () => {
  const parameters = { "network.channels": { choice: [[32, 64], [16, 32], null] } };
  const all = rows([
    { "network.channels": null },
    { "network.channels": [16, 32] },
    { "network.channels": [32, 64] },
  ]);
  const [channels] = shownParameters({ spec: spec(parameters), rows: all });
  assert.deepEqual(channels?.categories, ["[32,64]", "[16,32]", "none"]);
});

test("a few draws of a range lie on its axis; a few of a choice, or of whole numbers, stand side by side", () => {
  const parameters = {
    rate: { range: [0.001, 0.1], scale: "log" },
    shift: { range: [0, 4], type: "int" },
    size: { choice: [64, 4096] },
  };
  const all = rows([
    { rate: 0.004, shift: 3, size: 64 },
    { rate: 0.09, shift: 0, size: 4096 },
  ]);
  const [rate, shift, size] = shownParameters({ spec: spec(parameters), rows: all });
  assert.deepEqual(rate?.range, { low: 0.004, high: 0.09, isLog: true });
  assert.deepEqual(shift?.categories, ["0", "3"]);
  assert.deepEqual(size?.categories, ["64", "4096"]);
});
