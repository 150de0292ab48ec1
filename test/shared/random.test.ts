import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { PURPOSES, type Purpose, RandomStream, permutation, philox } from "../../shared/random.js";

const draws = (stream: RandomStream, count: number): number[] =>
  Array.from({ length: count }, () => stream.uint32());

test("philox agrees with the published known answers", () => {
  // Random123's kat_vectors, philox4x32 with 10 rounds.
  const vectors: [counter: number[], key: number[], answer: number[]][] = [
    [
      [0, 0, 0, 0],
      [0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [
      [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
    ],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ];
  for (const [[c0, c1, c2, c3], [k0, k1], answer] of vectors) {
    const out = new Uint32Array(4);
    philox(c0 ?? 0, c1 ?? 0, c2 ?? 0, c3 ?? 0, k0 ?? 0, k1 ?? 0, out);
    assert.deepEqual([...out], answer);
  }
});

test("a stream is philox over a counter of blocks, with the ids as the rest of the counter and (seed, purpose) as key", () => {
  const stream = new RandomStream(0xdeadbeef, "nonsense", 17, 4_000_000_000);
  const out = new Uint32Array(4);
  const expected: number[] = [];
  for (let block = 0; block < 3; block++) {
    philox(block, 17, 4_000_000_000, 0, 0xdeadbeef, PURPOSES.nonsense, out);
    expected.push(...out);
  }
  assert.deepEqual(draws(stream, 12), expected);
});

test("the numbers of the purposes, which are part of every result, are distinct and unchanged", () => {
  assert.deepEqual(PURPOSES, {
    initialisation: 1,
    "epoch-order": 2,
    "random-training": 3,
    "random-training-choice": 4,
    "mean-copies": 5,
    "pure-noise": 6,
    nonsense: 7,
    noisy: 8,
    "mirror-coin": 9,
    attack: 10,
    "attack-start": 20,
    "square-attack": 21,
    "decision-attack": 22,
    "random-search": 23,
    "nonsense-start": 24,
    corruption: 25,
    "step-noise": 30,
    "step-noise-coin": 31,
    "adversarial-choice": 32,
    "adversarial-start": 33,
    theory: 40,
    chaos: 50,
    "trial-draws": 60,
    "trial-order": 61,
    importance: 62,
    "sobol-scrambling": 63,
    "parzen-draws": 64,
    "population-parent": 70,
    "population-settings": 71,
  });
});

test("streams of another seed, purpose or id share no draw", () => {
  const uint32 = fc.integer({ min: 0, max: 0xffffffff });
  const purpose = fc.constantFrom(...(Object.keys(PURPOSES) as Purpose[]));
  const identity = fc.record({ seed: uint32, purpose, a: uint32, b: uint32 });
  fc.assert(
    fc.property(identity, identity, (one, other) => {
      fc.pre(JSON.stringify(one) !== JSON.stringify(other));
      const first = draws(new RandomStream(one.seed, one.purpose, one.a, one.b), 8);
      const second = draws(new RandomStream(other.seed, other.purpose, other.a, other.b), 8);
      // Two equal words of 64 pairs in 100 runs: a chance of 1.5e-6 were they random.
      assert.ok(
        first.filter((word) => second.includes(word)).length === 0,
        `${String(first)} | ${String(second)}`,
      );
    }),
  );
});

test("draws of one stream are the same however other streams are used in between", () => {
  const alone = draws(new RandomStream(1, "attack", 2, 3), 20);
  const interleaved = new RandomStream(1, "attack", 2, 3);
  const other = new RandomStream(1, "attack", 2, 4);
  const found = alone.map(() => {
    other.normal();
    return interleaved.uint32();
  });
  assert.deepEqual(found, alone);
});

test("uniform lies inside the open interval (0, 1), has mean 1/2 and variance 1/12", () => {
  const n = 200_000;
  const stream = new RandomStream(5, "attack");
  let sum = 0;
  let squares = 0;
  for (let i = 0; i < n; i++) {
    const u = stream.uniform();
    assert.ok(u > 0 && u < 1);
    sum += u;
    squares += (u - 0.5) ** 2;
  }
  // Five standard errors: sqrt(1/12/n) and sqrt(1/180/n).
  assert.ok(Math.abs(sum / n - 0.5) < 5 * Math.sqrt(1 / 12 / n));
  assert.ok(Math.abs(squares / n - 1 / 12) < 5 * Math.sqrt(1 / 180 / n));
});

test("below is unbiased: chi-square over many limits", () => {
  for (const limit of [2, 3, 7, 10, 100, 641]) {
    const n = 200 * limit + 20_000;
    const stream = new RandomStream(11, "epoch-order", limit);
    const counts = new Uint32Array(limit);
    for (let i = 0; i < n; i++) {
      const draw = stream.below(limit);
      assert.ok(Number.isInteger(draw) && draw >= 0 && draw < limit);
      counts[draw] = (counts[draw] as number) + 1;
    }
    const chiSquare = counts.reduce((sum, count) => sum + (count - n / limit) ** 2 / (n / limit), 0);
    // Degrees of freedom limit - 1; five standard deviations of chi-square.
    assert.ok(
      chiSquare < limit - 1 + 5 * Math.sqrt(2 * (limit - 1)) + 10,
      `limit ${limit}: chi-square ${chiSquare}`,
    );
  }
});

test("below rejects what would favour small numbers, where a limit does not divide 2^32", () => {
  // With limit 3·2^30 a plain multiply would give a third of the numbers twice the weight of the others.
  const limit = 3 * 2 ** 30;
  const stream = new RandomStream(3, "attack");
  const n = 60_000;
  const thirds = [0, 0, 0];
  for (let i = 0; i < n; i++) {
    const third = stream.below(limit) % 3;
    thirds[third] = (thirds[third] as number) + 1;
  }
  for (const count of thirds) assert.ok(Math.abs(count - n / 3) < 5 * Math.sqrt((n * 2) / 9), String(thirds));
});

test("below takes limits from 1 on and refuses others, instead of drawing for ever or always zero", () => {
  const stream = new RandomStream(1, "attack");
  assert.equal(stream.below(1), 0);
  assert.ok(Array.from({ length: 20 }, () => stream.below(2 ** 32 - 1)).some((draw) => draw >= 2 ** 31));
  for (const limit of [0, -1, 0.5, 2 ** 32, Infinity, Number.NaN]) {
    assert.throws(() => stream.below(limit), RangeError, `limit ${limit}`);
  }
});

test("normal draws have the moments and the tails of N(0, 1), and neighbours are uncorrelated", () => {
  const n = 200_000;
  const stream = new RandomStream(9, "initialisation");
  const values = Float64Array.from({ length: n }, () => stream.normal());
  const mean = (f: (value: number, i: number) => number): number =>
    values.reduce((sum, v, i) => sum + f(v, i), 0) / n;
  // Five standard errors; the variances of x, x², x³, x⁴ are 1, 2, 15, 96.
  const near = (found: number, expected: number, variance: number): void =>
    assert.ok(Math.abs(found - expected) < 5 * Math.sqrt(variance / n), `${found} is not ${expected}`);
  near(
    mean((v) => v),
    0,
    1,
  );
  near(
    mean((v) => v ** 2),
    1,
    2,
  );
  near(
    mean((v) => v ** 3),
    0,
    15,
  );
  near(
    mean((v) => v ** 4),
    3,
    96,
  );
  near(
    mean((v) => (Math.abs(v) > 1.959964 ? 1 : 0)),
    0.05,
    0.0475,
  );
  near(
    mean((v, i) => v * (values[i + 1] ?? 0)),
    0,
    1,
  );
  near(
    mean((v, i) => v ** 2 * (values[i + 1] ?? 0) ** 2),
    1,
    8,
  );
});

test("signs are +1 or -1 with probability one half, and independent between neighbours", () => {
  const n = 100_001; // not a multiple of the 32 signs in a word
  const signs = new Float32Array(n);
  new RandomStream(4, "noisy", 1).signs(signs);
  assert.ok(signs.every((sign) => sign === 1 || sign === -1));
  for (const lag of [0, 1, 31, 32]) {
    let sum = 0;
    for (let i = lag; i < n; i++) sum += (signs[i] as number) * (lag === 0 ? 1 : (signs[i - lag] as number));
    assert.ok(Math.abs(sum) < 5 * Math.sqrt(n), `lag ${lag}: ${sum}`);
  }
});

test("a permutation holds every number once and is a pure function of its stream", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 500 }), fc.integer({ min: 0, max: 0xffffffff }), (n, seed) => {
      const order = permutation(n, new RandomStream(seed, "epoch-order", 3));
      assert.deepEqual(
        [...order].sort((a, b) => a - b),
        Array.from({ length: n }, (_, i) => i),
      );
      assert.deepEqual(permutation(n, new RandomStream(seed, "epoch-order", 3)), order);
    }),
  );
});

test("all orders of four things are equally likely", () => {
  const counts = new Map<string, number>();
  const n = 24_000;
  const stream = new RandomStream(8, "epoch-order");
  for (let i = 0; i < n; i++) {
    const order = permutation(4, stream).join("");
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  assert.equal(counts.size, 24);
  const chiSquare = [...counts.values()].reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
  assert.ok(chiSquare < 23 + 5 * Math.sqrt(46), `chi-square ${chiSquare}`);
});
