/**
 * What the Square attack tries next: Andriushchenko et al. 2020, arXiv:1912.00049. A proposal is a pure function of the
 * best change so far and a stream of draws. Changes are rows of height x width x channels.
 */
import type { Extent } from "../../shared/networks/network.js";
import type { RandomStream } from "../../shared/random.js";

/** The share of the pixels that a square covers halves after so many of 10,000 queries. */
const HALVINGS = [10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000];

export function shareAt(query: number, queries: number, share: number): number {
  const scaled = Math.floor((query / queries) * 10_000);
  return share / 2 ** HALVINGS.filter((limit) => scaled > limit).length;
}

/** Side of a square that covers this share, at least `least`, inside the image. */
export function sideOf({ height, width }: Extent, share: number, least: number): number {
  const side = Math.max(least, Math.round(Math.sqrt(share * height * width)));
  return Math.min(side, height, width);
}

const sign = (stream: RandomStream): number => (stream.below(2) === 1 ? 1 : -1);

/** L∞ start: stripes one pixel wide, +ε or −ε in each channel. */
export function stripes(
  { height, width, channels }: Extent,
  epsilon: number,
  stream: RandomStream,
): Float32Array {
  const change = new Float32Array(height * width * channels);
  for (let x = 0; x < width; x++) {
    for (let c = 0; c < channels; c++) {
      const value = epsilon * sign(stream);
      for (let y = 0; y < height; y++) change[(y * width + x) * channels + c] = value;
    }
  }
  return change;
}

interface Window {
  top: number;
  left: number;
  height: number;
  width: number;
}

function randomWindow({ height, width }: Extent, side: number, stream: RandomStream): Window {
  const top = stream.below(height - side + 1);
  return { top, left: stream.below(width - side + 1), height: side, width: side };
}

function eachPixel(
  window: Window,
  width: number,
  visit: (pixel: number, row: number, column: number) => void,
): void {
  for (let row = 0; row < window.height; row++) {
    for (let column = 0; column < window.width; column++)
      visit((window.top + row) * width + window.left + column, row, column);
  }
}

/** L∞: a square set to +ε or −ε in each channel. */
export function squareLinf(
  extent: Extent,
  change: Float32Array,
  epsilon: number,
  side: number,
  stream: RandomStream,
): Float32Array {
  const next = change.slice();
  const window = randomWindow(extent, side, stream);
  for (let c = 0; c < extent.channels; c++) {
    const value = epsilon * sign(stream);
    eachPixel(window, extent.width, (pixel) => (next[pixel * extent.channels + c] = value));
  }
  return next;
}

/** A hill of mass 1 in the middle of a height x width window, falling toward its sides; rows of `width`. */
function hill(height: number, width: number): Float64Array {
  const values = new Float64Array(height * width);
  let [top, left] = [Math.floor(height / 2), Math.floor(width / 2)];
  let [bottom, right] = [top + 1, left + 1];
  // Boxes that grow by a ring each add less and less.
  for (let ring = 1; ring <= Math.max(height, width); ring++) {
    for (let y = Math.max(0, top); y < Math.min(height, bottom); y++) {
      for (let x = Math.max(0, left); x < Math.min(width, right); x++) {
        values[y * width + x] = values[y * width + x]! + 1 / ring ** 2;
      }
    }
    [top, left, bottom, right] = [top - 1, left - 1, bottom + 1, right + 1];
  }
  return unit(values);
}

function unit(values: Float64Array): Float64Array {
  let square = 0;
  for (const value of values) square += value * value;
  const size = Math.sqrt(square);
  return values.map((value) => value / size);
}

/** A hill and a hollow side by side, upright or lying as the draw has it: mass 1. */
function hillAndHollow(side: number, stream: RandomStream): Float64Array {
  const values = new Float64Array(side * side);
  const half = Math.floor(side / 2);
  const [first, second] = [hill(half, side), hill(side - half, side)];
  first.forEach((value, k) => (values[k] = value));
  second.forEach((value, k) => (values[half * side + k] = -value));
  const result = unit(values);
  if (sign(stream) > 0) return result;
  return result.map((_, k) => result[(k % side) * side + Math.floor(k / side)]!);
}

/** L2 start: tiles of hills and hollows of random sign, ε in all. */
export function tiles(extent: Extent, epsilon: number, stream: RandomStream): Float32Array {
  const { height, width, channels } = extent;
  const change = new Float32Array(height * width * channels);
  const side = Math.max(2, Math.floor(Math.min(height, width) / 5));
  for (let top = 0; top + side <= height; top += side) {
    for (let left = 0; left + side <= width; left += side) {
      const shape = hillAndHollow(side, stream);
      for (let c = 0; c < channels; c++) {
        const value = sign(stream);
        eachPixel({ top, left, height: side, width: side }, width, (pixel, row, column) => {
          change[pixel * channels + c] = value * shape[row * side + column]!;
        });
      }
    }
  }
  const size = norm(change);
  return size > 0 ? change.map((value) => (epsilon * value) / size) : change;
}

function norm(values: Float32Array): number {
  let square = 0;
  for (const value of values) square += value * value;
  return Math.sqrt(square);
}

/** L2: the mass of one square moves to another, where a new hill and hollow joins what is there. */
export function squareL2(
  extent: Extent,
  change: Float32Array,
  epsilon: number,
  side: number,
  stream: RandomStream,
): Float32Array {
  const { width, channels } = extent;
  const here = randomWindow(extent, side, stream);
  const there = randomWindow(extent, side, stream);
  const shape = hillAndHollow(side, stream);
  const total = norm(change);
  const unused = Math.max(0, epsilon ** 2 - total ** 2) / channels;
  const next = change.slice();
  for (let c = 0; c < channels; c++) {
    const places = new Set<number>();
    let own = 0;
    eachPixel(here, width, (pixel) => {
      places.add(pixel * channels + c);
      own += change[pixel * channels + c]! ** 2;
    });
    eachPixel(there, width, (pixel) => places.add(pixel * channels + c));
    let budget = unused;
    for (const place of places) budget += change[place]! ** 2;
    const value = sign(stream);
    const mixed = new Float64Array(side * side);
    eachPixel(here, width, (pixel, row, column) => {
      const old = own > 0 ? change[pixel * channels + c]! / Math.sqrt(own) : 0;
      mixed[row * side + column] = value * shape[row * side + column]! + old;
    });
    const scaled = unit(mixed);
    eachPixel(there, width, (pixel) => (next[pixel * channels + c] = 0));
    eachPixel(here, width, (pixel, row, column) => {
      const amount = scaled[row * side + column]!;
      next[pixel * channels + c] = Number.isFinite(amount) ? amount * Math.sqrt(budget) : 0;
    });
  }
  return next;
}
