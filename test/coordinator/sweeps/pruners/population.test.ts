import assert from "node:assert/strict";
import { test } from "node:test";
import { explorable, explored, population } from "../../../../coordinator/sweeps/pruners/population.js";
import { ASHA, spaceFrom } from "../support.js";
import { rungOf } from "./support.js";

const pruner = population({ metric: "clean", goal: "maximize", factor: 3 }, { share: 0.25, seed: 1 });
const outlook = { trials: 8, isOver: false };

test("nobody is taken over while a quarter of the members is nobody", () => {
  const rung = rungOf([-0.9, -0.5, -0.1], { decided: [0, 1] });
  assert.equal(pruner.verdict(rung, [rung], outlook)?.decision, "go on");
});

test("a member among the worst quarter ends, and one of the best quarter is its heir's parent", () => {
  const rung = rungOf([-0.9, -0.8, -0.7, -0.6, -0.5, -0.4, -0.3, -0.35], { decided: [0, 1, 2, 3, 4, 5, 6] });
  const verdict = pruner.verdict(rung, [rung], outlook);
  assert.equal(verdict?.decision, "stop");
  assert.ok([0, 1].includes(verdict.parent?.number ?? -1));
  assert.deepEqual(pruner.verdict(rung, [rung], outlook), verdict, "the same rung gives the same verdict");
  assert.equal(verdict.reason, "7th of 8 at rung 0 (20,000 images): clean 0.35");
  assert.match(verdict.parent?.worth ?? "", /^clean 0\.[89]$/);
});

test("a member in the middle goes on", () => {
  const rung = rungOf([-0.9, -0.8, -0.7, -0.6, -0.5], { decided: [0, 1, 3, 4] });
  const verdict = pruner.verdict(rung, [rung], outlook);
  assert.deepEqual([verdict?.decision, verdict?.parent], ["go on", undefined]);
});

test("states of those that may still be parents are kept", () => {
  const rung = rungOf([-0.9, -0.8, -0.7, -0.6]);
  const kept = [...rung.measured].filter((one) => pruner.isParent(rung, one, outlook));
  assert.deepEqual(
    kept.map(({ number }) => number),
    [0, 1],
    "two of eight",
  );
  assert.equal(
    [...rung.measured].some((one) => pruner.isParent(rung, one, { ...outlook, isOver: true })),
    false,
  );
});

test("numbers are multiplied or divided, kept in their range, and nothing else is changed", () => {
  const space = spaceFrom({
    parameters: {
      "train.learning_rate": { range: [0.01, 0.1], scale: "log" },
      "train.momentum": { range: [0, 0.9], step: 0.1 },
      "train.limit_images": { range: [1000, 2000], type: "int" },
      model: { choice: ["plain", "mrelu"] },
    },
    limits: { trials: 8 },
    stopping: { method: "population", first_samples: 640, perturb: 1.2 },
  });
  assert.deepEqual(
    explorable(space).map(({ path }) => path),
    ["train.learning_rate", "train.momentum"],
  );
  const values = {
    "train.learning_rate": 0.09,
    "train.momentum": 0.5,
    "train.limit_images": 1500,
    model: "plain",
  };
  const seen = new Set<unknown>();
  for (let number = 0; number < 40; number++) {
    const changed = explored(space, values, { number }, { rung: 1, turn: 0 });
    assert.deepEqual(explored(space, values, { number }, { rung: 1, turn: 0 }), changed);
    assert.deepEqual(
      { ...changed, "train.learning_rate": 0, "train.momentum": 0 },
      { ...values, "train.learning_rate": 0, "train.momentum": 0 },
    );
    seen.add(changed["train.learning_rate"]).add(changed["train.momentum"]);
  }
  assert.deepEqual([...seen].sort(), [0.075, 0.1, 0.4, 0.6]);
});

test("a population in which nothing can change while it trains is refused", () => {
  const stopping = { ...ASHA, method: "population" };
  const parameters = {
    "train.batch_size": { range: [16, 64], type: "int" },
    model: { choice: ["plain", "mrelu"] },
  };
  assert.throws(
    () => spaceFrom({ parameters, limits: { trials: 8 }, stopping }),
    /^ClusterError: stopping.method: a population changes settings while it trains/,
  );
});
