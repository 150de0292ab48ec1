/** What a worker finds out about a network beside its answers: input to the sanity checks (METHOD.md 4.4). */
import { z } from "zod";
import { NORMS } from "./results.js";

const count = z.int().min(0);
const share = z.number().min(0).max(1);

/** Gradients of one loss in the input, over images that are answered right. */
export const gradientStatisticsSchema = z.strictObject({
  /** "cross-entropy", "margin", "training". */
  loss: z.string().max(64),
  images: count,
  /** Images whose gradient is zero in every pixel. */
  zero: count,
  /** L2 norms on [0, 1] pixels at 5, 25, 50, 75 and 95 %. */
  quantiles: z.array(z.number().min(0)).length(5),
});

/** Slopes along random directions: backward pass against central differences. */
export const slopeComparisonSchema = z.strictObject({
  loss: z.string().max(64),
  /** Directions compared; those with a kink between the two sides are left out and counted. */
  compared: count,
  kinks: count,
  /** Share of the compared directions that agree within the tolerance. */
  agreeing: share,
  /** Median of |difference| over the larger of the two slopes. */
  median_deviation: z.number().min(0),
});

/** An attack on a linear model, where it is known which images can be broken. */
export const plantedModelSchema = z.strictObject({
  attack: z.string().max(64),
  norm: z.enum(NORMS),
  epsilon: z.number().min(0),
  images: count,
  /** Images that some change of that size breaks. */
  breakable: count,
  broken: count,
});

export const diagnosticsSchema = z.strictObject({
  gradients: z.array(gradientStatisticsSchema).max(16),
  slopes: z.array(slopeComparisonSchema).max(16),
  planted: z.array(plantedModelSchema).max(64),
});
export type GradientStatistics = z.output<typeof gradientStatisticsSchema>;
export type SlopeComparison = z.output<typeof slopeComparisonSchema>;
export type PlantedModel = z.output<typeof plantedModelSchema>;
export type Diagnostics = z.output<typeof diagnosticsSchema>;
