import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Space, trialOf } from "../../../coordinator/sweeps/space.js";
import { trialId } from "../../../coordinator/sweeps/trial-id.js";
import { type ConfigInput, configSchema } from "../../../shared/config/run.js";
import { ClusterError } from "../../../shared/errors.js";
import { type SweepInput, spaceFrom } from "../../support/sweep-spaces.js";

const id = (input: ConfigInput, code = "code"): string => trialId(configSchema.parse(input), code);

const SAME: readonly [name: string, one: ConfigInput, other: ConfigInput][] = [
  ["the flags of a model in another order", { model: "mrelu-m-r" }, { model: "mrelu-r-m" }],
  [
    "the paper's values, written down",
    {},
    { train: { batch_size: 100, epochs: 20, learning_rate: 0.001, weight_decay: 5e-4, momentum: 0.9 } },
  ],
  [
    "a rate, and one stage of it",
    { train: { learning_rate: 0.1 } },
    { train: { learning_rate: [{ rate: 0.1, epochs: 3 }] } },
  ],
  ["a length in epochs, and in steps", { train: { epochs: 1 } }, { train: { max_steps: 720 } }],
  ["a limit beyond the end", {}, { train: { max_steps: 1_000_000 } }],
  [
    "a procedure, and a list of it",
    { evaluate: { protocol: "modern" } },
    { evaluate: { protocol: ["modern"] } },
  ],
  [
    "kinds in another order",
    { evaluate: { kinds: ["noisy", "adversarial"] } },
    { evaluate: { kinds: ["adversarial", "noisy"] } },
  ],
  ["all test images, counted", {}, { evaluate: { images: 10_000 } }],
  [
    "an attack by name, and with its options",
    { evaluate: { protocol: "modern", attacks: ["pgd-40"] } },
    {
      evaluate: { protocol: "modern", attacks: [{ attack: "pgd", options: { steps: 40 }, name: "pgd-40" }] },
    },
  ],
  [
    "what says how fast and where",
    {},
    { name: "other", train: { lease: "exclusive", checkpoint_every_steps: 7 }, data: { dir: "elsewhere" } },
  ],
];

const DIFFERENT: readonly [name: string, one: ConfigInput, other: ConfigInput][] = [
  ["another seed", { seed: 1 }, { seed: 2 }],
  ["another data set", {}, { data: { set: "fashion-mnist" } }],
  ["another length", { train: { epochs: 1 } }, { train: { epochs: 2 } }],
  ["other images measured", {}, { evaluate: { images: 100 } }],
  [
    "another attack",
    { evaluate: { protocol: "modern", attacks: ["pgd-40"] } },
    { evaluate: { protocol: "modern", attacks: ["pgd-41"] } },
  ],
  ["made-up gradients", {}, { engine: "emulated" }],
  ["a count of features", {}, { evaluate: { features: true } }],
];

describe("a trial's id is that of what decides its numbers:", () => {
  for (const [name, one, other] of SAME) test(`${name}: the same`, () => assert.equal(id(one), id(other)));
  for (const [name, one, other] of DIFFERENT)
    test(`${name}: another`, () => assert.notEqual(id(one), id(other)));
  test("16 hexadecimal digits, others with another code", () => {
    assert.match(id({}), /^[0-9a-f]{16}$/);
    assert.notEqual(id({}, "a"), id({}, "b"));
  });
});

describe("a trial of a sweep", () => {
  const parameters: SweepInput["parameters"] = {
    "train.learning_rate": { range: [0.001, 0.1], scale: "log" },
    "train.slots": { grid: [1, 2] },
    seed: { repeat: 3 },
  };
  const space = (input: SweepInput = {}): Space =>
    spaceFrom({
      base: { seed: 5, train: { epochs: 1, momentum: 0.5 } },
      parameters,
      limits: { trials: 6 },
      ...input,
    });

  test("is the base with its values laid over it, and keeps the rest of the base", () => {
    const { config } = trialOf(space(), { "train.learning_rate": 0.01, "train.slots": 2, seed: 6 }, "c");
    assert.deepEqual([config.train.learning_rate, config.train.slots, config.seed], [0.01, 2, 6]);
    assert.deepEqual([config.train.epochs, config.train.momentum], [1, 0.5]);
  });

  test("has the group of its first seed", () => {
    const trial = (seed: number, slots = 1): ReturnType<typeof trialOf> =>
      trialOf(space(), { "train.learning_rate": 0.01, "train.slots": slots, seed }, "c");
    const [first, second, third] = [trial(5), trial(6), trial(7)];
    assert.equal(first.group, first.id);
    assert.deepEqual([second.group, third.group], [first.id, first.id]);
    assert.equal(new Set([first.id, second.id, third.id]).size, 3);
    assert.notEqual(trial(6, 2).group, first.group);
  });

  test("a map lies over the base's map, a list replaces the base's, and an entry of a list may be a parameter", () => {
    const base = {
      train: {
        slots: 2,
        learning_rate: [
          { rate: 0.1, epochs: 1 },
          { rate: 0.01, epochs: 2 },
        ],
      },
    };
    const one = spaceFrom({
      base,
      parameters: { train: { choice: [{ batch_size: 50 }, { batch_size: 60, momentum: 0 }] } },
    });
    assert.deepEqual(trialOf(one, { train: { batch_size: 60, momentum: 0 } }, "c").config.train.slots, 2);
    const other = spaceFrom({ base, parameters: { "train.learning_rate.1.rate": { grid: [0.02, 0.03] } } });
    assert.deepEqual(trialOf(other, { "train.learning_rate.1.rate": 0.03 }, "c").config.train.learning_rate, [
      { rate: 0.1, epochs: 1 },
      { rate: 0.03, epochs: 2 },
    ]);
    assert.equal(base.train.learning_rate[1]?.rate, 0.01);
  });

  test("of which null takes a setting away has the default", () => {
    const base = { train: { limit_images: 1000, epochs: 1 } };
    const one = spaceFrom({ base, parameters: { "train.limit_images": { choice: [null, 500] } } });
    const trial = trialOf(one, { "train.limit_images": null }, "c");
    assert.equal(trial.config.train.limit_images, undefined);
    assert.equal(trial.id, trialId(configSchema.parse({ train: { epochs: 1 } }), "c"));
  });

  test("whose values cannot go together is an error of the configuration", () => {
    assert.throws(
      () => trialOf(space(), { "train.slots": 256 }, "c"),
      (error) =>
        error instanceof ClusterError &&
        error.code === "config" &&
        /train\.slots \(256\)/.test(error.message),
    );
    assert.throws(() => trialOf(space(), { "train.slots": "two" }, "c"), ClusterError);
  });
});
