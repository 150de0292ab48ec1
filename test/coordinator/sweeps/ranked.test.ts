import assert from "node:assert/strict";
import { test } from "node:test";
import { Ranked } from "../../../coordinator/sweeps/ranked.js";
import { SEED, randomNumbers } from "../../support/draws.js";

test("entries are in order and know their rank, whatever is added and removed", (t) => {
  t.diagnostic(`SAF_TEST_SEED=${SEED}`);
  const draw = randomNumbers(SEED);
  const ranked = new Ranked<number>((a, b) => a - b);
  const plain = new Set<number>();
  for (let i = 0; i < 6000; i++) {
    const entry = draw(3000);
    // Grows first, then shrinks, across the bounds of blocks.
    const isAdding = draw(10) < (i < 4000 ? 8 : 2);
    assert.equal(
      isAdding ? ranked.add(entry) : ranked.remove(entry),
      isAdding ? !plain.has(entry) : plain.has(entry),
    );
    if (isAdding) plain.add(entry);
    else plain.delete(entry);
    if (i % 500 !== 0) continue;
    const sorted = [...plain].sort((a, b) => a - b);
    assert.deepEqual([...ranked], sorted);
    assert.deepEqual(
      sorted.map((_, rank) => ranked.at(rank)),
      sorted,
    );
    assert.deepEqual(
      sorted.map((one) => ranked.rankOf(one)),
      sorted.map((_, rank) => rank),
    );
    assert.deepEqual([ranked.first, ranked.last, ranked.size], [sorted[0], sorted.at(-1), sorted.length]);
    const absent = draw(3000) + 0.5;
    assert.equal(ranked.rankOf(absent), sorted.filter((one) => one < absent).length);
  }
});

test("nothing is in an empty collection", () => {
  const ranked = new Ranked<number>((a, b) => a - b);
  assert.deepEqual(
    [ranked.first, ranked.last, ranked.at(0), ranked.size, [...ranked]],
    [undefined, undefined, undefined, 0, []],
  );
  assert.equal(ranked.remove(1), false);
  assert.equal(ranked.rankOf(1), 0);
});
