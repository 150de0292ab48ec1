/**
 * Common corruptions: METHOD.md 4.3 row 14. Image i under a corruption is a pure function of (seed, i). Strengths from 0
 * (nothing) to 1; pixels on [0, 1], and clipped to it. After Hendrycks and Dietterich 2019, arXiv:1903.12261.
 */
import { CORRUPTIONS, type Corruption } from "../../shared/measures.js";
import { RandomStream } from "../../shared/random.js";

interface Extent {
  height: number;
  width: number;
  channels: number;
}

/** Writes the corrupted `image` (height x width x channels) to `out`, another array of its size. */
export function corrupt(
  corruption: Corruption,
  strength: number,
  { image, extent, seed, index }: { image: Float32Array; extent: Extent; seed: number; index: number },
  out: Float32Array,
): void {
  const stream = new RandomStream(seed, "corruption", index, CORRUPTIONS.indexOf(corruption));
  const apply = EFFECTS[corruption];
  apply(image, out, strength, extent, stream);
  for (let p = 0; p < out.length; p++) out[p] = Math.min(1, Math.max(0, out[p] as number));
}

type Effect = (
  image: Float32Array,
  out: Float32Array,
  strength: number,
  extent: Extent,
  stream: RandomStream,
) => void;

const EFFECTS: Record<Corruption, Effect> = {
  /** Strength: the deviation. */
  "gaussian-noise": (image, out, strength, _extent, stream) => {
    for (let p = 0; p < out.length; p++) out[p] = (image[p] as number) + strength * stream.normal();
  },
  /** Light in countable grains; strength: the deviation where the image is white. */
  "shot-noise": (image, out, strength, _extent, stream) => {
    if (strength === 0) out.set(image);
    else {
      const grains = 1 / (strength * strength);
      for (let p = 0; p < out.length; p++) out[p] = poisson((image[p] as number) * grains, stream) / grains;
    }
  },
  /** A Gaussian whose deviation is that share of an eighth of the image's width. */
  blur: (image, out, strength, extent) => {
    const deviation = (strength * extent.width) / 8;
    if (deviation === 0) out.set(image);
    else blurred(image, out, deviation, extent);
  },
  /** That share of the contrast is taken away. */
  contrast: (image, out, strength) => {
    const mean = image.reduce((sum, pixel) => sum + pixel, 0) / image.length;
    for (let p = 0; p < out.length; p++) out[p] = mean + (1 - strength) * ((image[p] as number) - mean);
  },
  /** By that share of a right angle, to either side. */
  rotation: (image, out, strength, extent, stream) => {
    const angle = (stream.uniform() < 0.5 ? -1 : 1) * strength * (Math.PI / 2);
    const [sine, cosine] = [Math.sin(angle), Math.cos(angle)];
    const [middleY, middleX] = [(extent.height - 1) / 2, (extent.width - 1) / 2];
    resampled(image, out, extent, (y, x) => [
      middleY + cosine * (y - middleY) - sine * (x - middleX),
      middleX + sine * (y - middleY) + cosine * (x - middleX),
    ]);
  },
  /** By that share of half the width, in any direction. */
  translation: (image, out, strength, extent, stream) => {
    const angle = 2 * Math.PI * stream.uniform();
    const length = (strength * extent.width) / 2;
    const [down, across] = [length * Math.sin(angle), length * Math.cos(angle)];
    resampled(image, out, extent, (y, x) => [y - down, x - across]);
  },
};

/** Knuth's product of uniforms for small means; beyond, a normal draw is as good. */
function poisson(mean: number, stream: RandomStream): number {
  if (mean > 50) return Math.max(0, Math.round(mean + Math.sqrt(mean) * stream.normal()));
  const limit = Math.exp(-mean);
  let count = 0;
  for (let product = stream.uniform(); product > limit; product *= stream.uniform()) count++;
  return count;
}

/** Separable; at the border the edge goes on. */
function blurred(image: Float32Array, out: Float32Array, deviation: number, extent: Extent): void {
  const radius = Math.max(1, Math.ceil(3 * deviation));
  const kernel = Array.from({ length: 2 * radius + 1 }, (_, k) =>
    Math.exp(-((k - radius) ** 2) / (2 * deviation * deviation)),
  );
  const total = kernel.reduce((sum, weight) => sum + weight, 0);
  const rows = new Float32Array(image.length);
  const pass = (from: Float32Array, to: Float32Array, down: number, across: number): void => {
    eachPixel(extent, (y, x, c, at) => {
      let sum = 0;
      kernel.forEach((weight, k) => {
        sum += weight * pixelAt(from, extent, y + down * (k - radius), x + across * (k - radius), c);
      });
      to[at] = sum / total;
    });
  };
  pass(image, rows, 0, 1);
  pass(rows, out, 1, 0);
}

/** Each pixel from the place it came from, between its four neighbours; outside, the image is black. */
function resampled(
  image: Float32Array,
  out: Float32Array,
  extent: Extent,
  source: (y: number, x: number) => [number, number],
): void {
  const inside = (y: number, x: number): boolean =>
    y >= 0 && x >= 0 && y < extent.height && x < extent.width;
  eachPixel(extent, (y, x, c, at) => {
    const [sourceY, sourceX] = source(y, x);
    const [top, left] = [Math.floor(sourceY), Math.floor(sourceX)];
    let sum = 0;
    for (const [dy, dx] of [
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ] as const) {
      const weight = (1 - Math.abs(sourceY - top - dy)) * (1 - Math.abs(sourceX - left - dx));
      if (weight > 0 && inside(top + dy, left + dx))
        sum += weight * pixelAt(image, extent, top + dy, left + dx, c);
    }
    out[at] = sum;
  });
}

function pixelAt(
  image: Float32Array,
  { height, width, channels }: Extent,
  y: number,
  x: number,
  c: number,
): number {
  const row = Math.min(height - 1, Math.max(0, y));
  const column = Math.min(width - 1, Math.max(0, x));
  return image[(row * width + column) * channels + c] as number;
}

function eachPixel(
  { height, width, channels }: Extent,
  visit: (y: number, x: number, c: number, at: number) => void,
): void {
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < channels; c++) visit(y, x, c, (y * width + x) * channels + c);
}
