import assert from "node:assert/strict";
import { test } from "node:test";
import { NONSENSE_STARTS, type NonsenseStart, nonsenseStart } from "../../../worker/core/nonsense-starts.js";

const SIZE = 300;
const CHANNELS = 3;
const original = Float32Array.from({ length: SIZE }, (_, p) => p / SIZE);
const image = (kind: NonsenseStart, seed: number, index: number): Float32Array => {
  const out = new Float32Array(SIZE);
  nonsenseStart(kind, seed, index, CHANNELS, out, original);
  return out;
};

test("every kind is a pure function of seed and index, inside [0, 1]", () => {
  for (const kind of NONSENSE_STARTS) {
    const first = image(kind, 1, 5);
    assert.deepEqual(image(kind, 1, 5), first, kind);
    assert.notDeepEqual(image(kind, 1, 6), first, kind);
    assert.notDeepEqual(image(kind, 2, 5), first, kind);
    assert.ok(
      first.every((value) => value >= 0 && value <= 1),
      kind,
    );
  }
});

test("gaussian images reach both ends, uniform ones are even, constant ones have one colour", () => {
  const gaussian = image("gaussian", 1, 0);
  assert.deepEqual([Math.min(...gaussian), Math.max(...gaussian)], [0, 1]);
  const uniform = image("uniform", 1, 0);
  const mean = uniform.reduce((sum, value) => sum + value, 0) / SIZE;
  assert.ok(Math.abs(mean - 0.5) < 5 * Math.sqrt(1 / 12 / SIZE), `${mean}`);
  const constant = image("constant", 1, 0);
  constant.forEach((value, p) => assert.equal(value, constant[p % CHANNELS]));
});

test("shuffled images have the pixels of the original, with their channels together", () => {
  const shuffled = image("shuffled", 1, 0);
  assert.deepEqual([...shuffled].sort(), [...original].sort());
  for (let p = 0; p < SIZE; p += CHANNELS) {
    const from = Math.round((shuffled[p] as number) * SIZE);
    assert.deepEqual([...shuffled.subarray(p, p + CHANNELS)], [...original.subarray(from, from + CHANNELS)]);
  }
  assert.throws(() => nonsenseStart("shuffled", 1, 0, 1, new Float32Array(4)), /need an image/);
});
