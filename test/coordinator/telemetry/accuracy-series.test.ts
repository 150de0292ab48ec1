import assert from "node:assert/strict";
import { test } from "node:test";
import { AccuracySeries } from "../../../coordinator/telemetry/accuracy-series.js";

const wrong = (...flags: number[]): Uint8Array => Uint8Array.from(flags);

test("ranges of images of one series add up, strength by strength", () => {
  const series = new AccuracySeries();
  const task = { kind: "adversarial", protocol: "modern", attack: "pgd-40", norm: "linf" } as const;
  series.add(task, [
    { strength: 0.1, wrong: wrong(0, 1) },
    { strength: 0.3, wrong: wrong(1, 1) },
  ]);
  series.add(task, [{ strength: 0.1, wrong: wrong(0, 0) }]);
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
  series.add({ kind: "clean" }, [{ strength: 0.1 + 0.2, wrong: wrong(0) }]);
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
  series.add({ kind: "clean" }, [{ strength: 0, wrong: wrong(0) }]);
  series.clear();
  series.add({ kind: "clean" }, [{ strength: 0, wrong: wrong() }]);
  assert.deepEqual(series.points, []);
});
