/**
 * Common corruptions in five severities: METHOD.md 4.3, item 14, after Hendrycks and Dietterich 2019, arXiv:1903.12261.
 * Pure functions of (image, severity, seed, index) on rows of height x width x channels in [0, 1].
 */
import type { Extent } from "../../shared/networks/network.js";
import { RandomStream } from "../../shared/random.js";

/** What each severity means, mildest first. */
export const CORRUPTIONS = {
  /** Standard deviation of what is added. */
  "gaussian-noise": [0.04, 0.08, 0.12, 0.18, 0.26],
  /** Photons of a white pixel. */
  "shot-noise": [60, 25, 12, 5, 3],
  /** Standard deviation of the kernel, pixels. */
  "gaussian-blur": [0.5, 0.8, 1.1, 1.5, 2],
  /** Share of the contrast that is left. */
  contrast: [0.6, 0.45, 0.3, 0.2, 0.1],
  /** What is added to every pixel. */
  brightness: [0.1, 0.2, 0.3, 0.4, 0.5],
  /** Degrees, to either side. */
  rotation: [6, 12, 18, 24, 30],
  /** Pixels along each axis, to either side. */
  translation: [1, 2, 3, 4, 5],
} as const satisfies Record<string, readonly number[]>;
export type CorruptionName = keyof typeof CORRUPTIONS;
export const SEVERITIES = 5;

/** The corrupted image, clipped to [0, 1]. Throws RangeError unless `severity` is 1 to 5. */
export function corrupt(
  name: CorruptionName,
  image: Float32Array,
  extent: Extent,
  severity: number,
  seed: number,
  index: number,
): Float32Array {
  const amount = CORRUPTIONS[name][severity - 1];
  if (amount === undefined) throw new RangeError(`Severity ${severity} is not 1 to ${SEVERITIES}`);
  const kind = Object.keys(CORRUPTIONS).indexOf(name);
  const stream = new RandomStream(seed, "corruption", index, kind * 256 + severity);
  const out = changed(name, image, extent, amount, stream);
  for (let p = 0; p < out.length; p++) out[p] = Math.max(0, Math.min(1, out[p]!));
  return out;
}

function changed(
  name: CorruptionName,
  image: Float32Array,
  extent: Extent,
  amount: number,
  stream: RandomStream,
): Float32Array {
  const side = (): number => (stream.below(2) === 1 ? amount : -amount);
  switch (name) {
    case "gaussian-noise":
      return image.map((value) => value + amount * stream.normal());
    case "shot-noise":
      return image.map((value) => poisson(value * amount, stream) / amount);
    case "gaussian-blur":
      return blur(image, extent, amount);
    case "contrast":
      return contrast(image, extent, amount);
    case "brightness":
      return image.map((value) => value + amount);
    case "rotation": {
      const angle = (side() * Math.PI) / 180;
      const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
      return warp(image, extent, (y, x) => [cos * y - sin * x, sin * y + cos * x]);
    }
    case "translation": {
      const [down, right] = [side(), side()];
      return warp(image, extent, (y, x) => [y - down, x - right]);
    }
  }
}

/** Knuth's product of uniforms: means here are 60 at most. */
function poisson(mean: number, stream: RandomStream): number {
  const limit = Math.exp(-mean);
  let count = 0;
  for (let product = stream.uniform(); product > limit; product *= stream.uniform()) count++;
  return count;
}

/** Each channel's distance from its own mean shrinks. */
function contrast(image: Float32Array, { channels }: Extent, left: number): Float32Array {
  const means = new Float64Array(channels);
  const pixels = image.length / channels;
  image.forEach((value, p) => (means[p % channels] = means[p % channels]! + value / pixels));
  return image.map((value, p) => {
    const mean = means[p % channels]!;
    return mean + left * (value - mean);
  });
}

/** Rows, then columns; beyond the border its last pixel goes on. */
function blur(image: Float32Array, extent: Extent, deviation: number): Float32Array {
  const radius = Math.ceil(3 * deviation);
  const weights = Array.from({ length: 2 * radius + 1 }, (_, k) =>
    Math.exp(-((k - radius) ** 2) / (2 * deviation ** 2)),
  );
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const along = (from: Float32Array, dy: number, dx: number): Float32Array => {
    const out = new Float32Array(from.length);
    eachValue(extent, (y, x, c, place) => {
      let value = 0;
      weights.forEach((weight, k) => {
        const step = k - radius;
        value += (weight / sum) * pixelAt(from, extent, y + dy * step, x + dx * step, c);
      });
      out[place] = value;
    });
    return out;
  };
  return along(along(image, 0, 1), 1, 0);
}

/** Each pixel is taken from where `source` says, relative to the centre, between four neighbours. */
function warp(
  image: Float32Array,
  extent: Extent,
  source: (y: number, x: number) => [number, number],
): Float32Array {
  const [middleY, middleX] = [(extent.height - 1) / 2, (extent.width - 1) / 2];
  const out = new Float32Array(image.length);
  eachValue(extent, (y, x, c, place) => {
    const [fromY, fromX] = source(y - middleY, x - middleX);
    const [atY, atX] = [fromY + middleY, fromX + middleX];
    const [top, left] = [Math.floor(atY), Math.floor(atX)];
    const [down, right] = [atY - top, atX - left];
    const pixel = (dy: number, dx: number): number => pixelAt(image, extent, top + dy, left + dx, c);
    out[place] =
      (1 - down) * ((1 - right) * pixel(0, 0) + right * pixel(0, 1)) +
      down * ((1 - right) * pixel(1, 0) + right * pixel(1, 1));
  });
  return out;
}

function eachValue(
  { height, width, channels }: Extent,
  visit: (y: number, x: number, c: number, place: number) => void,
): void {
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < channels; c++) visit(y, x, c, (y * width + x) * channels + c);
    }
  }
}

/** Beyond the border its nearest pixel goes on. */
function pixelAt(
  image: Float32Array,
  { height, width, channels }: Extent,
  y: number,
  x: number,
  c: number,
): number {
  const row = Math.max(0, Math.min(height - 1, y));
  const column = Math.max(0, Math.min(width - 1, x));
  return image[(row * width + column) * channels + c]!;
}
