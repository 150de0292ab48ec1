/**
 * What the emulated engine computes: whole numbers that follow from the weights, the run's seed, the step and the indices
 * of the images, and from nothing else. Sums of whole numbers are exact in any order, so a step's sum does not depend on
 * who computed which slot; and an image that was lost, repeated or taken for another, or weights that differ in one bit,
 * give other weights from there on. All values come from one table, so a gradient costs a copy.
 */
import { crc32c } from "@node-rs/crc32";
import { type Layout, TAIL } from "../../../shared/core/layout.js";
import type { PushSink, SlotIdentity } from "../program.js";

const TABLE_VALUES = 65_536;
/** Each piece of a vector begins at a place of its own in the table. */
const PIECE_VALUES = 16_384;
/** From -31 to 31: the sum over 1,024 slots is exact in single precision, and each value is in bf16. */
const LARGEST = 31;

let made: Float32Array | undefined;

/** Whole numbers from -31 to 31, and the first piece once more behind them, so that every piece lies in a row. */
function table(): Float32Array {
  if (made !== undefined) return made;
  made = new Float32Array(TABLE_VALUES + PIECE_VALUES);
  let state = 0x9e3779b9;
  for (let i = 0; i < TABLE_VALUES; i++) {
    // xorshift32: Marsaglia 2003.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    made[i] = ((state >>> 0) % (2 * LARGEST + 1)) - LARGEST;
  }
  made.copyWithin(TABLE_VALUES, 0, PIECE_VALUES);
  return made;
}

/** A fingerprint of values. */
export function printOf({ buffer, byteOffset, byteLength }: Float32Array | Uint8Array, before = 0): number {
  return crc32c(new Uint8Array(buffer, byteOffset, byteLength), before);
}

/** A fingerprint of a slot of a step on given weights. */
export function slotPrint(weights: number, { seed, step, indices }: SlotIdentity): number {
  const named = Uint32Array.of(seed, step, indices.length, ...indices);
  return printOf(new Uint8Array(named.buffer), weights);
}

/** Spreads a fingerprint over 32 bits, for the place `at`: the finalizer of MurmurHash3 (Appleby 2011). */
function mixed(print: number, at: number): number {
  let h = (print ^ Math.imul(at + 1, 0x9e3779b1)) >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** So many whole numbers, piece by piece. */
function spell(print: number, length: number, take: (offset: number, values: Float32Array) => void): void {
  const values = table();
  for (let offset = 0; offset < length; offset += PIECE_VALUES) {
    const start = mixed(print, offset) % TABLE_VALUES;
    take(offset, values.subarray(start, start + Math.min(PIECE_VALUES, length - offset)));
  }
}

/** What a slot of so many images pushes. */
export function pushSlot({ size }: Layout, print: number, images: number, sink: PushSink): void {
  const tail = new Float32Array(TAIL.length);
  tail[TAIL.loss] = mixed(print, -2) % 1024;
  tail[TAIL.hits] = mixed(print, -3) % (images + 1);
  tail[TAIL.samples] = images;
  sink.add(size, tail);
  spell(print, size, (offset, values) => sink.add(offset, values));
}

/** So many whole numbers in one array. */
export function wholeNumbers(print: number, length: number): Float32Array {
  const found = new Float32Array(length);
  spell(print, length, (offset, values) => found.set(values, offset));
  return found;
}

/** The outputs for one image: one class stands out. */
export function outputsFor(print: number, outputs: number): Float32Array {
  const z = new Float32Array(outputs);
  z[mixed(print, 0) % outputs] = 1 + (mixed(print, 1) & 7);
  return z;
}
