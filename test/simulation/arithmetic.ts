/**
 * What the simulated engines compute: whole numbers that follow from the weights, the images and their labels, and from
 * nothing else. Sums of whole numbers are exact in any order, so the right end of a run is known without the product's
 * sums; and weights that differ in one bit, or images that were not the slot's, give other numbers from there on.
 */
import { crc32c } from "@node-rs/crc32";
import { type Layout, TAIL } from "../../shared/core/layout.js";

/** A fingerprint of values. */
export function printOf({ buffer, byteOffset, byteLength }: Float32Array | Uint8Array, before = 0): number {
  return crc32c(Buffer.from(buffer, byteOffset, byteLength), before);
}

/** What was computed last: several look at the same slots. */
const recent = new Map<string, Float32Array>();
const MOST_RECENT = 64;

/** What one slot pushes, in whole numbers from -1,024 to 1,023: bf16 rounds most of them to other whole numbers. `weights`: their fingerprint. Not to be changed. */
export function slotPush(
  layout: Layout,
  weights: number,
  inputs: Float32Array,
  labels: Uint8Array,
): Float32Array {
  const seed = (printOf(labels, printOf(inputs)) ^ weights) | 1;
  const key = `${seed} ${layout.size} ${labels.length}`;
  let values = recent.get(key);
  if (values === undefined) {
    values = drawn(layout, seed, labels.length);
    recent.set(key, values);
    if (recent.size > MOST_RECENT)
      for (const oldest of [...recent.keys()].slice(0, MOST_RECENT / 2)) recent.delete(oldest);
  }
  return values;
}

function drawn(layout: Layout, seed: number, images: number): Float32Array {
  const values = new Float32Array(layout.pushSize);
  let state = seed;
  for (let i = 0; i < layout.size; i++) {
    // xorshift32: Marsaglia 2003.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    values[i] = (state & 2047) - 1024;
  }
  values[layout.size + TAIL.loss] = (state >>> 8) & 1023;
  values[layout.size + TAIL.hits] = (state >>> 20) % (images + 1);
  values[layout.size + TAIL.samples] = images;
  return values;
}

/** The outputs for one image: one class stands out. */
export function outputsFor(weights: number, input: Float32Array, outputs: number): Float32Array {
  const print = (printOf(input) ^ weights) >>> 0;
  const z = new Float32Array(outputs);
  z[print % outputs] = 1 + ((print >>> 8) & 7);
  return z;
}

/** A gradient by the input, of the same size: whole numbers from -4 to 3. */
export function inputGradientFor(
  weights: number,
  inputs: Float32Array,
  outputGradient: Float32Array,
): Float32Array {
  const print = printOf(outputGradient, printOf(inputs)) ^ weights;
  return inputs.map((_, i) => ((Math.imul(print ^ i, 0x9e3779b1) >>> 9) & 7) - 4);
}

/** The inputs of images as networks see them: pixels less the mean image, in single precision. */
export function inputsOf(pixels: Uint8Array, mean: Float32Array, indices: ArrayLike<number>): Float32Array {
  const size = mean.length;
  const inputs = new Float32Array(indices.length * size);
  for (let i = 0; i < indices.length; i++) {
    for (let p = 0; p < size; p++) {
      inputs[i * size + p] = (pixels[(indices[i] as number) * size + p] as number) - (mean[p] as number);
    }
  }
  return inputs;
}
