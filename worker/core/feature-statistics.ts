/** Histograms of feature values: plain arithmetic on arrays [image, position, channel]. */
import {
  FEATURE_CHANNELS,
  type FeatureHistogram,
  type FeaturePlace,
  type FeatureTap,
  HISTOGRAM_BINS,
  JOINT_BINS,
  type JointHistogram,
  RBF_SUPPRESSED_BELOW,
} from "../../shared/features.js";

type Kind = "clean" | "nonsense";
interface Range {
  low: number;
  high: number;
}

/** Values left out at each end when a range is chosen: one in so many. */
const TAIL = 500;
/** Values looked at for a range: sorting all of them would take longer than counting. */
const RANGE_SAMPLE = 20_000;

/** Does the activation answer nothing to x? */
export function isSuppressed(
  activation: NonNullable<FeatureTap["activation"]>,
  x: number,
  width = 1,
): boolean {
  switch (activation) {
    case "relu":
      return x <= 0;
    case "mrelu":
      return Math.abs(x) >= width;
    case "rbf":
      return Math.exp(-(x / width) * (x / width)) < RBF_SUPPRESSED_BELOW;
  }
}

/** From the 0.2 % to the 99.8 % point of the finite values, never empty. */
export function rangeOf(values: readonly number[]): Range {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  const skip = Math.floor(sorted.length / TAIL);
  const low = sorted[skip] ?? 0;
  const high = sorted[sorted.length - 1 - skip] ?? 0;
  return high > low ? { low, high } : { low: low - 0.5, high: low + 0.5 };
}

/** The bin of x, values outside in the nearest one; NaN counts as low. */
export function binOf(x: number, { low, high }: Range, bins: number): number {
  const bin = Math.floor(((x - low) / (high - low)) * bins);
  return bin >= bins ? bins - 1 : bin > 0 ? bin : 0;
}

/** Channels spread evenly over all, so that none is picked for its looks. */
export function chosenChannels(channels: number): number[] {
  const wanted = Math.min(FEATURE_CHANNELS, channels);
  return Array.from({ length: wanted }, (_, k) => Math.floor((k * channels) / wanted));
}

/** Counts one place of a network, batch after batch. Ranges are fixed by the first batch of each kind. */
export class PlaceCounter {
  readonly #tap: FeatureTap;
  readonly #channels: number;
  readonly #units: number;
  readonly #chosen: number[];
  readonly #all: FeatureHistogram;
  readonly #single: (FeatureHistogram & { channel: number })[];
  readonly #pairs: JointHistogram[];
  readonly #suppressed = { clean: 0, nonsense: 0 };
  readonly #seen = { clean: 0, nonsense: 0 };

  /** `samples`: values of clean and nonsense images, in which the ranges are looked for. */
  constructor(tap: FeatureTap, units: number, channels: number, samples: readonly Float32Array[]) {
    this.#tap = tap;
    this.#units = units;
    this.#channels = channels;
    this.#chosen = chosenChannels(channels);
    const ranges = this.#chosen.map((channel) => rangeOf(thinned(samples, channels, channel)));
    this.#all = empty(rangeOf(samples.flatMap((values) => thinned([values], 1, 0))));
    this.#single = this.#chosen.map((channel, k) => ({ channel, ...empty(ranges[k]!) }));
    this.#pairs = [];
    for (let k = 0; k + 1 < this.#chosen.length; k += 2) {
      const [a, b] = [ranges[k]!, ranges[k + 1]!];
      this.#pairs.push({
        channels: [this.#chosen[k]!, this.#chosen[k + 1]!],
        low: [a.low, b.low],
        high: [a.high, b.high],
        clean: zeros(JOINT_BINS * JOINT_BINS),
        nonsense: zeros(JOINT_BINS * JOINT_BINS),
      });
    }
  }

  /** `values`: [image, position, channel] of any number of images. */
  add(kind: Kind, values: Float32Array): void {
    const { activation, width } = this.#tap;
    const all = this.#all[kind];
    for (const x of values) {
      const bin = binOf(x, this.#all, HISTOGRAM_BINS);
      all[bin] = all[bin]! + 1;
      if (activation !== null && isSuppressed(activation, x, width)) this.#suppressed[kind]++;
    }
    this.#seen[kind] += values.length;
    for (let start = 0; start < values.length; start += this.#channels)
      this.#addPosition(kind, values, start);
  }

  result(): FeaturePlace {
    const { layer, activation, width } = this.#tap;
    const shareOf = (kind: Kind): number => this.#suppressed[kind] / Math.max(1, this.#seen[kind]);
    return {
      layer,
      activation,
      ...(width === undefined ? {} : { width }),
      units: this.#units,
      channels: this.#channels,
      suppressed: activation === null ? null : { clean: shareOf("clean"), nonsense: shareOf("nonsense") },
      all: this.#all,
      single: this.#single,
      pairs: this.#pairs,
    };
  }

  #addPosition(kind: Kind, values: Float32Array, start: number): void {
    for (const single of this.#single) {
      const bin = binOf(values[start + single.channel]!, single, HISTOGRAM_BINS);
      single[kind][bin] = single[kind][bin]! + 1;
    }
    for (const pair of this.#pairs) {
      const [x, y] = pair.channels.map((channel, axis) =>
        binOf(values[start + channel]!, { low: pair.low[axis]!, high: pair.high[axis]! }, JOINT_BINS),
      ) as [number, number];
      const cell = y * JOINT_BINS + x;
      pair[kind][cell] = pair[kind][cell]! + 1;
    }
  }
}

function zeros(length: number): number[] {
  return new Array<number>(length).fill(0);
}

function empty(range: Range): FeatureHistogram {
  return { ...range, clean: zeros(HISTOGRAM_BINS), nonsense: zeros(HISTOGRAM_BINS) };
}

/** Every k-th value of a channel, `channels` apart, of all arrays together. */
function thinned(arrays: readonly Float32Array[], channels: number, channel: number): number[] {
  const total = arrays.reduce((sum, values) => sum + values.length / channels, 0);
  const every = Math.max(1, Math.ceil(total / RANGE_SAMPLE));
  return arrays.flatMap((values) => {
    const picked: number[] = [];
    for (let i = channel; i < values.length; i += channels * every) picked.push(values[i]!);
    return picked;
  });
}
