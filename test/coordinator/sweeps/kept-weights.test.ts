import assert from "node:assert/strict";
import { test } from "node:test";
import { KeptWeights } from "../../../coordinator/sweeps/kept-weights.js";

const losses: Record<string, number | undefined> = { a: 3, b: 1, c: 2, d: 0, e: undefined };
const lossOf = (trial: string): number | undefined => losses[trial];

test("weights of the best trials so far are kept, and those of others go", () => {
  const kept = new KeptWeights(2, lossOf);
  assert.deepEqual(kept.offer("a"), { isKept: true, dropped: [] });
  assert.deepEqual(kept.offer("b"), { isKept: true, dropped: [] });
  assert.deepEqual(kept.offer("c"), { isKept: true, dropped: ["a"] });
  assert.deepEqual(kept.offer("d"), { isKept: true, dropped: ["c"] });
  assert.deepEqual(kept.offer("a"), { isKept: false, dropped: [] });
  assert.deepEqual(kept.offer("e"), { isKept: false, dropped: [] });
});

test("a trial whose weights are not there takes nobody's place, and is named", () => {
  const kept = new KeptWeights(2, lossOf);
  // d and b are the best two; of d a kill has left no weights, and a's were on their way out.
  assert.deepEqual(kept.startWith(["a", "b", "d"], new Set(["a", "b"])), { dropped: [], missing: ["d"] });
  assert.deepEqual(kept.offer("c"), { isKept: true, dropped: ["a"] });
  const whole = new KeptWeights(1, lossOf);
  assert.deepEqual(whole.startWith(["a", "b", "d"], new Set(["a", "b", "d"])), {
    dropped: ["a", "b"],
    missing: [],
  });
});

test("all are kept, or none", () => {
  const all = new KeptWeights("all", lossOf);
  for (const trial of Object.keys(losses)) assert.deepEqual(all.offer(trial), { isKept: true, dropped: [] });
  assert.deepEqual(new KeptWeights(0, lossOf).offer("d"), { isKept: false, dropped: [] });
});
