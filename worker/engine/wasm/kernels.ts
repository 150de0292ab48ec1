/**
 * Kernels that the wasm backend lacks, computes wrongly or computes slowly, registered in place of the stock ones: a small
 * module of our own (wasm/kernels.c) on the backend's heap, and compositions of what the backend does well.
 *
 * | kernel               | stock                                                                    |
 * | -------------------- | ------------------------------------------------------------------------ |
 * | Conv2D               | right; ours is 1.3 times as fast where a row has four results or more     |
 * | Conv2DBackpropFilter | missing                                                                  |
 * | Conv2DBackpropInput  | right, but naive loops                                                   |
 * | MaxPoolGrad          | loses the gradient of every window whose values are all negative         |
 * | AvgPoolGrad          | divides by the whole window where the average divides by its cells inside |
 * | BatchMatMul          | slow with a transposed operand: both operands of every dense gradient    |
 * | Sum, leading axes    | transposes the whole tensor first                                        |
 *
 * XNNPACK caches packed weights by tensor id, so no tensor here is written after its first use as a right-hand factor.
 */
import type * as tfjs from "@tensorflow/tfjs-core";
import { type TensorFlow, replaceKernel } from "../eager/tfjs.js";
import type { BackendWasm } from "@tensorflow/tfjs-backend-wasm";
import {
  convGeometry,
  poolGeometry,
  type ConvAttributes,
  type Geometry,
  type PoolAttributes,
  type Shape4D,
} from "../eager/kernel-shapes.js";
import { type HeapKernels, loadHeapKernels, offsetOf, withScratch } from "./heap-kernels.js";
import { type StockKernels, stockKernels } from "./stock-kernels.js";

const BACKEND = "wasm";

/** Replaces the kernels listed above. The wasm backend must be the current one. */
export function registerWasmKernels(tf: TensorFlow): void {
  const stock = stockKernels(tf);
  const heapKernels = loadHeapKernels(tf.backend() as BackendWasm);
  replaceKernel(tf, BACKEND, "Conv2D", conv(tf, stock, heapKernels));
  replaceKernel(tf, BACKEND, "Conv2DBackpropFilter", convFilterGradient(tf, heapKernels));
  replaceKernel(tf, BACKEND, "Conv2DBackpropInput", convInputGradient(tf, heapKernels));
  replaceKernel(tf, BACKEND, "MaxPoolGrad", maxPoolGradient(tf, heapKernels));
  replaceKernel(tf, BACKEND, "AvgPoolGrad", averagePoolGradient(tf, heapKernels));
  replaceKernel(tf, BACKEND, "BatchMatMul", matMul(stock));
  replaceKernel(tf, BACKEND, "Sum", sum(stock, heapKernels));
}

/** The same data under another shape; does not own it. */
function viewAs(tensor: tfjs.TensorInfo, shape: number[]): tfjs.TensorInfo {
  return { dataId: tensor.dataId, shape, dtype: tensor.dtype };
}

/** What the windows reach of the image and its padding, in cells; rows below the last window are not needed. */
function reachOf(geometry: Geometry): { paddedHeight: number; paddedWidth: number } {
  return {
    paddedHeight: (geometry.outHeight - 1) * geometry.strideHeight + geometry.windowHeight,
    paddedWidth: (geometry.outWidth - 1) * geometry.strideWidth + geometry.windowWidth,
  };
}

/** The sizes that both convolution gradients take, in the order of kernels.c. */
function convSizes(geometry: Geometry): number[] {
  const { paddedHeight, paddedWidth } = reachOf(geometry);
  return [
    geometry.batch,
    geometry.inHeight,
    geometry.inWidth,
    geometry.inChannels,
    geometry.outHeight,
    geometry.outWidth,
    geometry.outChannels,
    geometry.windowHeight,
    geometry.windowWidth,
    geometry.strideHeight,
    geometry.strideWidth,
    geometry.padding.top,
    geometry.padding.left,
    paddedHeight,
    paddedWidth,
  ];
}

function poolSizes(geometry: Geometry): number[] {
  return [
    geometry.batch,
    geometry.inHeight,
    geometry.inWidth,
    geometry.inChannels,
    geometry.outHeight,
    geometry.outWidth,
    geometry.windowHeight,
    geometry.windowWidth,
    geometry.strideHeight,
    geometry.strideWidth,
    geometry.padding.top,
    geometry.padding.left,
  ];
}

const BYTES = Float32Array.BYTES_PER_ELEMENT;
const roundUp = (count: number): number => Math.ceil(count / 4) * 4;

/** A convolution. Dilated ones, and those with rows too short for a tile, stay with XNNPACK. */
function conv(tf: TensorFlow, stock: StockKernels, heapKernels: HeapKernels) {
  return (
    { x, filter }: { x: tfjs.TensorInfo; filter: tfjs.TensorInfo },
    attributes: ConvAttributes & { dilations?: number | [number, number] },
    backend: BackendWasm,
  ): tfjs.TensorInfo => {
    const isDilated = [attributes.dilations ?? 1].flat().some((dilation) => dilation !== 1);
    if (isDilated) return stock.conv2d(backend, x, filter, attributes);
    const geometry = convGeometry(tf, x.shape, filter.shape, attributes);
    if (geometry.outWidth < 4) return stock.conv2d(backend, x, filter, attributes);

    const { batch, outHeight, outWidth, outChannels, windowHeight, windowWidth, inChannels } = geometry;
    const { paddedHeight, paddedWidth } = reachOf(geometry);
    const rows = windowHeight * windowWidth * inChannels + outWidth;
    const scratch = roundUp(paddedHeight * paddedWidth * inChannels) + rows * roundUp(outChannels);
    const result = backend.makeOutput([batch, outHeight, outWidth, outChannels], "float32");
    const [images, taps, place] = [
      offsetOf(backend, x),
      offsetOf(backend, filter),
      offsetOf(backend, result),
    ];
    withScratch(backend, scratch * BYTES, (offset) => {
      heapKernels.conv(images, taps, place, offset, ...convSizes(geometry));
    });
    return result;
  };
}

/** Gradient of a convolution by its filter, [height, width, inChannels, outChannels]. */
function convFilterGradient(tf: TensorFlow, heapKernels: HeapKernels) {
  return (
    { x, dy }: { x: tfjs.TensorInfo; dy: tfjs.TensorInfo },
    attributes: ConvAttributes & { filterShape: Shape4D },
    backend: BackendWasm,
  ): tfjs.TensorInfo => {
    const geometry = convGeometry(tf, x.shape, attributes.filterShape, attributes);
    const { paddedHeight, paddedWidth } = reachOf(geometry);
    const taps = geometry.windowHeight * geometry.windowWidth * geometry.inChannels;
    const rows = geometry.outHeight * geometry.outWidth + roundUp(taps);
    const scratch =
      roundUp(paddedHeight * paddedWidth * geometry.inChannels) + rows * roundUp(geometry.outChannels);
    const result = backend.makeOutput(attributes.filterShape, "float32");
    const [images, given, place] = [offsetOf(backend, x), offsetOf(backend, dy), offsetOf(backend, result)];
    withScratch(backend, scratch * BYTES, (offset) => {
      heapKernels.conv_filter_gradient(images, given, place, offset, ...convSizes(geometry));
    });
    return result;
  };
}

/** Gradient of a convolution by its input, [batch, height, width, channels]. */
function convInputGradient(tf: TensorFlow, heapKernels: HeapKernels) {
  return (
    { dy, filter }: { dy: tfjs.TensorInfo; filter: tfjs.TensorInfo },
    attributes: ConvAttributes & { inputShape: Shape4D },
    backend: BackendWasm,
  ): tfjs.TensorInfo => {
    const geometry = convGeometry(tf, attributes.inputShape, filter.shape, attributes);
    const { paddedHeight, paddedWidth } = reachOf(geometry);
    const { inChannels, outChannels, windowHeight, windowWidth } = geometry;
    const turned = windowHeight * outChannels * roundUp(windowWidth * inChannels);
    const scratch = turned + paddedHeight * paddedWidth * inChannels + 4;
    const result = backend.makeOutput(attributes.inputShape, "float32");
    const [given, taps, place] = [
      offsetOf(backend, dy),
      offsetOf(backend, filter),
      offsetOf(backend, result),
    ];
    withScratch(backend, scratch * BYTES, (offset) => {
      heapKernels.conv_input_gradient(given, taps, place, offset, ...convSizes(geometry));
    });
    return result;
  };
}

/** Gradient of a max pool: each window's goes to its first greatest cell in reading order, as in TensorFlow. */
function maxPoolGradient(tf: TensorFlow, heapKernels: HeapKernels) {
  return (
    { dy, input, output }: { dy: tfjs.TensorInfo; input: tfjs.TensorInfo; output: tfjs.TensorInfo },
    attributes: PoolAttributes,
    backend: BackendWasm,
  ): tfjs.TensorInfo => {
    const geometry = poolGeometry(tf, input.shape, attributes);
    const result = backend.makeOutput(input.shape, "float32");
    const [images, greatest] = [offsetOf(backend, input), offsetOf(backend, output)];
    const [given, place] = [offsetOf(backend, dy), offsetOf(backend, result)];
    heapKernels.max_pool_gradient(images, greatest, given, place, ...poolSizes(geometry));
    return result;
  };
}

/** Gradient of an average pool that divides by the cells inside the image, as the forward kernel does. */
function averagePoolGradient(tf: TensorFlow, heapKernels: HeapKernels) {
  return (
    { dy, input }: { dy: tfjs.TensorInfo; input: tfjs.TensorInfo },
    attributes: PoolAttributes,
    backend: BackendWasm,
  ): tfjs.TensorInfo => {
    const geometry = poolGeometry(tf, input.shape, attributes);
    const result = backend.makeOutput(input.shape, "float32");
    heapKernels.average_pool_gradient(
      offsetOf(backend, dy),
      offsetOf(backend, result),
      ...poolSizes(geometry),
    );
    return result;
  };
}

/**
 * Matrix products; a transposed factor of a plain (not batched) product is turned first, for only the product of two
 * factors as they lie is fast. A·Bᵀ is computed as (B·Aᵀ)ᵀ where that turns, and packs, less.
 */
function matMul(stock: StockKernels) {
  return (
    { a, b }: { a: tfjs.TensorInfo; b: tfjs.TensorInfo },
    { transposeA, transposeB }: { transposeA: boolean; transposeB: boolean },
    backend: BackendWasm,
  ): tfjs.TensorInfo => {
    const sizeA = a.shape.slice(0, -2).reduce((product, size) => product * size, 1);
    const sizeB = b.shape.slice(0, -2).reduce((product, size) => product * size, 1);
    if (sizeA !== 1 || sizeB !== 1 || (!transposeA && !transposeB)) {
      return stock.matMul(backend, a, b, transposeA, transposeB);
    }
    const [rowsA, columnsA] = a.shape.slice(-2) as [number, number];
    const [rowsB, columnsB] = b.shape.slice(-2) as [number, number];
    const outShape = [
      ...(a.shape.length >= b.shape.length ? a : b).shape.slice(0, -2),
      transposeA ? columnsA : rowsA,
      transposeB ? rowsB : columnsB,
    ];
    const left = viewAs(a, [rowsA, columnsA]);
    const right = viewAs(b, [rowsB, columnsB]);
    const product = (x: tfjs.TensorInfo, y: tfjs.TensorInfo): tfjs.TensorInfo =>
      stock.matMul(backend, viewAs(x, [1, ...x.shape]), viewAs(y, [1, ...y.shape]));

    if (!transposeA && transposeB && rowsA * (columnsA + rowsB) < rowsB * columnsB) {
      const turnedA = stock.transpose(backend, left, [1, 0]);
      const turnedOut = product(right, turnedA);
      backend.disposeData(turnedA.dataId);
      const out = stock.transpose(backend, viewAs(turnedOut, [rowsB, rowsA]), [1, 0]);
      backend.disposeData(turnedOut.dataId);
      return viewAs(out, outShape);
    }
    const turnedA = transposeA ? stock.transpose(backend, left, [1, 0]) : undefined;
    const turnedB = transposeB ? stock.transpose(backend, right, [1, 0]) : undefined;
    const out = product(turnedA ?? left, turnedB ?? right);
    if (turnedA !== undefined) backend.disposeData(turnedA.dataId);
    if (turnedB !== undefined) backend.disposeData(turnedB.dataId);
    return viewAs(out, outShape);
  };
}

/** Sums over all axes but the last (bias gradients, batch statistics) run along memory; others go to the stock kernel. */
function sum(stock: StockKernels, heapKernels: HeapKernels) {
  return (
    { x }: { x: tfjs.TensorInfo },
    attributes: { axis: number | number[]; keepDims: boolean },
    backend: BackendWasm,
  ): tfjs.TensorInfo => {
    const { axis, keepDims } = attributes;
    const rank = x.shape.length;
    const axes = new Set(
      (Array.isArray(axis) ? axis : [axis]).map((index) => (index < 0 ? index + rank : index)),
    );
    const channels = x.shape[rank - 1];
    const isLeading = rank >= 2 && axes.size === rank - 1 && !axes.has(rank - 1);
    if (channels === undefined || x.dtype !== "float32" || !isLeading)
      return stock.sum(backend, x, attributes);

    const rows = x.shape.slice(0, -1).reduce((product, length) => product * length, 1);
    const result = backend.makeOutput(
      keepDims ? [...x.shape.slice(0, -1).fill(1), channels] : [channels],
      "float32",
    );
    const [values, totals] = [offsetOf(backend, x), offsetOf(backend, result)];
    withScratch(backend, channels * Float64Array.BYTES_PER_ELEMENT, (scratch) => {
      heapKernels.sum_rows(values, totals, scratch, rows, channels);
    });
    return result;
  };
}
