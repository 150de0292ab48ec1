import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  decodeFinite,
  encodeVector,
  mergeEncodedFinite,
  roundVector,
} from "../../../../shared/core/vectors/bf16.js";
import { VectorMemory } from "../../../../shared/core/vectors/vector-memory.js";
import { nearestBf16 } from "../../../support/bf16-reference.js";

const memory = new VectorMemory();

/** Any bits; often those where rounding is decided: ties, the least and the largest numbers, infinities, NaN. */
const anyBits = fc.oneof(
  fc.integer({ min: 0, max: 0xffff_ffff }),
  fc
    .tuple(fc.integer({ min: 0, max: 0xffff }), fc.constantFrom(0, 1, 0x7fff, 0x8000, 0x8001, 0xffff))
    .map(([upper, lower]) => upper * 65_536 + lower),
  fc.constantFrom(
    ...[0, 0x8000_0000, 1, 0x8000_0001, 0x007f_ffff, 0x0080_0000, 0x7f7f_7fff, 0x7f7f_8000, 0x7f7f_ffff],
    ...[0x7f80_0000, 0xff80_0000, 0x7f80_0001, 0xff80_ffff, 0x7fc0_0000, 0xffff_ffff, 0xff7f_ffff],
  ),
);
const anyVector = fc
  .array(anyBits, { maxLength: 37 })
  .map((bits) => new Float32Array(Uint32Array.from(bits).buffer));

const bitsOf = ({ buffer, byteOffset, length }: Float32Array): number[] => [
  ...new Uint32Array(buffer, byteOffset, length),
];
const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

/** The same bits in the vector memory, beginning so many values behind a multiple of 16 bytes. */
function inMemory(values: Float32Array, shift: number): Float32Array {
  const place = memory.allocate(values.length + shift).subarray(shift);
  bytesOf(place).set(bytesOf(values));
  return place;
}

test("each value becomes the nearest bf16, ties to even: in the loops, and to the bit the same in the kernels", () => {
  fc.assert(
    fc.property(anyVector, fc.nat(3), (values, shift) => {
      const found = values.slice();
      bytesOf(found).set(bytesOf(values));
      const kernel = inMemory(values, shift);
      roundVector(found);
      roundVector(kernel);
      assert.deepEqual(bitsOf(kernel), bitsOf(found));
      bitsOf(found).forEach((bits, i) => {
        assert.equal(bits & 0xffff, 0);
        const value = values[i] as number;
        if (Number.isNaN(value)) assert.ok(Number.isNaN(found[i]));
        else assert.ok(Object.is(found[i], nearestBf16(value)), `${value} became ${found[i]}`);
      });
    }),
    { numRuns: 2000 },
  );
});

test("every bf16 is its own nearest one, and survives two bytes", () => {
  const all = new Float32Array(Uint32Array.from({ length: 65_536 }, (_, upper) => upper << 16).buffer);
  const isNaN = (upper: number): boolean => (upper & 0x7fff) > 0x7f80;
  for (const values of [all, inMemory(all, 1)]) {
    const encoded = values === all ? new Uint8Array(2 * 65_536) : bytesOf(memory.allocate(32_768));
    encodeVector(encoded, values);
    const target = values === all ? new Float32Array(65_536) : memory.allocate(65_536);
    assert.equal(decodeFinite(target, encoded), false);
    bitsOf(target).forEach((bits, upper) => {
      // A NaN comes back as a quiet one.
      const expected = isNaN(upper) ? upper | 0x40 : upper;
      assert.equal(bits >>> 16, expected);
    });
  }
});

test("values encode as they round and decode as they were encoded, at any place in memory, in place too", () => {
  fc.assert(
    fc.property(anyVector, fc.nat(3), fc.nat(3), (values, shift, at) => {
      const rounded = inMemory(values, 0);
      roundVector(rounded);
      const { length } = values;
      const plain = new Uint8Array(2 * length + at).subarray(at);
      encodeVector(plain, values);
      const kernel = bytesOf(memory.allocate(length + 1)).subarray(at, at + 2 * length);
      encodeVector(kernel, inMemory(values, shift));
      assert.deepEqual([...kernel], [...plain]);
      for (const own of [inMemory(values, shift), new Float32Array(values.slice().buffer)]) {
        bytesOf(own).set(bytesOf(values));
        const encoded = bytesOf(own).subarray(0, 2 * length);
        encodeVector(encoded, own);
        assert.deepEqual([...encoded], [...plain]);
      }
      const isFinite = rounded.every((value) => Number.isFinite(value));
      const loop = new Float32Array(length);
      assert.equal(decodeFinite(loop, plain), isFinite);
      const fast = memory.allocate(length + shift).subarray(shift);
      assert.equal(decodeFinite(fast, kernel), isFinite);
      assert.deepEqual(bitsOf(loop), bitsOf(rounded));
      assert.deepEqual(bitsOf(fast), bitsOf(rounded));
    }),
    { numRuns: 1000 },
  );
});

test("to add what is encoded is to decode it and to add it, to the bit", () => {
  fc.assert(
    fc.property(anyVector, fc.nat(3), fc.nat(1), (values, shift, at) => {
      const { length } = values;
      const held = values.map((_, i) => Math.sin(i) * 2 ** ((i % 60) - 30));
      const rounded = values.slice();
      roundVector(rounded);
      const plain = new Uint8Array(2 * length);
      encodeVector(plain, values);
      const kernel = bytesOf(memory.allocate(length + 1)).subarray(at, at + 2 * length);
      kernel.set(plain);
      const isFinite = rounded.every((value) => Number.isFinite(value));
      const [loop, fast] = [new Float32Array(length), inMemory(held, shift)];
      assert.equal(mergeEncodedFinite(loop, held, plain), isFinite);
      assert.equal(mergeEncodedFinite(fast, fast, kernel), isFinite);
      for (let i = 0; i < length; i++) {
        const expected = Math.fround((held[i] as number) + (rounded[i] as number));
        for (const found of [loop, fast]) assert.ok(Object.is(found[i], expected));
      }
    }),
    { numRuns: 1000 },
  );
});
