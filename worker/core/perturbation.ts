/** Balls, boxes, steps and random starts: plain arithmetic on images in [0, 1]. All arrays hold rows of one image each. */
import type { Norm } from "../../shared/results.js";
import type { RandomStream } from "../../shared/random.js";

/** The images that an attack may show: within ε of the clean one, and pixels. */
export interface Ball {
  norm: Norm;
  epsilon: number;
  imageSize: number;
}

/** Of the sums in float64 below. */
const ROUNDING = 1e-12;

const floats = new Float32Array(1);
const words = new Int32Array(floats.buffer);

/** The next float32 above or below a value that is not negative. */
function neighbour(value: number, up: boolean): number {
  floats[0] = value;
  words[0] = words[0]! + (up ? 1 : -1);
  return floats[0];
}

/** Smallest and largest float32 pixel within ε of `clean` and in [0, 1], such that no rounding leaves the ball. */
function lowest(clean: number, epsilon: number): number {
  const low = Math.max(0, Math.fround(clean - epsilon));
  return clean - low > epsilon ? neighbour(low, true) : low;
}
function highest(clean: number, epsilon: number): number {
  const high = Math.min(1, Math.fround(clean + epsilon));
  return high - clean > epsilon ? neighbour(high, false) : high;
}

/** Moves row `i` of `images` to the nearest place in the ball around row `at` of `clean`, and into the box. */
export function project(
  ball: Ball,
  clean: Float32Array,
  at: number,
  images: Float32Array,
  i: number,
  epsilon = ball.epsilon,
): void {
  const { norm, imageSize } = ball;
  const [from, to] = [at * imageSize, i * imageSize];
  if (norm === "linf") {
    for (let p = 0; p < imageSize; p++) {
      const centre = clean[from + p]!;
      const value = images[to + p]!;
      if (value < centre) images[to + p] = Math.max(value, lowest(centre, epsilon));
      else images[to + p] = Math.min(value, highest(centre, epsilon));
    }
    return;
  }
  let square = 0;
  for (let p = 0; p < imageSize; p++) square += (images[to + p]! - clean[from + p]!) ** 2;
  const limit = epsilon * (1 - ROUNDING);
  const scale = square > limit * limit ? limit / Math.sqrt(square) : 1;
  for (let p = 0; p < imageSize; p++) {
    const centre = clean[from + p]!;
    const change = scale * (images[to + p]! - centre);
    const moved = Math.max(0, Math.min(1, Math.fround(centre + change)));
    // Rounded away from the clean pixel: many such would leave the ball.
    images[to + p] = Math.abs(moved - centre) > Math.abs(change) ? neighbour(moved, change < 0) : moved;
  }
}

/** Adds to row `i` a step of this length along the steepest direction of the norm: the gradient's sign, or itself. None where that is no number. */
export function stepAlong(
  norm: Norm,
  imageSize: number,
  gradient: Float32Array,
  images: Float32Array,
  i: number,
  length: number,
): void {
  const first = i * imageSize;
  if (norm === "linf") {
    for (let p = first; p < first + imageSize; p++) {
      const slope = gradient[p]!;
      if (slope !== 0 && !Number.isNaN(slope)) images[p] = images[p]! + length * Math.sign(slope);
    }
    return;
  }
  const size = l2Norm(gradient, first, imageSize);
  if (!(size > 0 && size < Infinity)) return;
  // By the quotient first: length / size may overflow.
  for (let p = first; p < first + imageSize; p++) images[p] = images[p]! + length * (gradient[p]! / size);
}

function l2Norm(values: Float32Array, first: number, count: number): number {
  let square = 0;
  for (let p = first; p < first + count; p++) square += values[p]! ** 2;
  return Math.sqrt(square);
}

/** Distance between row `i` of two sets of images, in float64. */
export function distance(norm: Norm, imageSize: number, a: Float32Array, b: Float32Array, i: number): number {
  return distanceBetween(norm, imageSize, a, i, b, i);
}

export function distanceBetween(
  norm: Norm,
  imageSize: number,
  a: Float32Array,
  rowA: number,
  b: Float32Array,
  rowB: number,
): number {
  const [first, other] = [rowA * imageSize, rowB * imageSize];
  let result = 0;
  for (let p = 0; p < imageSize; p++) {
    const difference = Math.abs(a[first + p]! - b[other + p]!);
    result = norm === "linf" ? Math.max(result, difference) : result + difference * difference;
  }
  return norm === "linf" ? result : Math.sqrt(result);
}

/** Moves row `i` to a uniformly random place in the ball (before the box), of `epsilon` instead of the ball's own. */
export function randomPlace(
  ball: Ball,
  stream: RandomStream,
  images: Float32Array,
  i: number,
  epsilon = ball.epsilon,
): void {
  const { norm, imageSize } = ball;
  const first = i * imageSize;
  if (norm === "linf") {
    for (let p = first; p < first + imageSize; p++)
      images[p] = images[p]! + epsilon * (2 * stream.uniform() - 1);
    return;
  }
  const direction = Float64Array.from({ length: imageSize }, () => stream.normal());
  let square = 0;
  for (const value of direction) square += value * value;
  const radius = epsilon * stream.uniform() ** (1 / imageSize);
  const scale = radius / Math.sqrt(square);
  for (let p = 0; p < imageSize; p++) images[first + p] = images[first + p]! + scale * direction[p]!;
}

/** Copies of these rows, one behind another. */
export function rowsOf(values: Float32Array, rows: Uint32Array, size: number): Float32Array {
  const out = new Float32Array(rows.length * size);
  rows.forEach((row, i) => out.set(values.subarray(row * size, (row + 1) * size), i * size));
  return out;
}

export function pick(values: Uint8Array, rows: Uint32Array): Uint8Array {
  return Uint8Array.from(rows, (row) => values[row]!);
}
