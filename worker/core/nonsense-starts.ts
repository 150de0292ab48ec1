/** Images that show nothing, by several laws: METHOD.md 4.3 rows 12 and 13. Image i is a pure function of (seed, i). */
import { NONSENSE_STARTS, type NonsenseStart } from "../../shared/measures.js";
import { RandomStream, permutation } from "../../shared/random.js";
import type { ImageSet } from "./training-images.js";

/** Writes image `index` on [0, 1] pixels to `out`. `test`: whose pixels are shuffled. */
export function nonsenseStart(
  start: NonsenseStart,
  { seed, index, width, channels }: { seed: number; index: number; width: number; channels: number },
  test: ImageSet,
  out: Float32Array,
): void {
  const stream = new RandomStream(seed, "nonsense-start", index, NONSENSE_STARTS.indexOf(start));
  switch (start) {
    case "gaussian":
      fill(out, () => 0.5 + 0.25 * stream.normal());
      return;
    case "uniform":
      fill(out, () => stream.uniform());
      return;
    case "binary":
      fill(out, () => stream.below(2));
      return;
    case "constant": {
      const colour = Array.from({ length: channels }, () => stream.uniform());
      fill(out, (p) => colour[p % channels] as number);
      return;
    }
    case "smooth":
      smooth(stream, width, channels, out);
      return;
    case "shuffled-pixels": {
      const order = permutation(out.length, stream);
      const first = (index % test.count) * test.imageSize;
      fill(out, (p) => (test.pixels[first + (order[p] as number)] as number) / 255);
    }
  }
}

function fill(out: Float32Array, value: (p: number) => number): void {
  for (let p = 0; p < out.length; p++) out[p] = Math.min(1, Math.max(0, value(p)));
}

/** A few waves of long wavelength and random phase, stretched to [0, 1]. */
function smooth(stream: RandomStream, width: number, channels: number, out: Float32Array): void {
  const waves = Array.from({ length: 6 * channels }, () => ({
    down: (2 * stream.uniform() - 1) * 0.6,
    across: (2 * stream.uniform() - 1) * 0.6,
    phase: 2 * Math.PI * stream.uniform(),
  }));
  for (let p = 0; p < out.length; p++) {
    const [pixel, channel] = [Math.floor(p / channels), p % channels];
    const [y, x] = [Math.floor(pixel / width), pixel % width];
    out[p] = waves
      .filter((_, w) => w % channels === channel)
      .reduce((sum, { down, across, phase }) => sum + Math.sin(down * y + across * x + phase), 0);
  }
  const low = out.reduce((least, value) => Math.min(least, value), Infinity);
  const high = out.reduce((most, value) => Math.max(most, value), -Infinity);
  fill(out, (p) => ((out[p] as number) - low) / (high - low));
}
