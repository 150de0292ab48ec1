/** A network's parameters as other programs want them. Pure. */
import { tensorNamed } from "../../../shared/core/layout.js";
import type { ExportedModel } from "./export-format.js";

/** METHOD.md 1.4. Batch norm elsewhere keeps the variance; ours keeps σ = sqrt(variance + ε). */
export const VARIANCE_EPSILON = 1e-4;

/** Values of the tensor "conv1/weight", a view. Throws RangeError when there is none. */
export function valuesOf({ layout, parameters }: ExportedModel, name: string): Float32Array {
  const { offset, size } = tensorNamed(layout, name);
  return parameters.subarray(offset, offset + size);
}

export function shapeOf({ layout }: ExportedModel, name: string): readonly number[] {
  return tensorNamed(layout, name).shape;
}

/** The variance whose sqrt(variance + ε) is the stored σ. */
export function varianceOf(model: ExportedModel, norm: string): Float32Array {
  return Float32Array.from(valuesOf(model, `${norm}/deviation`), (sigma) => sigma * sigma - VARIANCE_EPSILON);
}
