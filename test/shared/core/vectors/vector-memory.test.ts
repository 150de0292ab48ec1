import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import {
  VectorMemory,
  addVectors,
  allFinite,
  copyFinite,
  descend,
  mergeFinite,
} from "../../../../shared/core/vectors/vector-memory.js";
import { SOURCE_SHA256 } from "../../../../shared/core/vectors/vectors-wasm.js";

const memory = new VectorMemory();
/** Any float32, subnormal ones and infinities included; NaN's bits are nobody's promise. */
const anyFloat = fc.float({ noNaN: true });
const anyVector = fc.array(anyFloat, { maxLength: 23 }).map((values) => Float32Array.from(values));
const bitsOf = (vector: Float32Array): number[] => [
  ...new Uint32Array(vector.buffer, vector.byteOffset, vector.length),
];
/** A vector that does not begin on a multiple of 16 bytes, as ranges of a layout do not. */
const inMemory = (values: Float32Array, shift: number): Float32Array => {
  const place = memory.allocate(values.length + shift).subarray(shift);
  place.set(values);
  return place;
};

test("sums in a vector memory are the loops' sums to the bit, at any length and alignment", () => {
  fc.assert(
    fc.property(anyVector, fc.nat(3), (values, shift) => {
      const other = values.map((value, i) => value * 0.3 + i);
      const expected = new Float32Array(values.length);
      addVectors(expected, values, other);
      const found = inMemory(values, shift);
      addVectors(found, found, inMemory(other, 1));
      assert.deepEqual(bitsOf(found), bitsOf(expected));
      for (let i = 0; i < values.length; i++)
        assert.ok(Object.is(expected[i], Math.fround((values[i] as number) + (other[i] as number))));
    }),
  );
});

test("one value that is not finite is found anywhere, and large ones are not mistaken for it", () => {
  const places = [(values: Float32Array) => values, (values: Float32Array) => inMemory(values, 1)];
  for (const place of places) {
    assert.ok(allFinite(place(new Float32Array())));
    assert.ok(allFinite(place(new Float32Array(1001).fill(3.4e38))));
    assert.ok(allFinite(place(Float32Array.of(-0, 1e-45, -3.4e38))));
    fc.assert(
      fc.property(fc.nat(98), fc.constantFrom(Number.NaN, Infinity, -Infinity), (at, bad) => {
        const values = new Float32Array(99).fill(1);
        values[at] = bad;
        assert.ok(!allFinite(place(values)));
      }),
    );
  }
});

test("updates in a vector memory are the loops' updates to the bit", () => {
  const rates = fc.record({
    momentum: fc.double({ min: 0, max: 0.999, noNaN: true }),
    decay: fc.double({ min: 0, max: 0.1, noNaN: true }),
    perSample: fc.integer({ min: 1, max: 4096 }).map((samples) => 1 / samples),
    rate: fc.double({ min: 1e-6, max: 1, noNaN: true }),
  });
  fc.assert(
    fc.property(anyVector, rates, fc.nat(3), (sums, rule, shift) => {
      const current = sums.map((value, i) => Math.sin(i) + value * 1e-3);
      const velocity = sums.map((_, i) => Math.cos(3 * i));
      const next = new Float32Array(sums.length);
      const [a, b, c, d] = [sums, current, velocity, next].map((vector) => inMemory(vector, shift));
      const [before, e] = [velocity.slice(), inMemory(new Float32Array(sums.length), 1)];
      descend(rule, sums, current, velocity, next, velocity);
      const [s, w, v, n] = [a, b, c, d] as [Float32Array, Float32Array, Float32Array, Float32Array];
      descend(rule, s, w, v, n, e);
      assert.deepEqual(bitsOf(v), bitsOf(before), "only read");
      assert.deepEqual(bitsOf(w), bitsOf(current), "only read");
      descend(rule, s, w, v, n, v);
      assert.deepEqual(bitsOf(v), bitsOf(e), "in place");
      const isNumber = (_: number, i: number): boolean => !Number.isNaN(next[i]);
      assert.deepEqual(
        bitsOf(c as Float32Array).filter(isNumber),
        bitsOf(velocity).filter(isNumber),
        "velocity",
      );
      assert.deepEqual(bitsOf(d as Float32Array).filter(isNumber), bitsOf(next).filter(isNumber), "next");
    }),
  );
});

test("copies and merges are to the bit what was copied and added, and tell of values that are not finite", () => {
  fc.assert(
    fc.property(anyVector, anyVector, fc.nat(3), (left, right, shift) => {
      const length = Math.min(left.length, right.length);
      const [held, values] = [left.subarray(0, length), right.subarray(0, length)];
      const expected = new Float32Array(length);
      addVectors(expected, held, values);
      for (const place of [(vector: Float32Array) => vector, (v: Float32Array) => inMemory(v, shift)]) {
        const target = place(new Float32Array(length));
        assert.equal(copyFinite(target, place(values)), allFinite(values));
        assert.deepEqual(bitsOf(target), bitsOf(values.slice()));
        assert.equal(mergeFinite(target, place(held), place(values)), allFinite(values));
        const isNumber = (_: number, i: number): boolean => !Number.isNaN(expected[i]);
        assert.deepEqual(bitsOf(target).filter(isNumber), bitsOf(expected).filter(isNumber));
      }
    }),
  );
});

test("what was given back is given out again, aligned and as zeros", () => {
  const own = new VectorMemory();
  const page = own.reserve(5000, 4096);
  assert.equal(page.byteOffset % 4096, 0);
  own.allocate(3).fill(7);
  own.release(page, 4096);
  assert.equal(own.reserve(6000, 4096).byteOffset, page.byteOffset);
  const vector = own.allocate(100).fill(7);
  own.release(vector);
  const again = own.allocate(100);
  assert.equal(again.byteOffset, vector.byteOffset);
  assert.ok(again.every((value) => value === 0));
  assert.ok(own.holds(page) && own.holds(again) && !own.holds(memory.allocate(1)));
});

test("vectors stay what they are while their memory grows, and vectors of two memories add up too", () => {
  const small = new VectorMemory();
  const first = small.copyOf(Float32Array.of(1, 2, 3));
  const large = small.allocate(1_000_000).fill(2);
  addVectors(first, first, large.subarray(0, 3));
  assert.deepEqual([...first], [3, 4, 5]);
  addVectors(first, first, memory.copyOf(Float32Array.of(1, 1, 1)));
  assert.deepEqual([...first], [4, 5, 6]);
});

test("the compiled kernels belong to the source beside them", () => {
  const source = new URL("../../../../../shared/core/vectors/vectors.c", import.meta.url);
  assert.equal(createHash("sha256").update(readFileSync(source)).digest("hex"), SOURCE_SHA256);
});
