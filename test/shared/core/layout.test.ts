import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  initialParameters,
  placeTensors,
  TAIL,
  type TensorDefinition,
  tensorNamed,
} from "../../../shared/core/layout.js";

const define = (name: string, shape: number[], role: "weight" | "moment" = "weight"): TensorDefinition => ({
  name,
  shape,
  role,
  initial: { kind: "normal", deviation: 0.5 },
  rateMultiplier: 1,
  decays: true,
});

test("weights come first and moments last, each in the given order", () => {
  const layout = placeTensors([
    define("a", [2, 3]),
    define("m", [4], "moment"),
    define("b", [5]),
    define("n", [1], "moment"),
  ]);
  assert.deepEqual(
    layout.tensors.map(({ name, offset, size }) => [name, offset, size]),
    [
      ["a", 0, 6],
      ["b", 6, 5],
      ["m", 11, 4],
      ["n", 15, 1],
    ],
  );
  assert.deepEqual([layout.size, layout.pushSize], [16, 16 + TAIL.length]);
});

test("tensors lie one behind the other without gap or overlap, whatever their shapes", () => {
  const definitions = fc.array(
    fc.tuple(fc.array(fc.integer({ min: 1, max: 5 }), { maxLength: 4 }), fc.constantFrom("weight", "moment")),
    { maxLength: 10 },
  );
  fc.assert(
    fc.property(definitions, (list) => {
      const layout = placeTensors(list.map(([shape, role], i) => define(`t${i}`, shape, role)));
      let next = 0;
      for (const tensor of layout.tensors) {
        assert.equal(tensor.offset, next);
        assert.equal(
          tensor.size,
          tensor.shape.reduce((product, extent) => product * extent, 1),
        );
        next += tensor.size;
      }
      assert.equal(layout.size, next);
      assert.equal(layout.tensors.length, list.length);
    }),
  );
});

test("the scalars behind the gradients have places of their own", () => {
  assert.deepEqual(
    [TAIL.loss, TAIL.hits, TAIL.samples].sort(),
    Array.from({ length: TAIL.length }, (_, i) => i),
  );
});

test("a tensor is found by name, and an unknown name is an error that says it", () => {
  const layout = placeTensors([define("a", [2]), define("b", [3])]);
  assert.equal(tensorNamed(layout, "b").offset, 2);
  assert.throws(() => tensorNamed(layout, "c"), /"c"/);
});

test("initial parameters are constants where asked, normal with the given deviation elsewhere, and a function of the seed", () => {
  const layout = placeTensors([
    define("w", [100, 200]),
    { ...define("one", [10]), initial: { kind: "constant", value: 1 } },
    define("v", [100, 200]),
  ]);
  const first = initialParameters(layout, 7);
  assert.deepEqual(initialParameters(layout, 7), first);
  assert.notDeepEqual(initialParameters(layout, 8), first);
  const w = first.subarray(0, 20_000);
  const v = first.subarray(20_010);
  assert.ok(first.subarray(20_000, 20_010).every((value) => value === 1));
  assert.notDeepEqual(w, v); // every tensor has a stream of its own
  for (const part of [w, v]) {
    const mean = part.reduce((sum, value) => sum + value, 0) / part.length;
    const variance = part.reduce((sum, value) => sum + value ** 2, 0) / part.length;
    // Five standard errors of mean and variance.
    assert.ok(Math.abs(mean) < (5 * 0.5) / Math.sqrt(part.length));
    assert.ok(Math.abs(variance - 0.25) < 5 * 0.25 * Math.sqrt(2 / part.length));
  }
});
