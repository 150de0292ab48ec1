/**
 * Batch norm with the statistics of its batch, as TensorFlow's one operation. Source: Ioffe and Szegedy 2015,
 * arXiv:1502.03167.
 */
import { type Attribute, type Ref, bool, float, output, text, type } from "../graph-builder.js";
import type { Operations } from "../operations.js";
import { LANES, type NormInputs, type Normalised, VARIANCE_EPSILON } from "./norm-part.js";
import { columnsSideBySide, wideBatchNorm, wideBatchNormGradient } from "./wide-batch-norm.js";

const ATTRIBUTES: Record<string, Attribute> = {
  U: type("float"),
  epsilon: float(VARIANCE_EPSILON),
  data_format: text("NHWC"),
  is_training: bool(true),
};

/** More channels of zeros than this cost more than they save. */
const MOST_PADDING = 1.3;

/** Channels of the operation for so many of a layer. */
export function normalisedChannels(channels: number, device: "cpu" | "gpu"): number {
  const padded = LANES * Math.ceil(channels / LANES);
  return device === "cpu" && padded <= MOST_PADDING * channels ? padded : channels;
}

/** `input` [images, height, width, channels]. */
export function batchNorm(o: Operations, input: Ref, inputs: NormInputs): Normalised {
  if (isWide(inputs)) return wideBatchNorm(o, input, inputs);
  const { scale, shift, values, device } = inputs;
  const none = o.graph.floats([], [0]);
  const normalised = o.op("FusedBatchNormV3", [input, scale, shift, none, none], {
    ...ATTRIBUTES,
    exponential_avg_factor: float(1),
  });
  const [mean, unbiased, reservedMean] = [
    output(normalised, 1),
    output(normalised, 2),
    output(normalised, 3),
  ];
  const [reservedVariance, rest] = [output(normalised, 4), output(normalised, 5)];
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
  at: Omit<NormInputs, "shift">,
): { input: Ref; scale: Ref; shift: Ref } {
  if (isWide(at)) return wideBatchNormGradient(o, saved, gradient, at);
  const inputs = [gradient, saved(0), at.scale, saved(1), saved(2), saved(3)];
  const back = o.op("FusedBatchNormGradV3", inputs, ATTRIBUTES);
  return { input: back, scale: output(back, 1), shift: output(back, 2) };
}

function isWide(at: Pick<NormInputs, "device" | "width" | "channels">): boolean {
  return at.device === "cpu" && columnsSideBySide(at) > 1;
}

/** TensorFlow divides by one less than the number of values, but never by 0. */
function biasedVariance(o: Operations, unbiased: Ref, values: Ref): Ref {
  const less = o.binary("Maximum", o.binary("Sub", values, 1), 1);
  return o.binary("Mul", unbiased, o.binary("RealDiv", less, values));
}
