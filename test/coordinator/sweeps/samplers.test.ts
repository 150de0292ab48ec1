import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { isIn, sizeOf, valueOf } from "../../../coordinator/sweeps/domains.js";
import type { Domain } from "../../../coordinator/sweeps/domains.js";
import { shuffledPlace } from "../../../coordinator/sweeps/samplers/random.js";
import { samplerOf } from "../../../coordinator/sweeps/samplers/registry.js";
import type { TriedTrial } from "../../../coordinator/sweeps/samplers/sampler.js";
import type { Space } from "../../../coordinator/sweeps/space.js";
import type { SearchMethod } from "../../../shared/config/sweep.js";
import type { Values } from "../../../shared/records/sweep-line.js";
import { type SweepInput, spaceFrom } from "../../support/sweep-spaces.js";

/** What a search proposes, one after another, while nothing has a result. */
function proposals(space: Space, most = 10_000): Values[] {
  const sampler = samplerOf(space);
  const trials: TriedTrial[] = [];
  for (let number = 0; number < most; number += 1) {
    const values = sampler.propose(number, { trials });
    if (values === "wait") throw new RangeError("no search of these waits");
    if (values === "none") break;
    trials.push({ number, values, state: "running", rung: -1, loss: undefined });
  }
  return trials.map(({ values }) => values);
}

const keys = (list: readonly Values[]): Set<string> => new Set(list.map((values) => JSON.stringify(values)));

const MIXED: SweepInput["parameters"] = {
  model: { choice: ["plain", "mrelu", "rbf"] },
  "train.learning_rate": { range: [0.0001, 0.1], scale: "log" },
  "train.momentum": { range: [0, 0.9], step: 0.3 },
  "train.batch_size": { range: [10, 200], type: "int", scale: "log" },
  "train.weight_decay": { range: [0, 0.01], when: { model: ["mrelu", "rbf"] } },
};
const DRAWING: readonly SearchMethod[] = ["random", "sobol", "tpe"];

test("a grid goes through everything in the spec's order", () => {
  const list = proposals(
    spaceFrom({ parameters: { model: { grid: ["plain", "rbf"] }, seed: { repeat: 2 } } }),
  );
  assert.deepEqual(list, [
    { model: "plain", seed: 0 },
    { model: "plain", seed: 1 },
    { model: "rbf", seed: 0 },
    { model: "rbf", seed: 1 },
  ]);
});

test("a list is tried one by one, each entry with what is crossed, conditions on the list being looked at", () => {
  const list = proposals(
    spaceFrom({
      list: [{ model: "plain" }, { model: "mrelu", "train.momentum": 0.5 }],
      parameters: { seed: { repeat: 2 }, "train.slots": { grid: [1, 2], when: { model: "mrelu" } } },
    }),
  );
  assert.deepEqual(keys(list).size, 6);
  assert.deepEqual(list[0], { model: "plain", seed: 0 });
  assert.deepEqual(list.at(-1), { model: "mrelu", "train.momentum": 0.5, seed: 1, "train.slots": 2 });
});

for (const method of DRAWING) {
  describe(`${method} draws`, () => {
    const search = { method, startup_trials: 4 };

    test("stay within their domains, and have a conditional parameter exactly where its condition holds", () => {
      const space = spaceFrom({ parameters: MIXED, search, limits: { trials: 100 } });
      for (const values of proposals(space, 100)) {
        for (const { path, domain } of space.parameters) {
          const isThere = path !== "train.weight_decay" || values["model"] !== "plain";
          assert.equal(values[path] !== undefined, isThere, path);
          if (values[path] !== undefined)
            assert.ok(isIn(domain, values[path]), `${path}: ${JSON.stringify(values[path])}`);
        }
      }
    });

    test("are the same for the same seed, others for another", () => {
      const first = (seed: number): Values[] =>
        proposals(spaceFrom({ parameters: MIXED, search: { ...search, seed }, limits: { trials: 20 } }), 20);
      assert.deepEqual(first(7), first(7));
      assert.notDeepEqual(first(7), first(8));
    });

    test("serve all that is crossed with them, one trial after another", () => {
      const parameters = { ...MIXED, seed: { repeat: 3 } };
      const list = proposals(spaceFrom({ parameters, search, limits: { trials: 30 } }), 30);
      for (let i = 0; i < list.length; i += 3) {
        const seeds = list.slice(i, i + 3);
        assert.deepEqual(
          seeds.map(({ seed }) => seed),
          [0, 1, 2],
        );
        assert.equal(keys(seeds.map(({ seed: _, ...others }) => others)).size, 1);
      }
    });

    test("of a finite space come to each of its points once, and then to their end", () => {
      const parameters: SweepInput["parameters"] = {
        model: { choice: ["plain", "mrelu", "rbf"] },
        "train.momentum": { choice: [0.1, 0.5, 0.9], when: { model: ["mrelu", "rbf"] } },
        "train.batch_size": { range: [10, 14], type: "int", scale: "log" },
        seed: { repeat: 2 },
      };
      const list = proposals(spaceFrom({ parameters, search }));
      assert.equal(list.length, 7 * 5 * 2);
      assert.equal(keys(list).size, list.length);
    });

    test("without anything to draw are all that is crossed, once", () => {
      const list = proposals(spaceFrom({ parameters: { seed: { repeat: 3 } }, search }));
      assert.deepEqual(list, [{ seed: 0 }, { seed: 1 }, { seed: 2 }]);
    });
  });
}

test("a parameter that is added changes no draw of the others", () => {
  const draws = (parameters: SweepInput["parameters"]): unknown[] =>
    proposals(spaceFrom({ parameters, search: { method: "random" }, limits: { trials: 9 } }), 9).map(
      (values) => values["train.learning_rate"],
    );
  const rate = { "train.learning_rate": { range: [0.01, 0.1] as [number, number] } };
  assert.deepEqual(draws({ ...rate, "train.momentum": { range: [0, 0.9] } }), draws(rate));
});

test("a random order has every place once, for any length and seed", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 700 }), fc.nat(2 ** 32 - 1), (count, seed) => {
      const places = Array.from({ length: count }, (_, n) => shuffledPlace(n, count, seed));
      assert.deepEqual(
        [...places].sort((a, b) => a - b),
        Array.from({ length: count }, (_, n) => n),
      );
    }),
  );
});

describe("values of a range", () => {
  const range = (domain: Partial<Extract<Domain, { kind: "range" }>>): Domain => ({
    kind: "range",
    from: 1,
    to: 100,
    isLog: false,
    isInt: false,
    ...domain,
  });

  test("both ends of whole numbers are drawn as often as the others", () => {
    const domain = range({ from: 1, to: 4, isInt: true, step: 1 });
    const drawn = Array.from({ length: 400 }, (_, i) => valueOf(domain, (i + 0.5) / 400));
    for (const value of [1, 2, 3, 4]) assert.equal(drawn.filter((one) => one === value).length, 100);
  });

  test("half of a logarithmic range lies below its geometric mean", () => {
    assert.equal(valueOf(range({ isLog: true }), 0.5), 10);
    const below = (domain: Domain): number =>
      Array.from({ length: 1000 }, (_, i) => Number(valueOf(domain, (i + 0.5) / 1000))).filter(
        (one) => one < 10,
      ).length;
    assert.equal(below(range({ isLog: true })), 500);
    assert.ok(Math.abs(below(range({ isLog: true, isInt: true, step: 1 })) - 550) < 40);
  });

  test("steps are written as one would", () => {
    const domain = range({ from: 0.1, to: 0.9, step: 0.1 });
    assert.equal(sizeOf(domain), 9);
    assert.equal(valueOf(domain, 0.3), 0.3);
  });

  test("any draw from any range lies in it", () => {
    const drawn = fc.record({
      from: fc.double({ min: 1e-6, max: 100, noNaN: true }),
      length: fc.double({ min: 1e-6, max: 1000, noNaN: true }),
      isLog: fc.boolean(),
      parts: fc.option(fc.integer({ min: 1, max: 50 }), { nil: undefined }),
      unit: fc.double({ min: 1e-12, max: 1 - 1e-12, noNaN: true }),
    });
    fc.assert(
      fc.property(drawn, ({ from, length, isLog, parts, unit }) => {
        const step = parts === undefined ? {} : { step: length / parts };
        const domain = range({ from, to: from + length, isLog, ...step });
        const value = valueOf(domain, unit);
        // The last step may lie beyond the end by the rounding of the sum.
        const slack = 1e-9 * (from + length);
        assert.ok(
          Number(value) >= from - slack && Number(value) <= from + length + slack,
          JSON.stringify(value),
        );
      }),
    );
  });
});
