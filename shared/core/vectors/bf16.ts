/**
 * bfloat16: the upper half of a float32, rounded to the nearest, ties to even. A NaN stays one (a quiet one), infinities stay,
 * and what is too large becomes one. Vectors in one vector memory go through its kernels; the loops here give the same bits.
 * Encoded values are little-endian bytes, two a value, at any place.
 */
import { kernelsFor } from "./vector-memory.js";

const MAGNITUDE = 0x7fff_ffff;
const INFINITE = 0x7f80_0000;
const QUIET = 0x0040_0000;

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

/** Writes each value as the nearest bf16. `target`: two bytes a value; it may begin where `values` do, which are gone then. */
export function encodeVector(target: Uint8Array, values: Float32Array): void {
  const kernels = kernelsFor(target, values);
  if (kernels !== undefined) {
    kernels.encode_bf16(target.byteOffset, values.byteOffset, values.length);
    return;
  }
  const bits = bitsOf(values);
  for (let i = 0; i < bits.length; i++) {
    const near = nearest(bits[i] ?? 0);
    target[2 * i] = near >>> 16;
    target[2 * i + 1] = near >>> 24;
  }
}

/** target = the encoded values. Returns whether all of them are finite. */
export function decodeFinite(target: Float32Array, encoded: Uint8Array): boolean {
  const kernels = kernelsFor(target, encoded);
  if (kernels !== undefined)
    return kernels.decode_bf16(target.byteOffset, encoded.byteOffset, target.length) === 0;
  const bits = bitsOf(target);
  let isFinite = true;
  for (let i = 0; i < bits.length; i++) {
    const value = ((encoded[2 * i] ?? 0) << 16) | ((encoded[2 * i + 1] ?? 0) << 24);
    bits[i] = value;
    isFinite &&= (value & INFINITE) !== INFINITE;
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
  const value = new Float32Array(1);
  const bits = bitsOf(value);
  let isFinite = true;
  for (let i = 0; i < target.length; i++) {
    bits[0] = ((encoded[2 * i] ?? 0) << 16) | ((encoded[2 * i + 1] ?? 0) << 24);
    isFinite &&= (bits[0] & INFINITE) !== INFINITE;
    target[i] = (held[i] ?? NaN) + (value[0] ?? NaN);
  }
  return isFinite;
}
