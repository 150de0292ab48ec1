import assert from "node:assert/strict";
import { test } from "node:test";
import { KeptWeights, missingWeights, missingWords } from "../../../coordinator/sweeps/kept-weights.js";
import { Played, listOf, outcomeOf, spaceFrom } from "./support.js";

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

test("weights that should be there and are not are named, of the best alone", () => {
  const played = new Played(spaceFrom({ ...listOf(4), keep_weights: 2 }));
  played.toTheEnd((segment) => outcomeOf(segment, { clean: segment.number / 10 }));
  const sweep = { space: spaceFrom({ ...listOf(4), keep_weights: 2 }), book: played.book };
  const [, , third = "", fourth = ""] = played.book.rows().map(({ trial }) => trial);
  assert.deepEqual(missingWeights(sweep, new Set([third, fourth])), []);
  assert.deepEqual(missingWeights(sweep, new Set()), [fourth, third]);
  assert.match(missingWords([fourth]), /^weights\/ lacks 1 of the best: saf reproduce /);
});

test("all are kept, or none", () => {
  const all = new KeptWeights("all", lossOf);
  for (const trial of Object.keys(losses)) assert.deepEqual(all.offer(trial), { isKept: true, dropped: [] });
  assert.deepEqual(new KeptWeights(0, lossOf).offer("d"), { isKept: false, dropped: [] });
});
