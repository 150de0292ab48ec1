/** Geometry of convolutions and pools, worked out once for the replaced kernels of every engine. */
import type { backend_util } from "@tensorflow/tfjs-core";
import type { WindowGeometry } from "../window-geometry.js";
import type { TensorFlow } from "./tfjs.js";

export type Shape4D = [number, number, number, number];

/** What a kernel's attributes may say: by rule, the same on all sides, or [[0,0],[top,bottom],[left,right],[0,0]]. */
export type PadAttribute = "valid" | "same" | number | backend_util.ExplicitPadding;

export interface ConvAttributes {
  strides: number | [number, number];
  pad: PadAttribute;
  dataFormat?: "NHWC";
  dimRoundingMode?: "floor" | "round" | "ceil";
}

export interface PoolAttributes {
  filterSize: number | [number, number];
  strides: number | [number, number];
  pad: PadAttribute;
  dimRoundingMode?: "floor" | "round" | "ceil";
}

/** Input, output, window and stride of one convolution or pool; heights and widths in cells. */
export interface Geometry extends WindowGeometry {
  batch: number;
  inChannels: number;
  outChannels: number;
}

function geometryOf(info: backend_util.Conv2DInfo): Geometry {
  return {
    batch: info.batchSize,
    inHeight: info.inHeight,
    inWidth: info.inWidth,
    inChannels: info.inChannels,
    outHeight: info.outHeight,
    outWidth: info.outWidth,
    outChannels: info.outChannels,
    windowHeight: info.filterHeight,
    windowWidth: info.filterWidth,
    strideHeight: info.strideHeight,
    strideWidth: info.strideWidth,
    padding: {
      top: info.padInfo.top,
      bottom: info.padInfo.bottom,
      left: info.padInfo.left,
      right: info.padInfo.right,
    },
  };
}

/** Shapes of four: filters are [height, width, in, out], images [batch, height, width, channel]. */
export function convGeometry(
  tf: TensorFlow,
  inShape: readonly number[],
  filterShape: readonly number[],
  attributes: ConvAttributes,
): Geometry {
  const { strides, pad, dimRoundingMode } = attributes;
  return geometryOf(
    tf.backend_util.computeConv2DInfo(
      inShape as Shape4D,
      filterShape as Shape4D,
      strides,
      1,
      pad,
      dimRoundingMode,
      false,
      "channelsLast",
    ),
  );
}

export function poolGeometry(
  tf: TensorFlow,
  inShape: readonly number[],
  attributes: PoolAttributes,
): Geometry {
  const { filterSize, strides, pad, dimRoundingMode } = attributes;
  return geometryOf(
    tf.backend_util.computePool2DInfo(inShape as Shape4D, filterSize, strides, 1, pad, dimRoundingMode),
  );
}
