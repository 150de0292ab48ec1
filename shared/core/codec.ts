/**
 * How the values of a run travel. With bf16, each slot's gradients are rounded by themselves before they enter any sum, and
 * the weights that workers train with are rounded copies of the coordinator's; sums, momentum, moments and counts stay
 * float32. So it decides bits, and they are the same whoever sums and whichever way the bytes take.
 *
 * A chunk holds the same values in every codec. In bf16 its body begins with those that are not rounded, float32 as they are,
 * and ends with the rounded ones, two bytes each: both begin at a multiple of two, and the length of the body says how many
 * are which.
 */
import { type Layout, weightsEnd } from "./layout.js";
import { decodeFinite, encodeVector, mergeEncodedFinite } from "./vectors/bf16.js";
import { allFinite, mergeFinite } from "./vectors/vector-memory.js";

/** The number of each codec in the header of a chunk. */
export const CODECS = { fp32: 1, bf16: 2 } as const;
export type Codec = keyof typeof CODECS;

/**
 * How many values of a vector, from its first one on, are rounded where it travels in bf16; undefined where it travels in
 * fp32.
 */
export type Rounded = number | undefined;

export function codecOf(rounded: Rounded): Codec {
  return rounded === undefined ? "fp32" : "bf16";
}

/** Of the parameters that workers train with: all weights, and no moment. */
export function roundedWeights(codec: Codec | undefined, layout: Layout): Rounded {
  return codec === "bf16" ? weightsEnd(layout) : undefined;
}

/** Of what a block pushes: one slot travels rounded, as it was before it entered any sum; the sum of several does not. */
export function roundedGradients(codec: Codec | undefined, layout: Layout, slots: number): Rounded {
  return slots === 1 ? roundedWeights(codec, layout) : undefined;
}

/** Of a range of a vector: [first, end). */
export function roundedInRange(rounded: Rounded, first: number, end: number): Rounded {
  return rounded === undefined ? undefined : Math.max(0, Math.min(end, rounded) - first);
}

/** Bytes of a body of so many values, so many of them rounded. */
export function encodedLength(values: number, rounded: number): number {
  return 4 * values - 2 * rounded;
}

/** The values of a body that are not rounded, as bytes; they are the last of its chunk. */
export function exactBytes(body: Uint8Array, rounded: number): Uint8Array {
  return body.subarray(0, body.byteLength - 2 * rounded);
}

function roundedBytes(body: Uint8Array, rounded: number): Uint8Array {
  return body.subarray(body.byteLength - 2 * rounded);
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Writes a chunk's values into its body, the first `rounded` of them as bf16. */
export function encodeBody(body: Uint8Array, values: Float32Array, rounded: number): void {
  exactBytes(body, rounded).set(bytesOf(values.subarray(rounded)));
  encodeVector(roundedBytes(body, rounded), values.subarray(0, rounded));
}

/** The same where the body lies in another memory than the values, of which nothing is left. */
export function moveIntoBody(body: Uint8Array, values: Float32Array, rounded: number): void {
  exactBytes(body, rounded).set(bytesOf(values.subarray(rounded)));
  const encoded = bytesOf(values).subarray(0, 2 * rounded);
  encodeVector(encoded, values.subarray(0, rounded));
  roundedBytes(body, rounded).set(encoded);
}

/** Reads a body of `encodedLength` bytes. Returns whether all rounded values are finite. */
export function readBody(target: Float32Array, body: Uint8Array, rounded: number): boolean {
  bytesOf(target.subarray(rounded)).set(exactBytes(body, rounded));
  return decodeFinite(target.subarray(0, rounded), roundedBytes(body, rounded));
}

/** The same. Returns whether all values are finite. */
export function decodeBody(target: Float32Array, body: Uint8Array, rounded: number): boolean {
  const isFinite = readBody(target, body, rounded);
  return allFinite(target.subarray(rounded)) && isFinite;
}

/**
 * target = held + the values of a body of `encodedLength` bytes, which begins at a multiple of four. Returns whether all of
 * those are finite.
 */
export function mergeBody(
  target: Float32Array,
  held: Float32Array,
  body: Uint8Array,
  rounded: number,
): boolean {
  const { buffer, byteOffset, byteLength } = exactBytes(body, rounded);
  const exact = new Float32Array(buffer, byteOffset, byteLength / 4);
  const isFinite = mergeFinite(target.subarray(rounded), held.subarray(rounded), exact);
  const [low, near] = [target.subarray(0, rounded), held.subarray(0, rounded)];
  return mergeEncodedFinite(low, near, roundedBytes(body, rounded)) && isFinite;
}
