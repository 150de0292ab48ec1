import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { rungConfig, trialOf } from "../../../coordinator/sweeps/space.js";
import { runIdentity } from "../../../coordinator/runs/identity.js";
import type { Config } from "../../../shared/config/run.js";
import { type SweepInput, spaceFrom } from "../../support/sweep-spaces.js";

type Rungs = { steps: number | undefined; samples: number; last: boolean; config: Config }[];

/** All rungs of the trial with the base's values. */
function rungsOf(input: SweepInput): Rungs {
  const space = spaceFrom(input);
  const { config } = trialOf(space, {}, "c");
  const rungs: Rungs = [];
  while (rungs.at(-1)?.last !== true && rungs.length < 50) {
    const rung = rungConfig(space, config, rungs.length);
    rungs.push({ ...rung, steps: rung.config.train.max_steps });
  }
  return rungs;
}

const figures = (rungs: Rungs): [number | undefined, number, boolean][] =>
  rungs.map(({ steps, samples, last }) => [steps, samples, last]);

describe("rungs", () => {
  const plain = { model: "plain", train: { epochs: 2 } };

  test("without early stopping there is one, the trial's end", () => {
    const [only, ...others] = rungsOf({ base: plain });
    assert.deepEqual(others, []);
    assert.deepEqual([only?.samples, only?.last, only?.steps], [120_000, true, undefined]);
  });

  test("each is so many times as long as the one before, and the last is the trial's own", () => {
    const rungs = rungsOf({ base: plain, stopping: { method: "asha", first_samples: 10_000, factor: 3 } });
    assert.deepEqual(figures(rungs), [
      [100, 10_000, false],
      [300, 30_000, false],
      [900, 90_000, false],
      [undefined, 120_000, true],
    ]);
  });

  test("samples are those that the steps have seen, where an epoch ends with a short step", () => {
    const base = { model: "plain", train: { epochs: 3, batch_size: 64, slots: 4, limit_images: 1000 } };
    const rungs = rungsOf({ base, stopping: { method: "median", first_samples: 990, factor: 2 } });
    // 15 steps of 64 images and one of 40 make an epoch.
    assert.deepEqual(figures(rungs), [
      [16, 1000, false],
      [32, 2000, false],
      [undefined, 3000, true],
    ]);
    const within = rungsOf({ base, stopping: { method: "median", first_samples: 1100, factor: 2 } });
    assert.deepEqual(figures(within).slice(0, 2), [
      [18, 1128, false],
      [36, 2256, false],
    ]);
  });

  test("a trial's own limit of steps is its end", () => {
    const base = { ...plain, train: { max_steps: 250 } };
    const rungs = rungsOf({ base, stopping: { method: "asha", first_samples: 10_000, factor: 2 } });
    assert.deepEqual(figures(rungs), [
      [100, 10_000, false],
      [200, 20_000, false],
      [250, 25_000, true],
    ]);
  });

  test("below the last, the evaluation has other settings; null takes one away", () => {
    const base = {
      ...plain,
      evaluate: { protocol: "modern", attacks: ["pgd-100"], images: 1000, strengths: [0.1, 0.2] },
    };
    const evaluate = { attacks: ["pgd-7"], images: 100, strengths: null };
    const stopping = { method: "asha" as const, first_samples: 60_000, evaluate };
    const [low, last] = rungsOf({
      base,
      objective: "area(pgd-100)",
      stopping: { ...stopping, metric: "area(pgd-7)" },
    });
    assert.deepEqual([low?.config.evaluate.attacks, low?.config.evaluate.images], [["pgd-7"], 100]);
    assert.deepEqual([low?.config.evaluate.strengths, low?.config.evaluate.protocol], [undefined, "modern"]);
    assert.deepEqual(
      [last?.config.evaluate.attacks, last?.config.evaluate.strengths],
      [["pgd-100"], [0.1, 0.2]],
    );
  });

  test("all are one run: prolonging it changes no identity", () => {
    const rungs = rungsOf({
      base: plain,
      stopping: { method: "asha", first_samples: 10_000, evaluate: { images: 10 } },
    });
    assert.equal(new Set(rungs.map(({ config }) => runIdentity(config, "data"))).size, 1);
  });
});
