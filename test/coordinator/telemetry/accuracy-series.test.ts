import assert from "node:assert/strict";
import { test } from "node:test";
import type { CurveOutcomes } from "../../../shared/records/image-outcomes.js";
import { AccuracySeries } from "../../../coordinator/telemetry/accuracy-series.js";

const outcome = (strength: number, ...flags: number[]): CurveOutcomes => ({
  strength,
  wrong: Uint8Array.from(flags),
  confidences: new Float32Array(flags.length),
});

test("ranges of images of one series add up, strength by strength", () => {
  const series = new AccuracySeries();
  const task = { kind: "adversarial", protocol: "modern", attack: "pgd-40", norm: "linf" } as const;
  series.add(task, [outcome(0.1, 0, 1), outcome(0.3, 1, 1)]);
  series.add(task, [outcome(0.1, 0, 0)]);
  assert.deepEqual(
    series.points.map(({ labels, images, right }) => [labels, images, right]),
    [
      [{ protocol: "modern", kind: "adversarial", attack: "pgd-40", norm: "linf", strength: "0.1" }, 4, 3],
      [{ protocol: "modern", kind: "adversarial", attack: "pgd-40", norm: "linf", strength: "0.3" }, 2, 0],
    ],
  );
});

test("a strength is written as people write it, and what has no attack or norm of its own says so", () => {
  const series = new AccuracySeries();
  series.add({ kind: "clean" }, [outcome(0.1 + 0.2, 0)]);
  assert.deepEqual(series.points[0]?.labels, {
    protocol: "paper",
    kind: "clean",
    attack: "clean",
    norm: "none",
    strength: "0.3",
  });
});

test("another checkpoint begins with nothing", () => {
  const series = new AccuracySeries();
  series.add({ kind: "clean" }, [outcome(0, 0)]);
  series.clear();
  series.add({ kind: "clean" }, [outcome(0)]);
  assert.deepEqual(series.points, []);
});
