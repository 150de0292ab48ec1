import assert from "node:assert/strict";
import { test } from "node:test";
import { RandomStream } from "../../../shared/random.js";
import {
  shareAt,
  sideOf,
  squareL2,
  squareLinf,
  stripes,
  tiles,
} from "../../../worker/core/square-proposals.js";

const EXTENT = { height: 28, width: 28, channels: 3 };
const stream = (index: number): RandomStream => new RandomStream(3, "square-attack", index);
const norm = (values: Float32Array): number => Math.hypot(...values);

test("squares shrink as the paper's schedule says, whatever the budget", () => {
  // 10,000 queries: the share halves after 10, 50, 200, 500, 1000, 2000, 4000, 6000 and 8000.
  for (const [query, halvings] of [
    [0, 0],
    [10, 0],
    [11, 1],
    [51, 2],
    [201, 3],
    [501, 4],
    [8001, 9],
  ] as const) {
    assert.equal(shareAt(query, 10_000, 0.8), 0.8 / 2 ** halvings, `query ${query}`);
    assert.equal(shareAt(query * 2, 20_000, 0.8), 0.8 / 2 ** halvings);
  }
  assert.equal(sideOf(EXTENT, 0.8, 1), 25);
  assert.equal(sideOf(EXTENT, 1e-6, 1), 1);
  assert.equal(sideOf(EXTENT, 1e-6, 3), 3);
});

test("L∞ starts are stripes of ±ε; a proposal changes one square of each channel", () => {
  const start = stripes(EXTENT, 0.25, stream(0));
  start.forEach((value, p) => {
    assert.equal(Math.abs(value), 0.25);
    assert.equal(value, start[p % (28 * 3)]);
  });
  const next = squareLinf(EXTENT, new Float32Array(start.length), 0.25, 5, stream(1));
  const changed = [...next.keys()].filter((p) => next[p] !== 0);
  assert.equal(changed.length, 5 * 5 * 3);
  const places = changed.map((p) => Math.floor(p / 3));
  const [tops, lefts] = [places.map((p) => Math.floor(p / 28)), places.map((p) => p % 28)];
  assert.equal(Math.max(...tops) - Math.min(...tops), 4);
  assert.equal(Math.max(...lefts) - Math.min(...lefts), 4);
});

test("L2 starts and proposals have length ε, however often they are repeated", () => {
  let change = tiles(EXTENT, 1.5, stream(0));
  assert.ok(Math.abs(norm(change) - 1.5) < 1e-5);
  for (let query = 1; query < 50; query++) {
    const before = change;
    change = squareL2(EXTENT, change, 1.5, 3 + (query % 7), stream(query));
    assert.ok(Math.abs(norm(change) - 1.5) < 1e-4, `query ${query}: ${norm(change)}`);
    assert.notDeepEqual(change, before);
  }
});

test("proposals are pure functions of their stream", () => {
  const start = tiles(EXTENT, 1, stream(4));
  assert.deepEqual(tiles(EXTENT, 1, stream(4)), start);
  assert.deepEqual(squareL2(EXTENT, start, 1, 5, stream(9)), squareL2(EXTENT, start, 1, 5, stream(9)));
});
