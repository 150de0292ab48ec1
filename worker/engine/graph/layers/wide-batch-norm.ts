/**
 * Batch norm where the channels are no multiple of what oneDNN works on at a time, and neighbouring columns side by side are:
 * four times 20 channels. TensorFlow's operation then gives the moments and sums of each column of a block by itself, which
 * are put together here. With 128 images of 24x24 and 20 channels, both ways fall from 1.9 to 1.3 ms.
 */
import { type Attribute, type Ref, bool, float, output, text, type } from "../graph-builder.js";
import type { Operations } from "../operations.js";
import { LANES, type Normalised, type NormInputs, VARIANCE_EPSILON } from "./norm-part.js";

export interface Columns {
  width: number;
  channels: number;
}

/** Moments are handed in; those of the batch are put together before. */
const FIXED: Record<string, Attribute> = {
  U: type("float"),
  epsilon: float(VARIANCE_EPSILON),
  data_format: text("NHWC"),
  is_training: bool(false),
};
const MOST_SIDE_BY_SIDE = 8;

/** How many columns of these stand side by side; 1: none. */
export function columnsSideBySide({ width, channels }: Columns): number {
  if (channels % LANES === 0) return 1;
  for (let count = 2; count <= MOST_SIDE_BY_SIDE; count++)
    if (width % count === 0 && (count * channels) % LANES === 0) return count;
  return 1;
}

export function wideBatchNorm(o: Operations, input: Ref, inputs: NormInputs): Normalised {
  const { height, width, channels, scale, shift } = inputs;
  const count = columnsSideBySide({ width, channels });
  const shape = [-1, height, width / count, count * channels];
  const wide = o.reshape(input, shape);
  const [ones, zeros] = [constant(o, 1, count * channels), constant(o, 0, count * channels)];
  const none = o.graph.floats([], [0]);
  const seen = o.op("FusedBatchNormV3", [wide, ones, zeros, none, none], {
    ...FIXED,
    is_training: bool(true),
    exponential_avg_factor: float(1),
  });
  const columns = (index: number): Ref => o.reshape(output(seen, index), [count, channels]);
  const [means, variances] = [columns(3), columns(4)];
  const mean = average(o, means, count);
  const apart = o.unary("Square", o.binary("Sub", means, mean));
  const variance = average(o, o.binary("AddV2", variances, apart), count);
  const moments = [repeated(o, mean, count), repeated(o, variance, count)] as const;
  const normalised = o.op(
    "FusedBatchNormV3",
    [wide, repeated(o, scale, count), repeated(o, shift, count), ...moments],
    { ...FIXED, exponential_avg_factor: float(1) },
  );
  return {
    output: o.reshape(normalised, [-1, height, width, channels]),
    mean,
    deviation: o.unary("Sqrt", o.binary("AddV2", variance, VARIANCE_EPSILON)),
    saved: [wide, ...moments, output(seen, 5)],
  };
}

/**
 * With x̂ the normalised input: scale/σ · (g − Σg/n − x̂·Σ(g·x̂)/n). The operation gives the first term and the sums; the others
 * are a factor and a constant for each channel of the input.
 */
export function wideBatchNormGradient(
  o: Operations,
  saved: (index: number) => Ref,
  gradient: Ref,
  { height, width, channels, scale, values }: Omit<NormInputs, "shift" | "device">,
): { input: Ref; scale: Ref; shift: Ref } {
  const count = columnsSideBySide({ width, channels });
  const wide = o.reshape(gradient, [-1, height, width / count, count * channels]);
  const [input, means, variances, rest] = [saved(0), saved(1), saved(2), saved(3)];
  const wideScale = repeated(o, scale, count);
  const back = o.op("FusedBatchNormGradV3", [wide, input, wideScale, means, variances, rest], FIXED);
  const sum = (index: number): Ref => o.sum(o.reshape(output(back, index), [count, channels]), [0]);
  const [scaleGradient, shiftGradient] = [sum(1), sum(2)];
  const deviations = o.unary("Sqrt", o.binary("AddV2", variances, VARIANCE_EPSILON));
  const slope = o.binary("RealDiv", wideScale, o.binary("Mul", deviations, values));
  const factor = o.unary(
    "Neg",
    o.binary("Mul", slope, o.binary("RealDiv", repeated(o, scaleGradient, count), deviations)),
  );
  const offset = o.binary(
    "Sub",
    o.unary("Neg", o.binary("Mul", slope, repeated(o, shiftGradient, count))),
    o.binary("Mul", factor, means),
  );
  // As batch norm of mean 0 and deviation 1: the fastest way to a factor and a constant for each channel.
  const [zeros, unit] = [
    constant(o, 0, count * channels),
    constant(o, 1 - VARIANCE_EPSILON, count * channels),
  ];
  const correction = o.op("FusedBatchNormV3", [input, factor, offset, zeros, unit], {
    ...FIXED,
    exponential_avg_factor: float(1),
  });
  return {
    input: o.reshape(o.binary("AddV2", back, correction), [-1, height, width, channels]),
    scale: scaleGradient,
    shift: shiftGradient,
  };
}

/** Over the first of two axes, of so many. */
function average(o: Operations, x: Ref, count: number): Ref {
  return o.binary("Mul", o.sum(x, [0]), 1 / count);
}

/** Values of channels, so many times behind one another. */
function repeated(o: Operations, x: Ref, count: number): Ref {
  const inputs = [x, o.graph.integers([count])];
  return o.op("Tile", inputs, { Tmultiples: type("int32") });
}

function constant(o: Operations, value: number, channels: number): Ref {
  return o.graph.floats(new Float32Array(channels).fill(value), [channels]);
}
