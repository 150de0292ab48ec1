import assert from "node:assert/strict";
import { test } from "node:test";
import { SweepBook } from "../../../coordinator/sweeps/book.js";
import { type Space, spaceOf } from "../../../coordinator/sweeps/space.js";
import { type Forecast, forecastOf } from "../../../deploy/cli/sweep-forecast.js";
import { type Plan, planLines } from "../../../deploy/cli/sweep-plan.js";
import { objectiveWords } from "../../../deploy/cli/sweep-words.js";
import { sweepSchema } from "../../../shared/config/sweep.js";

const BASE = { model: "plain", train: { batch_size: 100, max_steps: 90 }, evaluate: { kinds: ["clean"] } };

function spaceWith(spec: object): Space {
  const parsed = sweepSchema.parse({ name: "small", base: BASE, ...spec });
  return spaceOf(parsed, parsed.base);
}

function forecast(space: Space, pace = (samples: number): number | undefined => samples / 1000): Forecast {
  const book = new SweepBook(space, "test");
  return forecastOf(book, space, "test", {
    ...{ pace: (_, samples) => pace(samples), workers: 2, nowS: 0, mayGoOn: () => true },
  });
}

const RATES = { "train.learning_rate": { grid: [0.001, 0.01, 0.1] } };

test("without early stopping every trial is trained to its end", () => {
  const { trials, samples, workerSeconds, rungs, isWhole } = forecast(
    spaceWith({ parameters: { ...RATES, seed: { repeat: 3 } } }),
  );
  assert.deepEqual([trials, samples, workerSeconds, isWhole], [9, 9 * 9000, 81, true]);
  assert.deepEqual(rungs, [{ rung: 0, samples: 9000, trials: 9, done: 9 }]);
});

test("with successive halving about one of so many goes on, and only its new images count", () => {
  const { samples, rungs, mostWaiting } = forecast(
    spaceWith({
      parameters: { "train.learning_rate": { range: [0.001, 0.1], scale: "log" } },
      limits: { trials: 27 },
      stopping: { method: "asha", first_samples: 1000, factor: 3 },
    }),
  );
  assert.deepEqual(
    rungs.map((rung) => rung.samples),
    [1000, 3000, 9000],
  );
  const [first = 0, second = 0, third = 0] = rungs.map(({ trials }) => trials);
  assert.equal(first, 27);
  assert.ok(second >= 9 && second <= 14, `${second} of 27 go on`);
  assert.ok(third >= 3 && third <= 6, `${third} come to the end`);
  assert.equal(samples, 27 * 1000 + second * 2000 + third * 6000);
  assert.ok(mostWaiting > 0);
});

test("at least the best of each rung come to the next, and who ends at one is counted there", () => {
  const space = (steps: number, trials: number): Space => {
    const base = { ...BASE, train: { batch_size: 100, max_steps: steps } };
    const parsed = sweepSchema.parse({
      ...{ name: "small", base, limits: { trials } },
      parameters: { "train.learning_rate": { range: [0.001, 0.1] } },
      stopping: { method: "asha", first_samples: 1000, factor: 3 },
    });
    return spaceOf(parsed, base);
  };
  for (const trials of [14, 27, 60]) {
    const counts = forecast(space(270, trials)).rungs;
    assert.deepEqual(
      counts.map(({ samples }) => samples),
      [1000, 3000, 9000, 27_000],
    );
    assert.deepEqual(
      counts.map(({ done }) => done > 0),
      [false, false, false, true],
    );
    for (const [i, { trials: came }] of counts.entries())
      assert.ok(i === 0 || came >= Math.floor((counts[i - 1]?.trials ?? 0) / 3), `${came} come to rung ${i}`);
  }
});

test("what takes a place, what a limit holds and what is named twice is said", () => {
  const inPlace = planLines({
    ...PLAN,
    trials: { ...PLAN.trials, planned: 6, there: 0, to_begin: 7, in_place: 1 },
  });
  assert.equal(inPlace[0], "sweep    small: random search, 6 trials, and whoever takes another one's place");
  assert.ok(inPlace.some((line) => line.endsWith("in 7 new trials, 1 of them in another one's place")));
  const held = planLines({
    ...PLAN,
    trials: { ...PLAN.trials, planned: 3, there: 8, to_begin: 0, held_by: "limits.trials: 3" },
  });
  assert.deepEqual(held.slice(0, 2), [
    "sweep    small: random search, 3 trials; 8 are there already",
    "         no more begin: limits.trials: 3 holds them",
  ]);
  const same = planLines({ ...PLAN, trials: { ...PLAN.trials, planned: 6, there: 0, same_as_others: 2 } });
  assert.equal(same[1], "         2 of them set the same as others: trained once");
  const ends = planLines({ ...PLAN, rungs: PLAN.rungs.map((rung) => ({ ...rung, done: 3 })) });
  assert.ok(ends.includes("rungs    1,000 images: 23 trials (3 end there), 3,000: 8 trials"));
});

test("a population's heirs are forecast apart, and those of a list that are the same are no new trials", () => {
  const population = forecast(
    spaceWith({
      parameters: { "train.learning_rate": { range: [0.001, 0.1], scale: "log" } },
      limits: { trials: 6 },
      stopping: { method: "population", first_samples: 1000, factor: 3, exploit: 0.25 },
    }),
  );
  assert.ok(population.heirs > 0);
  assert.equal(population.trials - population.heirs, 6);
  const entry = { "train.learning_rate": 0.01 };
  assert.equal(forecast(spaceWith({ list: [entry, entry, { "train.learning_rate": 0.1 }] })).trials, 2);
});

test("the time is unknown where one trial's is, and a search without end is not played to its end", () => {
  const space = spaceWith({
    parameters: { "train.learning_rate": { range: [0.001, 0.1] } },
    search: { method: "random" },
    limits: { samples: 1e9 },
  });
  const book = new SweepBook(space, "test");
  let left = 100;
  const { trials, workerSeconds, isWhole } = forecastOf(book, space, "test", {
    ...{ pace: () => undefined, workers: 2, nowS: 0, mayGoOn: () => left-- > 0 },
  });
  assert.deepEqual([trials, workerSeconds, isWhole], [100, undefined, false]);
});

test("a limit in hours ends the search when so much time is gone, by what is known of the speed", () => {
  const space = spaceWith({
    parameters: { "train.learning_rate": { range: [0.001, 0.1] } },
    search: { method: "random" },
    limits: { hours: 1 },
  });
  // 9,000 images in 60 seconds of one of two workers: 120 trials an hour.
  const { trials, isWhole } = forecast(space, () => 60);
  assert.ok(isWhole);
  assert.ok(Math.abs(trials - 120) <= 2, `${trials} trials`);
});

const PLAN: Plan = {
  ...{
    name: "small",
    directory: "/nowhere/small",
    search: "random",
    wanted: "clean, the more the better",
    samples: 1_234_567,
    synthetic_samples: 0,
    refused: null,
    workers: 2,
    bytes: 12 << 20,
  },
  trials: { planned: 27, there: 4, to_begin: 23, in_place: 0, held_by: null, same_as_others: 0 },
  rungs: [
    { rung: 0, samples: 1000, trials: 23, done: 0 },
    { rung: 1, samples: 3000, trials: 8, done: 8 },
  ],
  ...{ seconds: 125, seconds_from: "as fast as its trials until now", is_whole: true },
};

test("a plan reads so", () => {
  assert.deepEqual(planLines(PLAN), [
    "sweep    small: random search, 27 trials, 4 of them are there",
    "wanted   clean, the more the better",
    "rungs    1,000 images: 23 trials, 3,000: 8 trials",
    "images   1,234,567 to be trained on, in 23 new trials",
    "time     about 2 min 05 s with 2 workers, as fast as its trials until now",
    "disk     12 MiB",
    "folder   /nowhere/small",
  ]);
  const endless = planLines({
    ...PLAN,
    ...{
      trials: { ...PLAN.trials, planned: null, there: 0, to_begin: 90 },
      rungs: [],
      seconds: null,
      seconds_from: null,
      is_whole: false,
    },
  });
  assert.equal(endless[0], "sweep    small: random search, no end by itself");
  assert.match(endless[2] ?? "", /at least 1,234,567/);
  assert.match(endless[3] ?? "", /^time {5}unknown/);
});

test("the images that flag M makes are counted by themselves, and named", () => {
  const { samples, synthetic } = forecast(
    spaceWith({
      base: { ...BASE, train: { batch_size: 100, epochs: 1 } },
      parameters: { model: { grid: ["mrelu", "mrelu-m"] } },
    }),
  );
  assert.deepEqual([samples, synthetic], [60_000 + 72_000, 12_000]);
  assert.match(
    planLines({ ...PLAN, synthetic_samples: synthetic }).join("\n"),
    /^images .*\n {9}12,000 of them synthetic: what flag M adds to each epoch$/m,
  );
});

test("what stands in the way of a sweep is said as `run` says it", () => {
  const refused = {
    message: "2 of 3 measured trials belong to it no more\n2 of them: why",
    hint: "--force goes on",
  };
  assert.deepEqual(planLines({ ...PLAN, refused }).slice(-3), [
    "refused  2 of 3 measured trials belong to it no more",
    "         2 of them: why",
    "         --force goes on",
  ]);
});

test("what is wanted is said, and that nobody said it", () => {
  const stopping = { method: "asha", first_samples: 1000 };
  assert.equal(
    objectiveWords(spaceWith({ parameters: RATES }), false),
    "clean, the more the better (the default: the file has no `objective`)",
  );
  assert.equal(
    objectiveWords(
      spaceWith({ parameters: RATES, objective: "loss", stopping: { ...stopping, metric: "clean" } }),
      true,
    ),
    "loss, the less the better; asha stops trials early by clean",
  );
});
