import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { countOf, spaceOf } from "../../../coordinator/sweeps/space.js";
import { ClusterError } from "../../../shared/errors.js";
import { type SweepInput, problemsFrom, spaceFrom, specOf } from "../../support/sweep-spaces.js";

const RATE = { range: [0.0001, 0.1] as [number, number], scale: "log" as const };
const LIMITED = { limits: { trials: 10 } };

/** What is said of it, one line a problem. */
const REFUSED: readonly [name: string, spec: SweepInput, lines: readonly RegExp[]][] = [
  [
    "an unknown setting",
    { parameters: { "train.lerning_rate": { choice: [0.1] } } },
    [
      /^parameters\.train\.lerning_rate: unknown setting "train\.lerning_rate" — did you mean "train\.learning_rate"\?$/,
    ],
  ],
  [
    "a setting named without its section",
    { parameters: { momentum: { choice: [0.1] } } },
    [/^parameters\.momentum: unknown setting "momentum" — did you mean "train\.momentum"\?$/],
  ],
  [
    "a name out of every object",
    { parameters: { __proto__x: { choice: [1] } } },
    [/unknown setting "__proto__x"/],
  ],
  [
    "a setting that decides no number",
    { parameters: { "train.lease": { choice: ["step", "exclusive"] } } },
    [/^parameters\.train\.lease: it decides no number of a trial/],
  ],
  [
    "an engine of its own for some trials",
    { parameters: { engine: { choice: ["emulated"] } } },
    [/^parameters\.engine: trials of one sweep share one kind of engine/],
  ],
  [
    "one parameter inside another",
    { parameters: { train: { choice: [{ slots: 1 }] }, "train.slots": { grid: [1, 2] } } },
    [/^parameters\.train\.slots: lies inside "train", which is a parameter too$/],
  ],
  [
    "two parameters for one setting, of which the list is one",
    { parameters: { seed: { grid: [1, 2] } }, list: [{ seed: 3 }] },
    [/^list\[0\]\.seed: two parameters for one setting: "seed" stands under parameters too$/],
  ],
  [
    "a value that its setting refuses",
    { parameters: { "train.slots": { choice: [1, 2, 3] } } },
    [/^parameters\.train\.slots\.choice\[2\]: train\.slots: slots must be a power of two, got 3$/],
  ],
  [
    "a value wrong in its depth",
    { parameters: { "train.learning_rate": { grid: [0.1, [{ rate: 99, epochs: 1 }]] } } },
    [/^parameters\.train\.learning_rate\.grid\[1\]/],
  ],
  [
    "a value of another kind",
    { parameters: { "train.momentum": { grid: ["much"] } } },
    [/^parameters\.train\.momentum\.grid\[0\]: train\.momentum: expected number, got "much"$/],
  ],
  [
    "a model that there is not",
    { parameters: { model: { grid: ["plain", "mrellu"] } } },
    [/^parameters\.model\.grid\[1\]: Unknown model "mrellu": did you mean "mrelu"\?$/],
  ],
  [
    "the same value twice",
    { parameters: { model: { grid: ["plain", "mrelu", "plain"] } } },
    [/^parameters\.model\.grid\[2\]: "plain" is there already, as number 1$/],
  ],
  [
    "an empty range",
    { parameters: { "train.momentum": { range: [0.9, 0.1] } }, ...LIMITED },
    [/^parameters\.train\.momentum\.range: empty: 0\.9 lies above 0\.1$/],
  ],
  [
    "a range of one value",
    { parameters: { "train.momentum": { range: [0.5, 0.5] } }, ...LIMITED },
    [/^parameters\.train\.momentum\.range: has the value 0\.5 only/],
  ],
  [
    "a logarithmic range from 0",
    { parameters: { "train.weight_decay": { range: [0, 0.1], scale: "log" } }, ...LIMITED },
    [/^parameters\.train\.weight_decay\.range: a logarithmic range begins above 0, not at 0$/],
  ],
  [
    "a step larger than its range",
    { parameters: { "train.momentum": { range: [0.1, 0.3], step: 0.5 } } },
    [/^parameters\.train\.momentum\.step: 0\.5 is more than the range is long, 0\.2$/],
  ],
  [
    "whole numbers from half ones",
    { parameters: { "train.batch_size": { range: [1.5, 20], type: "int", step: 0.5 } } },
    [/whole numbers begin and end/, /whole numbers lie a whole number apart/],
  ],
  [
    "an end of a range that its setting refuses",
    { parameters: { "train.momentum": { range: [0.5, 1] } }, ...LIMITED },
    [/^parameters\.train\.momentum\.range\[1\]: train\.momentum: expected number to be <1, got 1$/],
  ],
  [
    "a repeat of what is no number",
    { parameters: { model: { repeat: 3 } } },
    [/^parameters\.model: model is "mrelu-r-m" in the base: repeat counts on from a whole number$/],
  ],
  [
    "seeds beyond the largest",
    { base: { seed: 4_294_967_294 }, parameters: { seed: { repeat: 3 } } },
    [/^parameters\.seed\.repeat: seed: .*, got 4294967296$/],
  ],
  [
    "a condition on what is no parameter",
    {
      parameters: {
        model: { grid: ["plain", "mrelu"] },
        "train.slots": { grid: [1, 2], when: { modle: "plain" } },
      },
    },
    [
      /^parameters\.train\.slots\.when\.modle: "modle" is no parameter of this sweep — did you mean "model"\?$/,
    ],
  ],
  [
    "a condition on itself",
    { parameters: { "train.slots": { grid: [1, 2], when: { "train.slots": 1 } } } },
    [/^parameters\.train\.slots\.when\.train\.slots: a parameter cannot depend on itself$/],
  ],
  [
    "conditions in a circle",
    {
      parameters: {
        seed: { grid: [1, 2], when: { "train.slots": 1 } },
        "train.slots": { grid: [1, 2], when: { model: "plain" } },
        model: { grid: ["plain", "mrelu"], when: { seed: 2 } },
      },
    },
    [/^parameters\.seed\.when: waits for itself: seed → train\.slots → model → seed$/],
  ],
  [
    "a condition that never holds",
    {
      parameters: {
        model: { grid: ["plain", "mrelu"] },
        "train.slots": { grid: [1, 2], when: { model: ["rbf"] } },
      },
    },
    [/^parameters\.train\.slots\.when\.model: never holds: "model" is never that$/],
  ],
  [
    "a condition between the steps of a range",
    {
      parameters: {
        "train.momentum": { range: [0, 0.9], step: 0.3 },
        "train.slots": { grid: [1, 2], when: { "train.momentum": { min: 0.4, max: 0.5 } } },
      },
    },
    [/^parameters\.train\.slots\.when\.train\.momentum: never holds/],
  ],
  [
    "conditions that exclude one another",
    {
      parameters: {
        model: { grid: ["plain", "mrelu"] },
        "train.momentum": { grid: [0.5, 0.9], when: { model: "plain" } },
        "train.slots": { grid: [1, 2], when: { "train.momentum": 0.5, model: "mrelu" } },
      },
    },
    [/^parameters\.train\.slots\.when: never holds: the conditions .* exclude one another$/],
  ],
  [
    "a condition without bounds",
    { parameters: { seed: { grid: [1, 2] }, "train.slots": { grid: [1, 2], when: { seed: {} } } } },
    [/^parameters\.train\.slots\.when\.seed: expected a value, a list of values, or \{ min, max \}$/],
  ],
  [
    "a search without an end",
    { parameters: { "train.learning_rate": RATE } },
    [/^limits: the search never ends by itself/],
  ],
  [
    "a grid of what has no steps",
    { parameters: { "train.learning_rate": RATE }, search: { method: "grid" }, ...LIMITED },
    [/^parameters\.train\.learning_rate: a grid needs finitely many values/],
  ],
  [
    "10^9 points of a grid, also where so few are to be tried",
    {
      parameters: {
        seed: { range: [1, 1000], type: "int" },
        "train.batch_size": { range: [100, 1099], type: "int" },
        "train.limit_images": { range: [2001, 3000], type: "int" },
      },
      search: { method: "grid" },
      ...LIMITED,
    },
    [
      /^parameters: 1,000,000,000 trials, more than 1,000,000: try fewer values, or search\.method random with limits\.trials$/,
    ],
  ],
  [
    "more trials than anybody reads",
    { parameters: { "train.learning_rate": RATE }, limits: { trials: 2_000_000 } },
    [/^limits\.trials: 2,000,000 trials/],
  ],
  ["a list that is not there", { search: { method: "list" } }, [/^search\.method: there is no list/]],
  [
    "a list beside a search that draws",
    { list: [{ seed: 1 }], search: { method: "tpe" }, ...LIMITED },
    [/^list: search\.method tpe does not try a list/],
  ],
  [
    "something drawn beside a list",
    { list: [{ seed: 1 }], parameters: { model: { choice: ["plain", "mrelu"] } } },
    [/^parameters\.model: nothing is drawn beside a list/],
  ],
  [
    "a base that is no run",
    { base: { train: { slots: 3 }, sed: 1 } },
    [/^base\.train\.slots: slots must be a power of two$/, /^base: unknown key "sed"$/],
  ],
  [
    "a base whose model there is not",
    { base: { model: "mrellu" } },
    [/^base: Unknown model "mrellu": did you mean "mrelu"\?$/],
  ],
  ["a base that is still a file's name", { base: "base.yaml" }, [/^base: expected the settings of a run/]],
  [
    "an unknown metric",
    { objective: "acuracy(adversarial, 0.3)" },
    [/^objective: unknown metric .*: did you mean accuracy\(SERIES, STRENGTH\)\?$/],
  ],
  [
    "an objective that no trial reports",
    { objective: ["clean", { metric: "area(pgd-40)" }] },
    [
      /^objective\[1\]\.metric: no trial reports area\(pgd-40\); reported are area\(worst-case\), area\(noisy\)/,
    ],
  ],
  [
    "a strength that is not measured",
    { base: { evaluate: { strengths: [0, 0.1, 0.2] } }, objective: "accuracy(adversarial, 0.3)" },
    [
      /^objective: no trial reports accuracy\(adversarial, 0\.3\); reported are accuracy\(adversarial, 0\), accuracy\(adversarial, 0\.1\), accuracy\(adversarial, 0\.2\)$/,
    ],
  ],
  [
    "a constraint that is none",
    { constraints: ["clean at least 0.9"] },
    [/^constraints\[0\]: constraint "clean at least 0\.9": expected METRIC >= NUMBER/],
  ],
  [
    "a constraint that no trial can meet",
    { constraints: ["clean >= 97 %", "clean >= 97"] },
    [/^constraints\[1\]: constraint "clean >= 97": no trial can meet it: .* did you mean 97 %\?$/],
  ],
  [
    "a constraint that no trial reports",
    { constraints: ["clean >= 97 %", "area(pgd-7) > 0.5"] },
    [/^constraints\[1\]: no trial reports area\(pgd-7\)/],
  ],
  [
    "the same objective twice",
    { objective: ["clean", "clean"] },
    [/^objective\[1\]: clean is wanted twice$/],
  ],
  [
    "a stop by what low rungs do not measure",
    {
      objective: "area(adversarial)",
      stopping: { method: "asha", first_samples: 60_000, evaluate: { kinds: ["noisy"] } },
    },
    [
      /^stopping: below the last rung, no evaluation reports area\(adversarial\); reported are area\(worst-case\)|area\(noisy\)/,
    ],
  ],
  [
    "settings of low rungs that there are not",
    { stopping: { method: "asha", first_samples: 60_000, evaluate: { kind: ["noisy"], images: 0 } } },
    [
      /^stopping\.evaluate\.kind: unknown setting "kind" — did you mean "kinds"\?$/,
      /^stopping\.evaluate\.images: evaluate\.images: expected number to be >=1, got 0$/,
    ],
  ],
  [
    "low rungs whose evaluation cannot be",
    {
      base: { evaluate: { protocol: "modern", attacks: ["pgd-40"] } },
      objective: "area(pgd-40)",
      stopping: { method: "asha", first_samples: 60_000, evaluate: { attacks: ["pgd-forty"] } },
    },
    [/^stopping\.evaluate: Unknown attack "pgd-forty"/],
  ],
  [
    "a first rung behind the end",
    { base: { train: { epochs: 1 } }, stopping: { method: "asha", first_samples: 100_000 } },
    [
      /^stopping\.first_samples: the first rung lies behind the end of every trial: the longest sees 72,000 images$/,
    ],
  ],
  [
    "values that cannot go together",
    { parameters: { "train.slots": { grid: [1, 64] }, "train.batch_size": { grid: [32, 100] } } },
    [
      /^parameters: a trial with train\.slots = 64, train\.batch_size = 32: train\.slots \(64\) must not exceed train\.batch_size \(32\)/,
    ],
  ],
  [
    "an attack that there is not",
    { base: { evaluate: { protocol: "modern", attacks: ["pgd-x"] } }, parameters: { seed: { grid: [1] } } },
    [/^base: Unknown attack "pgd-x"/],
  ],
];

describe("a spec is refused before anything starts, with the place of the fault:", () => {
  for (const [name, input, lines] of REFUSED) {
    test(name, () => {
      const problems = problemsFrom(input);
      assert.equal(problems.length, lines.length, problems.join("\n"));
      lines.forEach((line, i) => assert.match(problems[i] ?? "", line));
    });
  }
});

test("more drawn parameters than a Sobol sequence serves are refused clearly", () => {
  const rates = Array.from({ length: 41 }, (_, i) => ({ rate: 0.1, epochs: i + 1 }));
  const parameters = Object.fromEntries(
    rates.map((_, i) => [`train.learning_rate.${i}.rate`, { range: [0.01, 0.1] as [number, number] }]),
  );
  const base = { train: { learning_rate: rates } };
  assert.match(
    problemsFrom({ base, parameters, search: { method: "sobol" }, ...LIMITED }).join(),
    /^search\.method: a Sobol sequence serves at most 40 parameters, and 41 are drawn: use random$/,
  );
  assert.deepEqual(problemsFrom({ base, parameters, search: { method: "random" }, ...LIMITED }), []);
});

test("faults of every kind are told together, as far as they do not follow from one another", () => {
  const problems = problemsFrom({
    parameters: {
      "train.lerning_rate": { choice: [0.1] },
      "train.momentum": { range: [0.9, 0.5] },
      "train.slots": { choice: [1, 3], when: { modle: "plain" } },
    },
    objective: "robust",
    constraints: ["clean >"],
    stopping: { method: "asha", first_samples: 1000, metric: "are(noisy)", evaluate: { imges: 10 } },
  });
  assert.deepEqual(
    problems.map((line) => line.slice(0, line.indexOf(": "))),
    [
      "parameters.train.lerning_rate",
      "parameters.train.momentum.range",
      "parameters.train.slots.choice[1]",
      "parameters.train.slots.when.modle",
      "objective",
      "constraints[0]",
      "stopping.metric",
      "stopping.evaluate.imges",
    ],
  );
});

test("a space that is wrong cannot be made: each problem has a line", () => {
  const spec = specOf({ parameters: { sede: { repeat: 3 }, "train.slot": { grid: [1] } } });
  assert.throws(
    () => spaceOf(spec, spec.base),
    (error) =>
      error instanceof ClusterError && error.exitCode === 2 && error.message.split("\n").length === 2,
  );
});

describe("the way of searching follows from the spec where it does not say it:", () => {
  const method = (input: SweepInput): string => spaceFrom(input).method;
  test("a list, a grid of what is finite, else random draws", () => {
    assert.equal(method({ list: [{ seed: 1 }, { seed: 2 }] }), "list");
    assert.equal(
      method({ parameters: { model: { choice: ["plain", "mrelu"] }, seed: { repeat: 3 } } }),
      "grid",
    );
    assert.equal(method({ parameters: { "train.learning_rate": RATE }, ...LIMITED }), "random");
    assert.equal(method({}), "grid");
  });
});

describe("trials are counted without making them:", () => {
  const count = (input: SweepInput): number | undefined => countOf(spaceFrom(input));
  const models = { grid: ["plain", "mrelu", "rbf"] };

  test("a grid is everything with everything, conditions being looked at", () => {
    assert.equal(count({ parameters: { model: models, seed: { repeat: 3 } } }), 9);
    const conditional = { grid: [0.1, 0.2], when: { model: ["mrelu", "rbf"] } };
    assert.equal(count({ parameters: { model: models, "train.momentum": conditional } }), 5);
    assert.equal(count({}), 1);
  });

  test("limits.trials bounds any search; a list is as long as it is, with what is crossed", () => {
    assert.equal(count({ parameters: { model: models, seed: { repeat: 3 } }, limits: { trials: 4 } }), 4);
    assert.equal(
      count({ list: [{ model: "plain" }, { model: "rbf" }], parameters: { seed: { repeat: 3 } } }),
      6,
    );
  });

  test("draws are counted as far as there are different ones, and unknown without steps", () => {
    const search = { method: "random" as const };
    const model = { choice: ["plain", "mrelu", "rbf"] };
    assert.equal(count({ parameters: { model, seed: { repeat: 2 } }, search }), 6);
    assert.equal(count({ parameters: { "train.learning_rate": RATE }, limits: { hours: 1 } }), undefined);
    assert.equal(count({ parameters: { "train.learning_rate": RATE, seed: { repeat: 2 } }, ...LIMITED }), 10);
  });
});

test("settings of the network are parameters like others, though the base says nothing of them", () => {
  const width = { range: [0.5, 3] as [number, number] };
  const power = { choice: [1, 2, 3] };
  const model = { choice: ["mrelu", "plain"] };
  const problems = (parameters: SweepInput["parameters"]): string =>
    problemsFrom({ parameters, ...LIMITED }).join();
  assert.equal(problems({ "network.activation_width": width }), "");
  const when = { model: "mrelu" };
  assert.equal(problems({ model, "network.loss.power": { ...power, when } }), "");
  assert.match(
    problems({ model, "network.loss.power": power }),
    /^parameters: a trial with model = "plain", network\.loss\.power = 1: network\.loss/,
  );
  assert.match(
    problems({ "network.activation_widht": width }),
    /did you mean "network\.activation_width"\?$/,
  );
});

test("draws whose values cannot go together now and then are no fault of the spec, unless they are many", () => {
  const batches = (from: number, to: number): SweepInput => ({
    parameters: {
      "train.batch_size": { range: [from, to], type: "int" },
      "train.momentum": { range: [0, 0.9] },
    },
    limits: { trials: 50 },
    base: { model: "plain", train: { slots: 8 } },
  });
  assert.deepEqual(problemsFrom(batches(8, 200)), []);
  const problems = problemsFrom(batches(1, 8));
  assert.match(problems[0] ?? "", /^parameters: a trial with train\.batch_size = \d, .* must not exceed/);
  assert.match(problems.at(-1) ?? "", /^parameters: of 128 trials that were looked at, \d+ cannot be run$/);
});

test("repeat counts on from the base's seed", () => {
  const [seed] = spaceFrom({ base: { seed: 40 }, parameters: { seed: { repeat: 3 } } }).parameters;
  assert.deepEqual(seed?.domain, { kind: "range", from: 40, to: 42, isLog: false, isInt: true, step: 1 });
  assert.equal(seed?.role, "repeated");
});
