import assert from "node:assert/strict";
import { test } from "node:test";
import { estimateOf, isWithinNoise } from "../../../../coordinator/results/sweep/estimates.js";
import { trial } from "./trial.js";

test("the interval over seeds is Student's t of their mean", () => {
  const members = [0.97, 0.98, 0.99].map((clean, number) => trial(number, { clean }));

  const estimate = estimateOf("clean", members);

  assert.ok(estimate?.overSeeds !== undefined);
  assert.equal(estimate.seeds, 3);
  assert.ok(Math.abs(estimate.value - 0.98) < 1e-12);
  // s = 0.01, t(2 degrees of freedom, 97.5 %) = 4.303: 0.98 ± 4.303 * 0.01 / √3.
  assert.ok(Math.abs(estimate.overSeeds.low - 0.955157) < 1e-5);
  // Nothing is above 1; how far apart two means must be is told by the whole width.
  assert.equal(estimate.overSeeds.high, 1);
  assert.ok(Math.abs((estimate.seedSpread ?? 0) - (1.004843 - 0.98)) < 1e-5);
});

test("an interval over seeds stays within what the metric can be; a loss is only not below 0", () => {
  const metrics = [
    "clean",
    "accuracy(pgd-40, 0.1)",
    "error(pgd, 0.3)",
    "worst(0.3)",
    "area(pgd)",
    "auroc(nonsense, 0.1)",
  ];
  const members = [0.001, 0.5, 0.999].map((value, number) =>
    trial(number, { ...Object.fromEntries(metrics.map((name) => [name, value])), loss: value }),
  );
  for (const metric of metrics)
    assert.deepEqual(estimateOf(metric, members)?.overSeeds, { low: 0, high: 1 }, metric);
  const { low = 0, high = 0 } = estimateOf("loss", members)?.overSeeds ?? {};
  assert.ok(low === 0 && high > 1);
});

test("a bound makes no lead: what is judged is how the seeds scatter", () => {
  const [near, far] = [
    [0.9, 1],
    [0.72, 0.8],
  ].map((values) =>
    estimateOf(
      "clean",
      values.map((clean, number) => trial(number, { clean })),
    ),
  );
  assert.ok(near !== undefined && far !== undefined);
  assert.equal(isWithinNoise(near, far), true);
});

test("with one seed there is the interval over the images alone, and a loss has neither", () => {
  const one = [trial(0, { clean: 0.9, loss: 0.3 }, { images: 1_000 })];

  const clean = estimateOf("clean", one);
  assert.equal(clean?.overSeeds, undefined);
  // Wilson's interval of 900 of 1,000.
  assert.ok(Math.abs((clean?.overImages?.low ?? 0) - 0.8799) < 1e-4);
  assert.ok(Math.abs((clean?.overImages?.high ?? 0) - 0.9171) < 1e-4);
  assert.deepEqual(estimateOf("loss", one), { value: 0.3, seeds: 1 });
  assert.equal(estimateOf("auroc(nonsense, 0.1)", one), undefined);
});

test("a lead is noise when the interval of the difference holds 0, and nobody knows without intervals", () => {
  const estimate = (clean: number): NonNullable<ReturnType<typeof estimateOf>> => {
    const found = estimateOf("clean", [trial(0, { clean }, { images: 10_000 })]);
    assert.ok(found !== undefined);
    return found;
  };
  assert.equal(isWithinNoise(estimate(0.975), estimate(0.974)), true);
  assert.equal(isWithinNoise(estimate(0.975), estimate(0.96)), false);
  assert.equal(isWithinNoise({ value: 1, seeds: 1 }, { value: 0.5, seeds: 1 }), undefined);
});

test("seeds that scatter make a lead noise that the images alone would call certain", () => {
  const of = (values: readonly number[]): NonNullable<ReturnType<typeof estimateOf>> => {
    const found = estimateOf(
      "clean",
      values.map((clean, number) => trial(number, { clean }, { images: 1_000_000 })),
    );
    assert.ok(found !== undefined);
    return found;
  };
  assert.equal(isWithinNoise(of([0.95, 0.99]), of([0.93, 0.97])), true);
});

test("where an attack saw fewer images than there are, its interval is of those", () => {
  const row = trial(0, { clean: 0.9, "accuracy(pgd-40, 0.1)": 0.9 }, { images: 10_000 });
  const measured = { ...row, rungs: row.rungs.map((rung) => ({ ...rung, measuredImages: 100 })) };
  const width = (metric: string): number => {
    const { low = NaN, high = NaN } = estimateOf(metric, [measured])?.overImages ?? {};
    return high - low;
  };
  assert.ok(width("accuracy(pgd-40, 0.1)") > 9 * width("clean"));
});
