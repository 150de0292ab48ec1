import assert from "node:assert/strict";
import { test } from "node:test";
import { type CheckOptions, allot, measurementsOf } from "../../../deploy/bench/gpu-check/plan.js";
import { type Outcome, reportOf } from "../../../deploy/bench/gpu-check/report.js";
import type { Found, Measured } from "../../../worker/bench/measurement.js";

const OPTIONS: CheckOptions = {
  engine: "tensorflow-gpu",
  budgetSeconds: 420,
  mostSeconds: 12,
  sets: ["mnist", "cifar10"],
  model: "mrelu-r-m",
  batches: [128, 1024, 8192],
  slots: 1,
};
const MEASUREMENTS = measurementsOf(OPTIONS, ["compiled", "eager"]);
const PACE = { overheadSeconds: 4, mostSeconds: 12, isFirst: false };

test("what is worth most comes first, the largest batch last, and each name is there once", () => {
  const names = MEASUREMENTS.map(({ name }) => name);
  assert.deepEqual(names.slice(0, 6), [
    "self-test compiled",
    "self-test eager",
    "hash mnist compiled, run 1",
    "hash mnist compiled, run 2",
    "training mnist 128 compiled",
    "training mnist 128 eager",
  ]);
  assert.deepEqual(names.slice(-2), ["training cifar10 8192 compiled", "training cifar10 8192 eager"]);
  assert.equal(names.length, 2 + 2 * 2 + 2 * 3 * 2 + 2);
  assert.equal(new Set(names).size, names.length);
});

test("time is shared among what is left, between half a second and the most", () => {
  assert.deepEqual(allot(200, 10, PACE), { seconds: 12, limitSeconds: 64 });
  assert.deepEqual(allot(100, 10, PACE), { seconds: 6, limitSeconds: 60 });
  assert.deepEqual(allot(30, 10, PACE), { seconds: 0.5, limitSeconds: 30 });
  assert.equal(allot(4.4, 1, PACE), undefined);
  assert.equal(allot(300, 10, { ...PACE, isFirst: true })?.limitSeconds, 300);
});

test("whatever the processes do, the budget is kept", () => {
  for (const takes of [0, 0.2, 1, 3]) {
    let left = 420;
    let overheadSeconds = 2;
    for (let i = 0; i < MEASUREMENTS.length; i++) {
      const slot = allot(left, MEASUREMENTS.length - i, {
        overheadSeconds,
        mostSeconds: 12,
        isFirst: i === 0,
      });
      if (slot === undefined) continue;
      assert.ok(slot.limitSeconds <= left);
      const spent = Math.min(slot.limitSeconds, takes * slot.limitSeconds + slot.seconds);
      overheadSeconds = Math.max(0, spent - slot.seconds);
      left -= spent;
    }
    assert.ok(left >= 0, `${takes}: ${left}`);
  }
});

const FOUND: { [K in Found["kind"]]: Extract<Found, { kind: K }> } = {
  "self-test": {
    kind: "self-test",
    passed: true,
    checks: 60,
    failed: [],
    worst_relative_error: 1e-6,
    seconds: 1,
  },
  hash: { kind: "hash", steps: 7, sha256: "a" },
  training: {
    kind: "training",
    ...{ steps: 3, seconds: 1, steps_per_second: 3, images_per_second: 300, images_per_cpu_second: 300 },
    ...{ engine_images_per_second: 400, first_step_seconds: 1 },
  },
  evaluation: {
    kind: "evaluation",
    ...{ clean_images_per_second: 10, attack: "pgd", attack_steps: 10 },
    ...{ attack_images_per_second: 1, attack_gradients_per_second: 10 },
  },
};

function outcomes(change: (outcome: Outcome, i: number) => Outcome = (outcome) => outcome): Outcome[] {
  return MEASUREMENTS.map((measurement, i) => {
    const found = FOUND[measurement.kind];
    const measured = {
      engine: { name: "tensorflow-gpu", version: `v ${measurement.mode}`, device: "NVIDIA H200" },
      max_rss_bytes: 1,
      found,
    } satisfies Measured;
    return change({ measurement, kind: "measured", measured }, i);
  });
}

test("the report is right when everything was measured and equal", () => {
  const report = reportOf(outcomes());
  assert.equal(report.ok, true);
  assert.deepEqual(
    report.hashes.map(({ set, equal }) => [set, equal]),
    [
      ["mnist", true],
      ["cifar10", true],
    ],
  );
  assert.equal(report.training.length, 12);
  assert.equal(report.compiled_over_eager.length, 6);
  assert.deepEqual(report.compiled_over_eager[0], { set: "mnist", batch: 128, step: 1, engine: 1 });
  assert.equal(report.evaluation.length, 2);
});

test("a measurement that failed is named and takes no other with it", () => {
  const report = reportOf(
    outcomes((outcome) =>
      outcome.measurement.name.startsWith("training cifar10 8192")
        ? { measurement: outcome.measurement, kind: "failed", reason: "OOM when allocating tensor" }
        : outcome,
    ),
  );
  assert.equal(report.ok, true);
  assert.equal(report.training.length, 10);
  assert.deepEqual(
    report.failed.map(({ name }) => name),
    ["training cifar10 8192 compiled", "training cifar10 8192 eager"],
  );
});

test("other bits in the second run, a wrong gradient, or nothing at all are not ok", () => {
  const otherBits = outcomes((outcome) =>
    outcome.measurement.name === "hash mnist compiled, run 2" && outcome.kind === "measured"
      ? { ...outcome, measured: { ...outcome.measured, found: { ...FOUND.hash, sha256: "b" } } }
      : outcome,
  );
  assert.equal(reportOf(otherBits).ok, false);
  assert.equal(reportOf(otherBits).hashes[0]?.equal, false);
  const wrong = outcomes((outcome) =>
    outcome.measurement.name === "self-test compiled" && outcome.kind === "measured"
      ? { ...outcome, measured: { ...outcome.measured, found: { ...FOUND["self-test"], passed: false } } }
      : outcome,
  );
  assert.equal(reportOf(wrong).ok, false);
  assert.equal(reportOf([]).ok, false);
});
