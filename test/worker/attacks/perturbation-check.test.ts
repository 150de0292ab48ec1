import assert from "node:assert/strict";
import { test } from "node:test";
import { type Claim, checkPerturbations } from "./perturbation-check.js";

/** Two images of three pixels, two classes; the first was moved by 0.1 in one pixel and broke. */
function claim(change: Partial<Claim> = {}): Claim {
  return {
    norm: "linf",
    epsilon: 0.125,
    imageSize: 3,
    outputs: 2,
    clean: Float32Array.of(0.5, 0.5, 0, 1, 1, 1),
    labels: Uint8Array.of(0, 1),
    images: Float32Array.of(0.625, 0.5, 0, 1, 1, 1),
    broken: Uint8Array.of(1, 0),
    logits: Float32Array.of(-1, 1, -2, 3),
    ...change,
  };
}

test("what was claimed rightly has no problems, and both distances", () => {
  const { problems, linf, l2 } = checkPerturbations(claim());
  assert.deepEqual(problems, []);
  assert.deepEqual([...linf], [0.125, 0]);
  assert.deepEqual([...l2], [0.125, 0]);
});

const LIES: [string, Partial<Claim>, RegExp][] = [
  ["a pixel outside the ball", { epsilon: 0.12 }, /^image 0: linf distance 0.125 exceeds 0.12$/],
  [
    "an image outside the L2 ball",
    { norm: "l2", images: Float32Array.of(0.6, 0.6, 0, 1, 1, 1) },
    /^image 0: l2 distance 0.14/,
  ],
  [
    "a pixel outside the box",
    { images: Float32Array.of(0.625, 0.5, 0, 1, 1, 1.1) },
    /^image 1: pixel 2 is outside/,
  ],
  [
    "a pixel that is not a number",
    { images: Float32Array.of(NaN, 0.5, 0, 1, 1, 1) },
    /^image 0: linf distance NaN/,
  ],
  [
    "a success that is none",
    { logits: Float32Array.of(1, -1, -2, 3) },
    /^image 0: said to be broken, but the answer is 0$/,
  ],
  [
    "a failure that is none",
    { logits: Float32Array.of(-1, 1, 2, -3) },
    /^image 1: said to stand, but the answer is 0$/,
  ],
];
for (const [name, change, pattern] of LIES) {
  test(`${name} is found`, () => {
    const { problems } = checkPerturbations(claim(change));
    assert.match(problems[0] ?? "none", pattern);
  });
}

test("a nonsense image is broken by a real class's answer", () => {
  const nonsense = { realClasses: 1, broken: Uint8Array.of(0, 1), logits: Float32Array.of(-1, 1, 5, 3) };
  assert.deepEqual(checkPerturbations(claim(nonsense)).problems, []);
  assert.equal(checkPerturbations(claim({ ...nonsense, broken: Uint8Array.of(1, 0) })).problems.length, 2);
});

test("a tie of logits speaks for either answer", () => {
  assert.deepEqual(checkPerturbations(claim({ logits: Float32Array.of(1, 1, -2, 3) })).problems, []);
});
