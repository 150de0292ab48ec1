/**
 * Batch norm with the statistics of its batch, as TensorFlow's one operation. Source: Ioffe and Szegedy 2015,
 * arXiv:1502.03167.
 */
import { type Attribute, type Ref, bool, float, output, text, type } from "../graph-builder.js";
import type { Operations } from "../operations.js";

/** METHOD.md 1.4. */
const VARIANCE_EPSILON = 1e-4;

const ATTRIBUTES: Record<string, Attribute> = {
  U: type("float"),
  epsilon: float(VARIANCE_EPSILON),
  data_format: text("NHWC"),
  is_training: bool(true),
};

/** oneDNN works on so many channels at a time; 50 cost 10 times what 64 do. */
const LANES = 16;
/** More channels of zeros than this cost more than they save. */
const MOST_PADDING = 1.3;

/** Channels of the operation for so many of a layer. */
export function normalisedChannels(channels: number, device: "cpu" | "gpu"): number {
  const padded = LANES * Math.ceil(channels / LANES);
  return device === "cpu" && padded <= MOST_PADDING * channels ? padded : channels;
}

export interface Normalised {
  output: Ref;
  /** Of the batch, per channel. */
  mean: Ref;
  deviation: Ref;
  /** For `batchNormGradient`. */
  saved: readonly Ref[];
}

/** `input` [images, height, width, channels]; `values`: a scalar, how many there are of a channel. */
export function batchNorm(
  o: Operations,
  input: Ref,
  { scale, shift, values, device }: { scale: Ref; shift: Ref; values: Ref; device: "cpu" | "gpu" },
): Normalised {
  const none = o.graph.floats([], [0]);
  const normalised = o.op("FusedBatchNormV3", [input, scale, shift, none, none], {
    ...ATTRIBUTES,
    exponential_avg_factor: float(1),
  });
  const [mean, unbiased, reservedMean, reservedVariance, rest] = [1, 2, 3, 4, 5].map((index) =>
    output(normalised, index),
  ) as [Ref, Ref, Ref, Ref, Ref];
  // On a GPU the reserved outputs are no moments.
  const variance = device === "cpu" ? reservedVariance : biasedVariance(o, unbiased, values);
  return {
    output: normalised,
    mean,
    deviation: o.unary("Sqrt", o.binary("AddV2", variance, VARIANCE_EPSILON)),
    saved: [input, reservedMean, reservedVariance, rest],
  };
}

/** ∂L/∂input, ∂L/∂scale and ∂L/∂shift. */
export function batchNormGradient(
  o: Operations,
  saved: (index: number) => Ref,
  gradient: Ref,
  scale: Ref,
): { input: Ref; scale: Ref; shift: Ref } {
  const inputs = [gradient, saved(0), scale, saved(1), saved(2), saved(3)];
  const back = o.op("FusedBatchNormGradV3", inputs, ATTRIBUTES);
  return { input: back, scale: output(back, 1), shift: output(back, 2) };
}

/** TensorFlow divides by one less than the number of values, but never by 0. */
function biasedVariance(o: Operations, unbiased: Ref, values: Ref): Ref {
  const less = o.binary("Maximum", o.binary("Sub", values, 1), 1);
  return o.binary("Mul", unbiased, o.binary("RealDiv", less, values));
}
