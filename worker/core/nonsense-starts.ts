/**
 * Images that show nothing, for attacks to start from: METHOD.md 4.3, items 12 and 13. Values in [0, 1]; image i of a kind
 * is a pure function of (seed, kind, i).
 */
import { RandomStream, permutation } from "../../shared/random.js";

/** "shuffled": a real image, its pixels in random order. Another data set's images come from elsewhere. */
export const NONSENSE_STARTS = ["gaussian", "uniform", "constant", "shuffled"] as const;
export type NonsenseStart = (typeof NONSENSE_STARTS)[number];

/**
 * Writes image `index` to `out` [pixels x channels]. `original` is needed for "shuffled" alone: a pixel's channels stay
 * together. Throws RangeError where it is missing.
 */
export function nonsenseStart(
  kind: NonsenseStart,
  seed: number,
  index: number,
  channels: number,
  out: Float32Array,
  original?: Float32Array,
): void {
  const stream = new RandomStream(seed, "nonsense-start", index, NONSENSE_STARTS.indexOf(kind));
  switch (kind) {
    case "gaussian":
      return stretchedNoise(stream, out);
    case "uniform":
      for (let p = 0; p < out.length; p++) out[p] = stream.uniform();
      return;
    case "constant": {
      const colour = Array.from({ length: channels }, () => stream.uniform());
      for (let p = 0; p < out.length; p++) out[p] = colour[p % channels]!;
      return;
    }
    case "shuffled": {
      if (original === undefined) throw new RangeError("Shuffled pixels need an image");
      permutation(out.length / channels, stream).forEach((from, to) => {
        for (let c = 0; c < channels; c++) out[to * channels + c] = original[from * channels + c]!;
      });
      return;
    }
  }
}

/** Gaussian noise rescaled by its own extremes to exactly [0, 1], as the paper's nonsense images are. */
function stretchedNoise(stream: RandomStream, out: Float32Array): void {
  let [low, high] = [Infinity, -Infinity];
  for (let p = 0; p < out.length; p++) {
    const value = Math.fround(stream.normal()); // as it is stored, or the extremes would miss 0 and 1
    out[p] = value;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  for (let p = 0; p < out.length; p++) out[p] = (out[p]! - low) / (high - low);
}
