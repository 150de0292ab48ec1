import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isIn } from "../../../coordinator/sweeps/domains.js";
import { samplerOf } from "../../../coordinator/sweeps/samplers/registry.js";
import { countOf, spaceOf, spaceProblems, trialOf } from "../../../coordinator/sweeps/space.js";
import { type SettingValue, sweepSchema } from "../../../shared/config/sweep.js";
import { ClusterError } from "../../../shared/errors.js";

/** Settings with values that they take; a few of neither kind. */
const GOOD: Readonly<Record<string, fc.Arbitrary<SettingValue>>> = {
  model: fc.constantFrom("plain", "mrelu", "mrelu-r", "rbf"),
  seed: fc.nat(9),
  "train.slots": fc.constantFrom(1, 2, 4),
  "train.learning_rate": fc.double({ min: 0.001, max: 0.9, noNaN: true }),
  "train.batch_size": fc.constantFrom(50, 100, 200, 300),
  "train.momentum": fc.constantFrom(0, 0.5, 0.9),
  "evaluate.images": fc.constantFrom(null, 10, 20),
};
const PATHS = Object.keys(GOOD);
const bad = fc.constantFrom<SettingValue>("rbfx", -1, true, [["noisy"]], { slots: 2 });

const when = fc.option(
  fc.dictionary(
    fc.constantFrom(...PATHS),
    fc.oneof(
      fc.constantFrom("plain", "mrelu", 2, 4),
      fc.constant(["plain", "rbf"]),
      fc.record({ min: fc.integer({ min: 0, max: 5 }), max: fc.integer({ min: 0, max: 200 }) }),
    ),
    { maxKeys: 2 },
  ),
  { nil: undefined, freq: 4 },
);
const step = fc.option(fc.constantFrom(1, 2, 0.5, 500), { nil: undefined });

function parameterOf(path: string): fc.Arbitrary<object> {
  const value = fc.oneof({ arbitrary: GOOD[path] ?? bad, weight: 60 }, { arbitrary: bad, weight: 1 });
  const values = fc.uniqueArray(value, {
    minLength: 1,
    maxLength: 4,
    selector: (one) => JSON.stringify(one),
  });
  const range = fc.record({
    range: fc.tuple(fc.integer({ min: 0, max: 10 }), fc.integer({ min: 5, max: 200 })),
    scale: fc.constantFrom("linear", "log"),
    type: fc.constantFrom("int", "float"),
    step,
    when,
  });
  return fc.oneof(
    { arbitrary: fc.record({ choice: values, when }), weight: 3 },
    { arbitrary: fc.record({ grid: values, when }), weight: 3 },
    {
      arbitrary: path === "seed" || path === "train.batch_size" ? range : fc.record({ choice: values }),
      weight: 2,
    },
    {
      arbitrary: path === "seed" ? fc.record({ repeat: fc.integer({ min: 1, max: 4 }) }) : range,
      weight: path === "seed" ? 3 : 0,
    },
  );
}

const parameters = fc
  .uniqueArray(fc.constantFrom(...PATHS, ...PATHS, "train", "nothing.of.it"), { maxLength: 4 })
  .chain((paths) => fc.record(Object.fromEntries(paths.map((path) => [path, parameterOf(path)]))));
const spec = fc.record({
  parameters,
  search: fc.record({ method: fc.constantFrom(undefined, "grid", "random", "sobol", "tpe") }),
  limits: fc.record({ trials: fc.constantFrom(undefined, 5, 40) }),
});

test("any spec is refused with the place of each fault, or proposes trials out of its domains, as many as it says", () => {
  let accepted = 0;
  fc.assert(
    fc.property(spec, (drawn) => {
      const input = sweepSchema.parse({ name: "any", ...JSON.parse(JSON.stringify(drawn)) });
      const problems = spaceProblems(input, input.base);
      if (problems.length > 0) {
        for (const { path, message } of problems)
          assert.ok(path.length > 0 && message !== "" && !message.includes("\n"), message);
        return;
      }
      accepted += 1;
      const space = spaceOf(input, input.base);
      const sampler = samplerOf(space);
      const count = countOf(space) ?? 40;
      for (let number = 0; number < Math.min(count, 40); number += 1) {
        const proposed = sampler.propose(number, { trials: [] });
        // Conditions on what is crossed may leave fewer different draws than there are numbers.
        if (typeof proposed === "string") continue;
        for (const { path, domain } of space.parameters)
          if (proposed[path] !== undefined)
            assert.ok(isIn(domain, proposed[path]), `${path} of ${JSON.stringify(proposed)}`);
        assert.deepEqual(sampler.propose(number, { trials: [] }), proposed);
        if (space.method === "grid" && number < 8)
          assert.match(
            runnable(() => trialOf(space, proposed, "c").id),
            /^[0-9a-f]{16}$/,
          );
      }
    }),
    { numRuns: 300 },
  );
  assert.ok(accepted > 20, `${accepted} of 300 were accepted`);
});

/** A trial that was not among those looked at beforehand may be impossible: then it is said why. */
function runnable(make: () => string): string {
  try {
    return make();
  } catch (error) {
    if (error instanceof ClusterError && error.code === "config") return "0".repeat(16);
    throw error;
  }
}
