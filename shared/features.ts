/**
 * Feature statistics of one network: what its convolutions answer to real images and to nonsense, before and after the
 * activation that follows. The worker counts, the coordinator checks and stores (`features.json`), the report draws.
 */
import { z } from "zod";
import type { Layer, Network } from "./networks/network.js";

/**
 * An RBF never answers exactly 0; below this it counts as suppressed (|x| > 2.146 widths). ReLU and mReLU are suppressed
 * where they answer 0.
 */
export const RBF_SUPPRESSED_BELOW = 0.01;
/** Bins of a histogram, and of each axis of a joint histogram. */
export const HISTOGRAM_BINS = 48;
export const JOINT_BINS = 24;
/** Channels of each place that get a histogram of their own; neighbours in this list make the joint histograms. */
export const FEATURE_CHANNELS = 4;
/** Test images, and as many nonsense images. */
export const FEATURE_IMAGES = 500;

const count = z.int().min(0);
const counts = z.array(count);
/** The same bins for both; values outside fall into the first and the last bin. */
const histogram = z.strictObject({
  low: z.number(),
  high: z.number(),
  clean: counts.length(HISTOGRAM_BINS),
  nonsense: counts.length(HISTOGRAM_BINS),
});
const joint = z.strictObject({
  /** First is the horizontal axis. */
  channels: z.tuple([count, count]),
  low: z.tuple([z.number(), z.number()]),
  high: z.tuple([z.number(), z.number()]),
  /** Row by row of the second channel, from low to high. */
  clean: counts.length(JOINT_BINS * JOINT_BINS),
  nonsense: counts.length(JOINT_BINS * JOINT_BINS),
});
const share = z.number().min(0).max(1);
const place = z.strictObject({
  /** The convolution that answers. */
  layer: z.string().max(64),
  /** What follows it, or null where nothing does. */
  activation: z.enum(["relu", "mrelu", "rbf"]).nullable(),
  /** Of a symmetric one that is not the paper's 1. */
  width: z.number().positive().optional(),
  /** Units of one image: positions x channels. */
  units: count,
  channels: count,
  /** Share of units that the activation suppresses; null without one. */
  suppressed: z.strictObject({ clean: share, nonsense: share }).nullable(),
  /** Over all channels. */
  all: histogram,
  single: z.array(z.strictObject({ channel: count, ...histogram.shape })).max(64),
  pairs: z.array(joint).max(64),
});

export const featureCountsSchema = z.strictObject({
  images: z.int().min(1),
  places: z.array(place).max(64),
});

/** What a worker sends back, and `features.json` holds beside what it was measured on. */
export type FeatureCounts = z.output<typeof featureCountsSchema>;
export type FeaturePlace = z.output<typeof place>;
export type FeatureHistogram = z.output<typeof histogram>;
export type JointHistogram = z.output<typeof joint>;

/** `features.json`. */
export interface FeaturesDocument extends FeatureCounts {
  /** SHA-256 of the weights. */
  checkpoint: string;
  seed: number;
  rbf_suppressed_below: number;
}

/** Where a network is looked at: the values that enter `activation`, or leave a convolution that has none. */
export interface FeatureTap {
  layer: string;
  activation: "relu" | "mrelu" | "rbf" | null;
  /** Of a symmetric one that is not the paper's 1. */
  width?: number;
  /** The first so many layers make the values. */
  depth: number;
}

/** One tap for each convolution but the last, whose outputs are the answer. */
export function featureTaps(network: Network): FeatureTap[] {
  const starts = network.layers.flatMap((layer, start) =>
    layer.kind === "convolution" ? [{ start, name: layer.name }] : [],
  );
  return starts.slice(0, -1).map(({ start, name }, k) => {
    const layers = network.layers.slice(start, starts[k + 1]?.start);
    const place = layers.findIndex(({ kind }) => kind === "activation");
    const found = layers[place];
    const answer = layers[1]?.kind === "batch-norm" ? 2 : 1;
    return {
      layer: name,
      ...(found?.kind === "activation" ? activationOf(found) : { activation: null }),
      depth: start + (found === undefined ? answer : place),
    };
  });
}

function activationOf({
  activation,
  width,
}: Extract<Layer, { kind: "activation" }>): Pick<FeatureTap, "activation" | "width"> {
  return width === undefined ? { activation } : { activation, width };
}
