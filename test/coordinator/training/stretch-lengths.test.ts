import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  FIRST_STRETCH,
  STRETCH_MS,
  checkState,
  stepsLeft,
  stretchLength,
} from "../../../coordinator/training/modes/stretches/stretch-lengths.js";
import { modeName } from "../../../coordinator/training/registry.js";
import { placeTensors } from "../../../shared/core/layout.js";
import type { StepPlan } from "../../../shared/core/schedule.js";
import { stateParts, stateSize } from "../../../shared/core/stretch.js";

test("left alone, a run leases many steps at a time when it has one slot or company", () => {
  assert.equal(modeName("auto", 1, 1), "exclusive");
  assert.equal(modeName("auto", 4, 1), "step");
  assert.equal(modeName("auto", 4, 2), "exclusive");
  assert.equal(modeName("step", 1, 3), "step");
  assert.equal(modeName("exclusive", 8, 1), "exclusive");
});

describe("the length of an exclusive lease", () => {
  test("is short at first, while nobody knows how long a step takes", () => {
    assert.equal(stretchLength(1000, 0, 0), FIRST_STRETCH);
    assert.equal(stretchLength(3, 0, 0), 3);
  });

  test("is what fits in the time, once a step's time is known", () => {
    assert.equal(stretchLength(10_000, 50, 300), STRETCH_MS / 50);
    assert.equal(stretchLength(10_000, 400, 300), Math.floor(STRETCH_MS / 400));
  });

  test("grows step by step, for the first measurement is a poor one", () => {
    const lengths = [0, 1, 2, 3].reduce<number[]>(
      (before) => [...before, stretchLength(10_000, before.length === 0 ? 0 : 1, before.at(-1) ?? 0)],
      [],
    );
    assert.deepEqual(lengths, [8, 64, 512, 4096]);
  });

  test("ends at the next stop, and is one step at least", () => {
    assert.equal(stretchLength(37, 50, 300), 37);
    assert.equal(stretchLength(10, 60_000, 8), 1);
  });

  test("ends with the epoch", () => {
    const plan: StepPlan = { images: 1000, batchSize: 100, slots: 1, epochs: 3 };
    assert.equal(stepsLeft(plan, 7, 30), 3);
    assert.equal(stepsLeft(plan, 10, 30), 10);
    assert.equal(stepsLeft(plan, 10, 12), 2);
  });

  test("is long again after a stop cut the last one short", () => {
    assert.equal(stretchLength(10_000, 50, 1), 8 * FIRST_STRETCH);
  });
});

describe("a state that came back", () => {
  const layout = placeTensors([
    {
      name: "fc/weight",
      shape: [5],
      role: "weight",
      initial: { kind: "constant", value: 0 },
      rateMultiplier: 1,
      decays: true,
    },
  ]);
  // Steps of 4, 4 and 2 images.
  const plan: StepPlan = { images: 10, batchSize: 4, slots: 1, epochs: 1 };
  const good = (): Float32Array => {
    const stream = new Float32Array(stateSize(layout, 2)).fill(0.5);
    stream.set([6, 3, 4, 1.5, 0, 2], 10);
    return stream;
  };
  const check = (stream: Float32Array, first = 1, count = 2): ReturnType<typeof checkState> =>
    checkState(layout, plan, first, count, stream, stateParts(layout, stream));

  test("lies as parameters, velocity and three scalars a step", () => {
    const stream = Float32Array.from({ length: 16 }, (_, i) => i);
    const { parameters, velocity, tails } = stateParts(layout, stream);
    assert.deepEqual([...parameters], [0, 1, 2, 3, 4]);
    assert.deepEqual([...velocity], [5, 6, 7, 8, 9]);
    assert.deepEqual([...tails], [10, 11, 12, 13, 14, 15]);
  });

  test("counts what each of its steps came to", () => {
    assert.deepEqual(check(good()), {
      ok: true,
      steps: [
        { loss: 6, hits: 3, samples: 4 },
        { loss: 1.5, hits: 0, samples: 2 },
      ],
    });
  });

  const wrong: [string, string, (stream: Float32Array) => Float32Array][] = [
    ["too short", "size", (stream) => stream.subarray(1)],
    ["too long", "size", (stream) => Float32Array.from([...stream, 1])],
    ["with a weight that is no number", "nonfinite", (stream) => stream.fill(NaN, 2, 3)],
    ["with an infinite velocity", "nonfinite", (stream) => stream.fill(Infinity, 7, 8)],
    ["with a loss that is no number", "nonfinite", (stream) => stream.fill(NaN, 10, 11)],
    ["with another number of images", "samples", (stream) => stream.fill(3, 12, 13)],
    ["with more right answers than images", "samples", (stream) => stream.fill(3, 14, 15)],
    ["with half a right answer", "samples", (stream) => stream.fill(0.5, 11, 12)],
    ["with fewer than no right answers", "samples", (stream) => stream.fill(-1, 11, 12)],
  ];
  for (const [what, reason, spoil] of wrong) {
    test(`is refused ${what}`, () => {
      const checked = check(spoil(good()));
      assert.equal(checked.ok ? "ok" : checked.reason, reason);
    });
  }
});
