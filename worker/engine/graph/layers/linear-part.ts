/** What the linear part of a convolution is, and how TensorFlow is told of one. */
import type { PlacedConvolution } from "../../placed-layers.js";
import { type Attribute, type Ref, bool, integers, text, type } from "../graph-builder.js";
import type { Operations } from "../operations.js";

export interface ConvolutionOptions extends PlacedConvolution {
  /** What it is to be fast on. */
  device: "cpu" | "gpu";
}

/** A product of images and filter, and its gradients. */
export interface Linear {
  apply(o: Operations, input: Ref, filter: Ref): Ref;
  filterGradient(o: Operations, input: Ref, gradient: Ref): Ref;
  /** `images`: int32 [1], how many. */
  inputGradient(o: Operations, gradient: Ref, filter: Ref, images: Ref): Ref;
}

/** Of a convolution and of its gradients; strides are 1. */
export function windowAttributes(padding: "SAME" | "VALID"): Record<string, Attribute> {
  return {
    strides: integers([1, 1, 1, 1]),
    padding: text(padding),
    data_format: text("NHWC"),
    dilations: integers([1, 1, 1, 1]),
    use_cudnn_on_gpu: bool(true),
    T: type("float"),
  };
}
