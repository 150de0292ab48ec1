import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { curvesOf, type MeasuredRange } from "../../../coordinator/evaluation/curves.js";
import { wilsonInterval } from "../../../shared/core/wilson.js";
import { PERTURBATION_KINDS } from "../../../shared/results.js";

const outcome = (strength: number, wrong: number[], confidences: number[]): MeasuredRange["outcomes"][0] => ({
  strength,
  wrong: Uint8Array.from(wrong),
  confidences: Float32Array.from(confidences),
});

test("a worked example: ranges of one kind are pooled, strengths rise, kinds come in their own order", () => {
  const ranges: MeasuredRange[] = [
    { task: { kind: "noisy" }, outcomes: [outcome(0.5, [1, 1], [0.25, 0.75]), outcome(0.1, [0, 1], [1, 1])] },
    { task: { kind: "clean" }, outcomes: [outcome(0, [0, 0, 1, 0], [1, 1, 0.5, 1])] },
    { task: { kind: "noisy" }, outcomes: [outcome(0.1, [0, 0], [0.5, 0.5])] },
  ];
  const point = (kind: string, strength: number, errors: number, n: number, confidence: number): object => {
    const { low, high } = wilsonInterval(errors, n);
    return { kind, strength, n, error: errors / n, ci_low: low, ci_high: high, mean_confidence: confidence };
  };
  assert.deepEqual(curvesOf(ranges), [
    point("clean", 0, 1, 4, 0.875),
    point("noisy", 0.1, 1, 4, 0.75),
    point("noisy", 0.5, 2, 2, 0.5),
  ]);
});

test("nothing measured is no curve", () => {
  assert.deepEqual(curvesOf([]), []);
});

test("however the images were cut into ranges, and in whatever order these came, the curves are the same", () => {
  const strengths = [0, 0.1, 0.25];
  // Multiples of 1/256: their sums are exact, so even the last bit must agree.
  const image = fc.tuple(
    fc.constantFrom(0, 1),
    fc.nat(256).map((k) => k / 256),
  );
  const scenario = fc.record({
    images: fc.array(fc.array(image, { minLength: 3, maxLength: 3 }), { minLength: 1, maxLength: 30 }),
    kinds: fc.subarray([...PERTURBATION_KINDS], { minLength: 1 }),
    cuts: fc.array(fc.nat(30), { maxLength: 4 }),
    seed: fc.nat(),
  });
  fc.assert(
    fc.property(scenario, ({ images, kinds, cuts, seed }) => {
      const rangeOf = (kind: MeasuredRange["task"]["kind"], first: number, end: number): MeasuredRange => ({
        task: { kind },
        outcomes: strengths.map((strength, s) =>
          outcome(
            strength,
            images.slice(first, end).map((row) => row[s]?.[0] ?? 0),
            images.slice(first, end).map((row) => row[s]?.[1] ?? 0),
          ),
        ),
      });
      const ends = [...new Set([...cuts.filter((cut) => cut < images.length), images.length])].sort(
        (a, b) => a - b,
      );
      const parts = kinds.flatMap((kind) => ends.map((end, i) => rangeOf(kind, ends[i - 1] ?? 0, end)));
      const shuffled = parts
        .map((part, i) => ({ part, key: Math.imul(seed + i, 0x9e3779b1) >>> 0 }))
        .sort((a, b) => a.key - b.key)
        .map(({ part }) => part);
      const whole = kinds.map((kind) => rangeOf(kind, 0, images.length));
      assert.deepEqual(curvesOf(shuffled), curvesOf(whole));
    }),
  );
});
