/**
 * Kernels that the wasm backend lacks, computes wrongly or computes slowly, composed from the ones it does well
 * (XNNPACK convolutions and products) and from plain loops over its heap. Registered in place of the stock ones.
 *
 * | kernel               | stock                                                                    |
 * | -------------------- | ------------------------------------------------------------------------ |
 * | Conv2DBackpropFilter | missing                                                                  |
 * | Conv2DBackpropInput  | right, but naive loops                                                   |
 * | MaxPoolGrad          | loses the gradient of every window whose values are all negative         |
 * | AvgPoolGrad          | divides by the whole window where the average divides by its cells inside |
 * | BatchMatMul          | slow with a transposed operand: both operands of every dense gradient    |
 * | Sum, leading axes    | transposes the whole tensor first                                        |
 *
 * XNNPACK caches packed weights by tensor id, so no tensor here is written after its first use as a filter or as a
 * right-hand factor.
 */
import type * as tfjs from "@tensorflow/tfjs-core";
import type { BackendWasm } from "@tensorflow/tfjs-backend-wasm";
import {
  cellsInside,
  clipWindow,
  geometryOf,
  type ConvAttributes,
  type Geometry,
  type PoolAttributes,
} from "./kernel-shapes.js";

type Tf = typeof tfjs;
type Shape4D = [number, number, number, number];
type Kernel<Inputs, Attributes> = (
  inputs: Inputs,
  attributes: Attributes,
  backend: BackendWasm,
) => tfjs.TensorInfo;

const BACKEND = "wasm";

/** Replaces the kernels listed above. The wasm backend must be the current one. */
export function registerWasmKernels(tf: Tf): void {
  const stock = stockKernels(tf);
  replaceKernel(tf, "Conv2DBackpropFilter", convFilterGradient(tf, stock));
  replaceKernel(tf, "Conv2DBackpropInput", convInputGradient(tf, stock));
  replaceKernel(tf, "MaxPoolGrad", maxPoolGradient(tf));
  replaceKernel(tf, "AvgPoolGrad", averagePoolGradient(tf));
  replaceKernel(tf, "BatchMatMul", matMul(stock));
  replaceKernel(tf, "Sum", sum(stock));
}

function replaceKernel<Inputs, Attributes>(
  tf: Tf,
  kernelName: string,
  kernel: Kernel<Inputs, Attributes>,
): void {
  if (tf.getKernel(kernelName, BACKEND) !== undefined) tf.unregisterKernel(kernelName, BACKEND);
  tf.registerKernel({
    kernelName,
    backendName: BACKEND,
    kernelFunc: ({ inputs, attrs, backend }) =>
      kernel(inputs as Inputs, attrs as Attributes, backend as BackendWasm),
  });
}

/** The backend's own kernels as functions. They bypass the engine, so what they return is not on any tape or in any scope. */
interface StockKernels {
  conv2d(
    backend: BackendWasm,
    x: tfjs.TensorInfo,
    filter: tfjs.TensorInfo,
    attributes: object,
  ): tfjs.TensorInfo;
  matMul(
    backend: BackendWasm,
    a: tfjs.TensorInfo,
    b: tfjs.TensorInfo,
    transposeA?: boolean,
    transposeB?: boolean,
  ): tfjs.TensorInfo;
  transpose(backend: BackendWasm, x: tfjs.TensorInfo, perm: number[]): tfjs.TensorInfo;
  slice(backend: BackendWasm, x: tfjs.TensorInfo, begin: number[], size: number[]): tfjs.TensorInfo;
  reverse(backend: BackendWasm, x: tfjs.TensorInfo, dims: number[]): tfjs.TensorInfo;
  sum(backend: BackendWasm, x: tfjs.TensorInfo, attributes: object): tfjs.TensorInfo;
}

function stockKernels(tf: Tf): StockKernels {
  const call = (name: string) => {
    const kernel = tf.getKernel(name, BACKEND).kernelFunc;
    return (backend: BackendWasm, inputs: Record<string, tfjs.TensorInfo>, attrs: object): tfjs.TensorInfo =>
      kernel({ inputs, backend, attrs: attrs as tfjs.NamedAttrMap }) as tfjs.TensorInfo;
  };
  const [conv2d, matMul, transpose] = [call("Conv2D"), call("BatchMatMul"), call("Transpose")];
  const [slice, reverse, sum] = [call("Slice"), call("Reverse"), call("Sum")];
  return {
    conv2d: (backend, x, filter, attributes) => conv2d(backend, { x, filter }, attributes),
    matMul: (backend, a, b, transposeA = false, transposeB = false) =>
      matMul(backend, { a, b }, { transposeA, transposeB }),
    transpose: (backend, x, perm) => transpose(backend, { x }, { perm }),
    slice: (backend, x, begin, size) => slice(backend, { x }, { begin, size }),
    reverse: (backend, x, dims) => reverse(backend, { x }, { dims }),
    sum: (backend, x, attributes) => sum(backend, { x }, attributes),
  };
}

/** The same data under another shape; does not own it. */
function viewAs(tensor: tfjs.TensorInfo, shape: number[]): tfjs.TensorInfo {
  return { dataId: tensor.dataId, shape, dtype: tensor.dtype };
}

/** Heap views die when the heap grows: take them after the last allocation. */
function heapOf(backend: BackendWasm, tensor: tfjs.TensorInfo): Float32Array {
  return backend.typedArrayFromHeap(tensor) as Float32Array;
}

function convGeometry(tf: Tf, inShape: Shape4D, filterShape: Shape4D, attributes: ConvAttributes): Geometry {
  const { strides, pad, dimRoundingMode } = attributes;
  return geometryOf(
    tf.backend_util.computeConv2DInfo(
      inShape,
      filterShape,
      strides,
      1,
      pad,
      dimRoundingMode,
      false,
      "channelsLast",
    ),
  );
}

function poolGeometry(tf: Tf, inShape: Shape4D, attributes: PoolAttributes): Geometry {
  const { filterSize, strides, pad, dimRoundingMode } = attributes;
  return geometryOf(tf.backend_util.computePool2DInfo(inShape, filterSize, strides, 1, pad, dimRoundingMode));
}

/**
 * Gradient of a convolution by its filter, [height, width, inChannels, outChannels]: the image, with channels for batch,
 * convolved by the output gradient, with batch for channels. The stride of the convolution becomes the dilation here.
 */
function convFilterGradient(tf: Tf, stock: StockKernels) {
  return (
    { x, dy }: { x: tfjs.TensorInfo; dy: tfjs.TensorInfo },
    attributes: ConvAttributes & { filterShape: Shape4D },
    backend: BackendWasm,
  ): tfjs.TensorInfo => {
    const geometry = convGeometry(tf, x.shape as Shape4D, attributes.filterShape, attributes);
    const { inChannels, outChannels, windowHeight, windowWidth, strideHeight, strideWidth, padding } =
      geometry;
    // What the windows never reach must not add rows to the result; what they reach beyond the image is padding.
    const bottom = (geometry.outHeight - 1) * strideHeight + windowHeight - geometry.inHeight - padding.top;
    const right = (geometry.outWidth - 1) * strideWidth + windowWidth - geometry.inWidth - padding.left;

    const image = stock.transpose(backend, x, [3, 1, 2, 0]);
    const filter = stock.transpose(backend, dy, [1, 2, 0, 3]);
    let taps = stock.conv2d(backend, image, filter, {
      strides: 1,
      dilations: [strideHeight, strideWidth],
      pad: [
        [0, 0],
        [padding.top, Math.max(0, bottom)],
        [padding.left, Math.max(0, right)],
        [0, 0],
      ],
      dataFormat: "NHWC",
    });
    backend.disposeData(image.dataId);
    backend.disposeData(filter.dataId);
    if (taps.shape[1] !== windowHeight || taps.shape[2] !== windowWidth) {
      const cropped = stock.slice(
        backend,
        taps,
        [0, 0, 0, 0],
        [inChannels, windowHeight, windowWidth, outChannels],
      );
      backend.disposeData(taps.dataId);
      taps = cropped;
    }
    const gradient = stock.transpose(backend, taps, [1, 2, 0, 3]);
    backend.disposeData(taps.dataId);
    return gradient;
  };
}

/**
 * Gradient of a convolution by its input, [batch, height, width, channels].
 * A convolution that keeps the image's size goes backwards as a convolution with the turned filter. One that shrinks it
 * would convolve mostly padding then (2.3 times the work in LeNet's second layer), so there each output gradient is
 * spread over its window: one product, then a sum of overlapping windows.
 */
function convInputGradient(tf: Tf, stock: StockKernels) {
  return (
    { dy, filter }: { dy: tfjs.TensorInfo; filter: tfjs.TensorInfo },
    attributes: ConvAttributes & { inputShape: Shape4D },
    backend: BackendWasm,
  ): tfjs.TensorInfo => {
    const geometry = convGeometry(tf, attributes.inputShape, filter.shape as Shape4D, attributes);
    const { inHeight, inWidth, outHeight, outWidth, strideHeight, strideWidth, windowHeight, windowWidth } =
      geometry;
    const { top, left } = geometry.padding;
    const bottom = inHeight - outHeight + top;
    const right = inWidth - outWidth + left;
    const convolves =
      strideHeight === 1 &&
      strideWidth === 1 &&
      inHeight * inWidth <= 1.3 * outHeight * outWidth &&
      top < windowHeight &&
      left < windowWidth &&
      bottom >= 0 &&
      right >= 0;
    if (!convolves) return spreadWindows(stock, backend, dy, filter, geometry);

    const turned = stock.reverse(backend, filter, [0, 1]);
    const backwards = stock.transpose(backend, turned, [0, 1, 3, 2]);
    backend.disposeData(turned.dataId);
    const gradient = stock.conv2d(backend, dy, backwards, {
      strides: 1,
      dilations: 1,
      pad: [
        [0, 0],
        [windowHeight - 1 - top, bottom],
        [windowWidth - 1 - left, right],
        [0, 0],
      ],
      dataFormat: "NHWC",
    });
    backend.disposeData(backwards.dataId);
    return gradient;
  };
}

/** Each output gradient times the filter, added into the image where its window lies. */
function spreadWindows(
  stock: StockKernels,
  backend: BackendWasm,
  dy: tfjs.TensorInfo,
  filter: tfjs.TensorInfo,
  geometry: Geometry,
): tfjs.TensorInfo {
  const { batch, inHeight, inWidth, inChannels, outHeight, outWidth, outChannels } = geometry;
  const { windowHeight, windowWidth, strideHeight, strideWidth, padding } = geometry;
  const patchSize = windowHeight * windowWidth * inChannels;
  const taps = stock.transpose(backend, viewAs(filter, [patchSize, outChannels]), [1, 0]);
  const rows = viewAs(dy, [1, batch * outHeight * outWidth, outChannels]);
  const patches = stock.matMul(backend, rows, viewAs(taps, [1, outChannels, patchSize]));
  backend.disposeData(taps.dataId);

  const gradient = backend.makeOutput([batch, inHeight, inWidth, inChannels], "float32");
  const patch = heapOf(backend, patches);
  const image = heapOf(backend, gradient).fill(0);
  const rowLength = inWidth * inChannels;
  const patchRow = windowWidth * inChannels;
  for (let n = 0; n < batch; n++) {
    for (let outRow = 0; outRow < outHeight; outRow++) {
      const firstRow = outRow * strideHeight - padding.top;
      const rowSpan = clipWindow(outRow, strideHeight, padding.top, windowHeight, inHeight);
      for (let outColumn = 0; outColumn < outWidth; outColumn++) {
        const firstColumn = outColumn * strideWidth - padding.left;
        const span = clipWindow(outColumn, strideWidth, padding.left, windowWidth, inWidth);
        const count = (span.end - span.start) * inChannels;
        const patchStart =
          ((n * outHeight + outRow) * outWidth + outColumn) * patchSize +
          (span.start - firstColumn) * inChannels;
        for (let row = rowSpan.start; row < rowSpan.end; row++) {
          const from = patchStart + (row - firstRow) * patchRow;
          const to = (n * inHeight + row) * rowLength + span.start * inChannels;
          for (let i = 0; i < count; i++) image[to + i]! += patch[from + i]!;
        }
      }
    }
  }
  backend.disposeData(patches.dataId);
  return gradient;
}

/**
 * Gradient of a max pool: each window's gradient goes to its first greatest cell in reading order, as in TensorFlow.
 * The greatest value is at hand in `output`, so a cell is found by equality; a window of NaN gives to its first cell.
 */
function maxPoolGradient(tf: Tf) {
  return (
    { dy, input, output }: { dy: tfjs.TensorInfo; input: tfjs.TensorInfo; output: tfjs.TensorInfo },
    attributes: PoolAttributes,
    backend: BackendWasm,
  ): tfjs.TensorInfo => {
    const geometry = poolGeometry(tf, input.shape as Shape4D, attributes);
    const { batch, inHeight, inWidth, inChannels, outHeight, outWidth } = geometry;
    const { windowHeight, windowWidth, strideHeight, strideWidth, padding } = geometry;
    const result = backend.makeOutput(input.shape, "float32");
    const [values, greatest, given] = [heapOf(backend, input), heapOf(backend, output), heapOf(backend, dy)];
    const gradient = heapOf(backend, result).fill(0);
    const rowLength = inWidth * inChannels;
    let cell = 0;
    for (let n = 0; n < batch; n++) {
      for (let outRow = 0; outRow < outHeight; outRow++) {
        const rows = clipWindow(outRow, strideHeight, padding.top, windowHeight, inHeight);
        for (let outColumn = 0; outColumn < outWidth; outColumn++) {
          const columns = clipWindow(outColumn, strideWidth, padding.left, windowWidth, inWidth);
          const first = (n * inHeight + rows.start) * rowLength + columns.start * inChannels;
          const height = rows.end - rows.start;
          const width = (columns.end - columns.start) * inChannels;
          for (let channel = 0; channel < inChannels; channel++, cell++) {
            const wanted = greatest[cell]!;
            let at = first + channel;
            search: for (let row = 0; row < height; row++) {
              const start = first + row * rowLength + channel;
              for (let i = start; i < start + width; i += inChannels) {
                if (values[i] === wanted) {
                  at = i;
                  break search;
                }
              }
            }
            gradient[at]! += given[cell]!;
          }
        }
      }
    }
    return result;
  };
}

/** Gradient of an average pool that divides by the cells inside the image, as the forward kernel does. */
function averagePoolGradient(tf: Tf) {
  return (
    { dy, input }: { dy: tfjs.TensorInfo; input: tfjs.TensorInfo },
    attributes: PoolAttributes,
    backend: BackendWasm,
  ): tfjs.TensorInfo => {
    const geometry = poolGeometry(tf, input.shape as Shape4D, attributes);
    const { batch, inHeight, inWidth, inChannels, outHeight, outWidth } = geometry;
    const { windowHeight, windowWidth, strideHeight, strideWidth, padding } = geometry;
    const counts = cellsInside(geometry);
    const result = backend.makeOutput(input.shape, "float32");
    const given = heapOf(backend, dy);
    const gradient = heapOf(backend, result).fill(0);
    const rowLength = inWidth * inChannels;
    for (let n = 0; n < batch; n++) {
      for (let outRow = 0; outRow < outHeight; outRow++) {
        const rows = clipWindow(outRow, strideHeight, padding.top, windowHeight, inHeight);
        for (let outColumn = 0; outColumn < outWidth; outColumn++) {
          const columns = clipWindow(outColumn, strideWidth, padding.left, windowWidth, inWidth);
          const share = 1 / counts[outRow * outWidth + outColumn]!;
          const from = ((n * outHeight + outRow) * outWidth + outColumn) * inChannels;
          for (let row = rows.start; row < rows.end; row++) {
            for (let column = columns.start; column < columns.end; column++) {
              const to = (n * inHeight + row) * rowLength + column * inChannels;
              for (let channel = 0; channel < inChannels; channel++) {
                gradient[to + channel]! += given[from + channel]! * share;
              }
            }
          }
        }
      }
    }
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
function sum(stock: StockKernels) {
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
    if (
      channels === undefined ||
      x.dtype !== "float32" ||
      rank < 2 ||
      axes.size !== rank - 1 ||
      axes.has(rank - 1)
    ) {
      return stock.sum(backend, x, { axis, keepDims });
    }
    const result = backend.makeOutput(
      keepDims ? [...x.shape.slice(0, -1).fill(1), channels] : [channels],
      "float32",
    );
    const values = heapOf(backend, x);
    // Doubles: a chain of 37,000 float additions would lose digits that the other engines keep.
    const totals = new Float64Array(channels);
    for (let start = 0; start < values.length; start += channels) {
      for (let channel = 0; channel < channels; channel++) totals[channel]! += values[start + channel]!;
    }
    heapOf(backend, result).set(totals);
    return result;
  };
}
