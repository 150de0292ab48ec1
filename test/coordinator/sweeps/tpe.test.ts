import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { estimateFrom, normalBelow } from "../../../coordinator/sweeps/samplers/parzen.js";
import { samplerOf } from "../../../coordinator/sweeps/samplers/registry.js";
import type { TriedTrial } from "../../../coordinator/sweeps/samplers/sampler.js";
import { RandomStream } from "../../../shared/random.js";
import type { SearchMethod } from "../../../shared/config/sweep.js";
import type { Values } from "../../../shared/records/sweep-line.js";
import { type SweepInput, spaceFrom } from "../../support/sweep-spaces.js";

/** Of every kind: logarithmic, stepped, whole, one of some, conditional. */
const PARAMETERS: SweepInput["parameters"] = {
  "train.learning_rate": { range: [1e-5, 1], scale: "log" },
  "train.momentum": { range: [0, 0.99] },
  "train.batch_size": { range: [10, 500], type: "int", scale: "log" },
  "train.limit_images": { range: [1000, 60_000], type: "int", step: 1000 },
  model: { choice: ["plain", "mrelu", "rbf", "plain-r", "mrelu-r", "rbf-r"] },
  "train.weight_decay": { range: [1e-6, 0.1], scale: "log", when: { model: ["mrelu", "mrelu-r"] } },
};

/** Least, 0, at a rate of 0.01, momentum 0.9, batch 100, 50,000 images, mrelu and a decay of 0.001. */
function lossOf(values: Values): number {
  const number = (path: string): number => Number(values[path]);
  const away = (path: string, wanted: number): number => Math.log10(number(path) / wanted) ** 2;
  const decay = values["train.weight_decay"] === undefined ? 1 : 0.2 * away("train.weight_decay", 0.001);
  return (
    away("train.learning_rate", 0.01) +
    4 * (number("train.momentum") - 0.9) ** 2 +
    away("train.batch_size", 100) +
    away("train.limit_images", 50_000) +
    (values["model"] === "mrelu" ? 0 : 1) +
    decay
  );
}

/** Loss of the best of so many trials, `atOnce` of which are always under way. */
function bestOf(
  method: SearchMethod,
  { seed, trials: most, atOnce = 1 }: { seed: number; trials: number; atOnce?: number },
): number {
  const sampler = samplerOf(
    spaceFrom({ parameters: PARAMETERS, search: { method, seed }, limits: { trials: most } }),
  );
  const trials: TriedTrial[] = [];
  for (let number = 0; number < most; number += 1) {
    const done = trials.map((trial): TriedTrial =>
      trial.number + atOnce > number
        ? trial
        : { ...trial, state: "done", rung: 0, loss: lossOf(trial.values) },
    );
    const values = sampler.propose(number, { trials: done });
    if (typeof values === "string") break;
    trials.push({ number, values, state: "running", rung: -1, loss: undefined });
  }
  return Math.min(...trials.map(({ values }) => lossOf(values)));
}

const SEEDS = Array.from({ length: 8 }, (_, seed) => seed);

describe("TPE", () => {
  for (const atOnce of [1, 8]) {
    test(`is clearly better than random draws after 100 trials, ${atOnce} at once`, (t) => {
      const pairs = SEEDS.map((seed) => ({
        tpe: bestOf("tpe", { seed, trials: 100, atOnce }),
        random: bestOf("random", { seed, trials: 100 }),
      }));
      const median = (list: number[]): number => list.sort((a, b) => a - b)[list.length >> 1] ?? NaN;
      const better = pairs.filter(({ tpe, random }) => tpe < random).length;
      const [tpe, random] = [median(pairs.map((pair) => pair.tpe)), median(pairs.map((pair) => pair.random))];
      t.diagnostic(
        `better with ${better} of ${SEEDS.length} seeds; median loss ${tpe.toFixed(3)} and ${random.toFixed(3)}`,
      );
      assert.ok(better >= 7, `better with ${better} seeds only`);
      assert.ok(tpe < random / 2, `median ${tpe} and ${random}`);
    });
  }

  test("a proposal after 1,500 trials takes less than 3 ms, and after 15,000 no more than that", (t) => {
    const space = spaceFrom({
      parameters: PARAMETERS,
      search: { method: "tpe" },
      limits: { trials: 20_000 },
    });
    const random = samplerOf({ ...space, method: "random" });
    const sampler = samplerOf(space);
    for (const count of [1500, 15_000]) {
      const trials = Array.from({ length: count }, (_, number): TriedTrial => {
        const values = random.propose(number, { trials: [] });
        if (typeof values === "string") throw new RangeError(values);
        return { number, values, state: "done", rung: 0, loss: lossOf(values) };
      });
      const before = process.cpuUsage();
      const times = 50;
      for (let i = 0; i < times; i += 1) sampler.propose(count + i, { trials });
      const { user, system } = process.cpuUsage(before);
      const ms = (user + system) / 1000 / times;
      t.diagnostic(`${ms.toFixed(2)} ms after ${count}`);
      assert.ok(ms < 3, `${ms} ms after ${count}`);
    }
  });

  test("trials under way, failed or stopped early do not keep it from proposing", () => {
    const space = spaceFrom({
      parameters: PARAMETERS,
      search: { method: "tpe", startup_trials: 2 },
      limits: { trials: 50 },
    });
    const sampler = samplerOf(space);
    const states = ["done", "failed", "running", "stopped", "waiting"] as const;
    const trials: TriedTrial[] = [];
    for (let number = 0; number < 50; number += 1) {
      const values = sampler.propose(number, { trials });
      if (typeof values === "string") throw new RangeError(values);
      const state = states[number % states.length] ?? "done";
      const hasResult = state !== "running" && state !== "failed";
      trials.push({
        number,
        values,
        state,
        rung: hasResult ? number % 3 : -1,
        loss: hasResult ? (number % 4 === 0 ? NaN : lossOf(values)) : undefined,
      });
    }
    assert.equal(trials.length, 50);
  });

  test("learns from trials that came further before it learns from others", () => {
    const parameters: SweepInput["parameters"] = { "train.momentum": { range: [0, 0.99] } };
    const space = spaceFrom({ parameters, search: { method: "tpe" }, limits: { trials: 100 } });
    const sampler = samplerOf(space);
    // At the low rung a low momentum looks better; what came further is judged by the strong attack.
    const trials = Array.from({ length: 60 }, (_, number): TriedTrial => {
      const isHigh = number % 10 === 0;
      const momentum = isHigh ? 0.8 + number / 600 : (number % 50) / 100;
      return {
        number,
        values: { "train.momentum": momentum },
        state: "done",
        rung: isHigh ? 1 : 0,
        loss: isHigh ? 5 : momentum,
      };
    });
    const proposed = Array.from({ length: 20 }, (_, i) => sampler.propose(60 + i, { trials }));
    const high = proposed.filter(
      (values) => typeof values !== "string" && Number(values["train.momentum"]) > 0.7,
    ).length;
    assert.ok(high >= 16, `${high} of 20`);
  });
});

describe("a Parzen estimate", () => {
  const domain = { kind: "range", from: 0, to: 10, isLog: false, isInt: false } as const;

  test("is a density: it sums up to 1 over its range, also near an end and with steps", () => {
    const estimate = estimateFrom(domain, [0.1, 0.2, 7]);
    const n = 4000;
    const sum = Array.from({ length: n }, (_, i) => Math.exp(estimate.logDensity((10 * (i + 0.5)) / n)) / n);
    assert.ok(Math.abs(sum.reduce((a, b) => a + b, 0) - 1) < 1e-3);
    const whole = { ...domain, isInt: true, step: 1 };
    const cells = Array.from({ length: 11 }, (_, i) =>
      Math.exp(estimateFrom(whole, [0, 0, 9]).logDensity(i)),
    );
    // The normal distribution's approximation is off by 1e-7.
    assert.ok(Math.abs(cells.reduce((a, b) => a + b, 0) - 1) < 1e-5);
  });

  test("draws mostly near what was tried, and anywhere sometimes", () => {
    const estimate = estimateFrom(domain, [6.9, 7, 7.1, 7.2]);
    const stream = new RandomStream(3, "parzen-draws");
    const drawn = Array.from({ length: 500 }, () => Number(estimate.draw(stream)));
    assert.ok(drawn.every((value) => value >= 0 && value <= 10));
    // A fifth of even draws, 100, would lie there.
    assert.ok(drawn.filter((value) => value > 6 && value < 8).length > 150);
    assert.ok(drawn.some((value) => value < 3));
  });

  test("of one of some values counts them, each once more", () => {
    const estimate = estimateFrom({ kind: "values", values: ["a", "b", [1, 2]] }, ["a", "a", [1, 2]]);
    const shares = ["a", "b", [1, 2]].map((value) => Math.exp(estimate.logDensity(value)));
    assert.deepEqual(
      shares.map((share) => Math.round(share * 6)),
      [3, 1, 2],
    );
  });

  test("the normal distribution is that of the tables", () => {
    for (const [z, below] of [
      [0, 0.5],
      [1.959964, 0.975],
      [-1, 0.1586553],
      [3, 0.9986501],
    ] as const)
      assert.ok(Math.abs(normalBelow(z) - below) < 1e-6, `z = ${z}`);
  });
});
