/** Geometry of convolutions and pools, worked out once for the replaced kernels of every engine. */
import type { backend_util } from "@tensorflow/tfjs-core";
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
export interface Geometry {
  batch: number;
  inHeight: number;
  inWidth: number;
  inChannels: number;
  outHeight: number;
  outWidth: number;
  outChannels: number;
  windowHeight: number;
  windowWidth: number;
  strideHeight: number;
  strideWidth: number;
  /** Rows and columns of zeros (or of nothing, for pools) around an image. */
  padding: { top: number; bottom: number; left: number; right: number };
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

/**
 * TensorFlow's name for a padding: engines have fast and complete code for SAME and VALID, so an explicit padding that
 * amounts to one of them is called by its name. A 3×3 stride-2 pool with top 0, bottom 1 on an even image is SAME.
 */
export function paddingName(geometry: Geometry): "SAME" | "VALID" | "EXPLICIT" {
  const { top, bottom, left, right } = geometry.padding;
  if (top === 0 && bottom === 0 && left === 0 && right === 0) return "VALID";
  const rows = samePadding(geometry.inHeight, geometry.windowHeight, geometry.strideHeight);
  const columns = samePadding(geometry.inWidth, geometry.windowWidth, geometry.strideWidth);
  const isSame =
    geometry.outHeight === Math.ceil(geometry.inHeight / geometry.strideHeight) &&
    geometry.outWidth === Math.ceil(geometry.inWidth / geometry.strideWidth) &&
    top === rows.before &&
    bottom === rows.after &&
    left === columns.before &&
    right === columns.after;
  return isSame ? "SAME" : "EXPLICIT";
}

function samePadding(size: number, window: number, stride: number): { before: number; after: number } {
  const total = Math.max(0, (Math.ceil(size / stride) - 1) * stride + window - size);
  const before = Math.floor(total / 2);
  return { before, after: total - before };
}

/** The part of a window along one axis that lies inside the image: [start, end) in image cells. */
export function clipWindow(
  index: number,
  stride: number,
  padBefore: number,
  window: number,
  size: number,
): { start: number; end: number } {
  const first = index * stride - padBefore;
  return { start: Math.max(0, first), end: Math.min(size, first + window) };
}

/** Image cells under each window of an average pool, [outHeight · outWidth]; what the average divides by. */
export function cellsInside(geometry: Geometry): Float32Array {
  const { outHeight, outWidth, strideHeight, strideWidth, windowHeight, windowWidth, padding } = geometry;
  const cells = new Float32Array(outHeight * outWidth);
  for (let row = 0; row < outHeight; row++) {
    const rows = clipWindow(row, strideHeight, padding.top, windowHeight, geometry.inHeight);
    for (let column = 0; column < outWidth; column++) {
      const columns = clipWindow(column, strideWidth, padding.left, windowWidth, geometry.inWidth);
      cells[row * outWidth + column] = (rows.end - rows.start) * (columns.end - columns.start);
    }
  }
  return cells;
}
