/**
 * bfloat16: the upper half of a float32, rounded to the nearest, ties to even. A NaN stays one (a quiet one), infinities stay,
 * and what is too large becomes one. Vectors in one vector memory go through its kernels; the loops here give the same bits.
 * Encoded values are little-endian bytes, two a value, at any place.
 */
import { VectorMemory, kernelsFor } from "./vector-memory.js";

const MAGNITUDE = 0x7fff_ffff;
const INFINITE = 0x7f80_0000;
const QUIET = 0x0040_0000;
/** In an encoded value. */
const EXPONENT = 0x7f80;

/** The bits of the nearest bf16, in the upper half; the lower one is 0. */
function nearest(bits: number): number {
  const isNaN = (bits & MAGNITUDE) > INFINITE;
  const near = isNaN ? bits | QUIET : bits + 0x7fff + ((bits >>> 16) & 1);
  return near & 0xffff_0000;
}

function bitsOf({ buffer, byteOffset, length }: Float32Array): Uint32Array {
  return new Uint32Array(buffer, byteOffset, length);
}

/** Replaces each value by the nearest bf16. */
export function roundVector(values: Float32Array): void {
  const kernels = kernelsFor(values);
  if (kernels !== undefined) {
    kernels.round_bf16(values.byteOffset, values.length);
    return;
  }
  const bits = bitsOf(values);
  for (let i = 0; i < bits.length; i++) bits[i] = nearest(bits[i] ?? 0);
}

/** Encoded values where they lie, or a copy of them where that is an odd place. */
function halvesOf(encoded: Uint8Array): Uint16Array {
  const { buffer, byteOffset, byteLength } = encoded.byteOffset % 2 === 0 ? encoded : new Uint8Array(encoded);
  return new Uint16Array(buffer, byteOffset, byteLength / 2);
}

/** Writes each value as the nearest bf16. `target`: two bytes a value; it may begin where `values` do, which are gone then. */
export function encodeVector(target: Uint8Array, values: Float32Array): void {
  const kernels = kernelsFor(target, values);
  if (kernels !== undefined) {
    kernels.encode_bf16(target.byteOffset, values.byteOffset, values.length);
    return;
  }
  const bits = bitsOf(values);
  const halves = halvesOf(target);
  for (let i = 0; i < bits.length; i++) halves[i] = nearest(bits[i] ?? 0) >>> 16;
  const written = new Uint8Array(halves.buffer, halves.byteOffset, halves.byteLength);
  if (written.buffer !== target.buffer) target.set(written);
}

/** Of vectors from elsewhere: so long that two copies and the kernel take less time than the loop, and no longer. */
const WORTH_A_PASSAGE = { least: 1024, most: 65_536 } as const;
/** Where those are decoded, one after another: made once, for a memory takes much address space. */
let passage: { values: Float32Array; encoded: Uint8Array } | undefined;

function decodedOnTheWay(target: Float32Array, encoded: Uint8Array): boolean {
  if (passage === undefined) {
    const memory = new VectorMemory();
    const { most } = WORTH_A_PASSAGE;
    passage = { values: memory.allocate(most), encoded: memory.reserve(2 * most, 64) };
  }
  const [values, bytes] = [
    passage.values.subarray(0, target.length),
    passage.encoded.subarray(0, 2 * target.length),
  ];
  bytes.set(encoded);
  const isFinite = decodeFinite(values, bytes);
  target.set(values);
  return isFinite;
}

/** target = the encoded values, two bytes each. Returns whether all of them are finite. */
export function decodeFinite(target: Float32Array, encoded: Uint8Array): boolean {
  const kernels = kernelsFor(target, encoded);
  if (kernels !== undefined)
    return kernels.decode_bf16(target.byteOffset, encoded.byteOffset, target.length) === 0;
  if (target.length >= WORTH_A_PASSAGE.least && target.length <= WORTH_A_PASSAGE.most)
    return decodedOnTheWay(target, encoded);
  const bits = bitsOf(target);
  const halves = halvesOf(encoded);
  let isFinite = true;
  for (let i = 0; i < bits.length; i++) {
    const half = halves[i] ?? 0;
    bits[i] = half << 16;
    if ((half & EXPONENT) === EXPONENT) isFinite = false;
  }
  return isFinite;
}

/** target = held + the encoded values; it may be `held`. Returns whether all encoded ones are finite. */
export function mergeEncodedFinite(target: Float32Array, held: Float32Array, encoded: Uint8Array): boolean {
  const kernels = kernelsFor(target, held, encoded);
  if (kernels !== undefined) {
    const { byteOffset: values } = encoded;
    return kernels.merge_bf16(target.byteOffset, held.byteOffset, values, target.length) === 0;
  }
  const halves = halvesOf(encoded);
  const value = new Float32Array(1);
  const bits = bitsOf(value);
  let isFinite = true;
  for (let i = 0; i < target.length; i++) {
    const half = halves[i] ?? 0;
    bits[0] = half << 16;
    target[i] = (held[i] ?? NaN) + (value[0] ?? NaN);
    if ((half & EXPONENT) === EXPONENT) isFinite = false;
  }
  return isFinite;
}
