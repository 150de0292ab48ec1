import { test } from "node:test";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { startEngine } from "../../../worker/engine/eager/backend.js";
import { fill } from "../../../worker/engine/eager/self-test-subjects.js";
import {
  averagePoolGradient,
  maxPool,
  maxPoolGradient,
  type Pool,
} from "../../../worker/engine/eager/pooling.js";
import type { PadAttribute } from "../../../worker/engine/eager/kernel-shapes.js";

const { tf } = await startEngine("wasm");

/** A convolution's shapes, with windows that fit into the padded image. */
const convolutions = fc
  .record({
    batch: fc.integer({ min: 1, max: 3 }),
    height: fc.integer({ min: 1, max: 7 }),
    width: fc.integer({ min: 1, max: 7 }),
    inChannels: fc.integer({ min: 1, max: 3 }),
    outChannels: fc.integer({ min: 1, max: 3 }),
    windowHeight: fc.integer({ min: 1, max: 4 }),
    windowWidth: fc.integer({ min: 1, max: 4 }),
    stride: fc.integer({ min: 1, max: 3 }),
    pads: fc.tuple(...([0, 1, 2, 3].map(() => fc.integer({ min: 0, max: 2 })) as [fc.Arbitrary<number>, fc.Arbitrary<number>, fc.Arbitrary<number>, fc.Arbitrary<number>])), // prettier-ignore
  })
  .filter(({ height, width, windowHeight, windowWidth, pads: [top, bottom, left, right] }) => {
    return height + top + bottom >= windowHeight && width + left + right >= windowWidth;
  });

interface PoolShape {
  height: number;
  width: number;
  channels: number;
  window: number;
  stride: number;
  before: number;
  after: number;
}

type Convolution = typeof convolutions extends fc.Arbitrary<infer T> ? T : never;

/** A convolution and both its gradients by their definition, one product at a time, in doubles. */
function convolutionByDefinition(
  shape: Convolution,
  x: Float32Array,
  filter: Float32Array,
  dy: Float32Array,
) {
  const { batch, height, width, inChannels, outChannels, windowHeight, windowWidth, stride, pads } = shape;
  const [top, bottom, left, right] = pads;
  const outHeight = Math.floor((height + top + bottom - windowHeight) / stride) + 1;
  const outWidth = Math.floor((width + left + right - windowWidth) / stride) + 1;
  const forward = new Float64Array(dy.length);
  const byFilter = new Float64Array(filter.length);
  const byInput = new Float64Array(x.length);
  for (let n = 0; n < batch; n++)
    for (let i = 0; i < outHeight; i++)
      for (let j = 0; j < outWidth; j++)
        for (let r = 0; r < windowHeight; r++)
          for (let c = 0; c < windowWidth; c++) {
            const [row, column] = [i * stride + r - top, j * stride + c - left];
            if (row < 0 || row >= height || column < 0 || column >= width) continue;
            for (let a = 0; a < inChannels; a++)
              for (let b = 0; b < outChannels; b++) {
                const at = ((n * height + row) * width + column) * inChannels + a;
                const tap = ((r * windowWidth + c) * inChannels + a) * outChannels + b;
                const result = ((n * outHeight + i) * outWidth + j) * outChannels + b;
                forward[result]! += x[at]! * filter[tap]!;
                byFilter[tap]! += x[at]! * dy[result]!;
                byInput[at]! += filter[tap]! * dy[result]!;
              }
          }
  return { forward, byFilter, byInput };
}

function assertClose(actual: ArrayLike<number>, expected: ArrayLike<number>): void {
  assert.equal(actual.length, expected.length);
  for (let i = 0; i < expected.length; i++) {
    // Sums of at most 441 products of numbers below 1: float rounding stays below 1e-4.
    assert.ok(
      Math.abs(actual[i]! - expected[i]!) <= 1e-4,
      `cell ${i}: ${actual[i]} instead of ${expected[i]}`,
    );
  }
}

test("convolutions and their gradients on wasm equal their definition for any shape, stride and padding", () => {
  const tensors = tf.memory().numTensors;
  const check = (shape: Convolution): void => {
    const { batch, height, width, inChannels, outChannels, windowHeight, windowWidth, stride, pads } = shape;
    const [top, bottom, left, right] = pads;
    const inputShape: [number, number, number, number] = [batch, height, width, inChannels];
    const filterShape: [number, number, number, number] = [
      windowHeight,
      windowWidth,
      inChannels,
      outChannels,
    ];
    const x = fill(batch * height * width * inChannels, 1);
    const filter = fill(windowHeight * windowWidth * inChannels * outChannels, 2);
    const pad: PadAttribute = [[0, 0], [top, bottom], [left, right], [0, 0]]; // prettier-ignore
    const attributes = { strides: stride, pad: pad as unknown as number, dataFormat: "NHWC" };
    tf.tidy(() => {
      const [xTensor, filterTensor] = [tf.tensor4d(x, inputShape), tf.tensor4d(filter, filterShape)];
      const y = tf.conv2d(xTensor, filterTensor, stride, pad);
      const dy = tf.tensor4d(fill(y.size, 3), y.shape);
      const expected = convolutionByDefinition(shape, x, filter, dy.dataSync<"float32">());
      const run = (kernel: string, inputs: Record<string, typeof dy>, more: object): typeof dy =>
        tf.engine().runKernel(kernel, inputs, { ...attributes, ...more });
      assertClose(
        run("Conv2DBackpropFilter", { x: xTensor, dy }, { filterShape }).dataSync(),
        expected.byFilter,
      );
      assertClose(
        run("Conv2DBackpropInput", { dy, filter: filterTensor }, { inputShape }).dataSync(),
        expected.byInput,
      );
    });
  };

  fc.assert(fc.property(convolutions, check), { numRuns: 150 });
  assert.equal(tf.memory().numTensors, tensors);
});

test("pool gradients on wasm equal their definition for any shape, stride and padding", () => {
  const tensors = tf.memory().numTensors;
  const pools = fc
    .record({
      height: fc.integer({ min: 1, max: 7 }),
      width: fc.integer({ min: 1, max: 7 }),
      channels: fc.integer({ min: 1, max: 9 }),
      window: fc.integer({ min: 1, max: 3 }),
      stride: fc.integer({ min: 1, max: 3 }),
      before: fc.integer({ min: 0, max: 1 }),
      after: fc.integer({ min: 0, max: 1 }),
    })
    // Every window must reach into the image.
    .filter(({ height, width, window, before, after }) => {
      return Math.min(height, width) + before + after >= window && window > Math.max(before, after);
    });
  const check = ({ height, width, channels, window, stride, before, after }: PoolShape): void => {
    const shape: [number, number, number, number] = [2, height, width, channels];
    const x = fill(2 * height * width * channels, 6, -3, -1);
    const pad: PadAttribute = [[0, 0], [before, after], [before, after], [0, 0]]; // prettier-ignore
    tf.tidy(() => {
      const image = tf.tensor4d(x, shape);
      const pool: Pool = { window, stride, pad };
      const y = maxPool(tf, image, pool);
      const dy = tf.tensor4d(fill(y.size, 7), y.shape);
      const given = dy.dataSync<"float32">();
      const [byMax, byMean] = [new Float64Array(x.length), new Float64Array(x.length)];
      const [, outHeight, outWidth] = y.shape;
      for (let n = 0; n < 2; n++)
        for (let i = 0; i < outHeight; i++)
          for (let j = 0; j < outWidth; j++)
            for (let c = 0; c < channels; c++) {
              const cells: number[] = [];
              for (let row = i * stride - before; row < i * stride - before + window; row++)
                for (let column = j * stride - before; column < j * stride - before + window; column++)
                  if (row >= 0 && row < height && column >= 0 && column < width)
                    cells.push(((n * height + row) * width + column) * channels + c);
              const share = given[((n * outHeight + i) * outWidth + j) * channels + c]!;
              const greatest = cells.reduce((best, cell) => (x[cell]! > x[best]! ? cell : best));
              byMax[greatest]! += share;
              for (const cell of cells) byMean[cell]! += share / cells.length;
            }
      assertClose(maxPoolGradient(tf, dy, image, y, pool).dataSync(), byMax);
      assertClose(averagePoolGradient(tf, dy, image, pool).dataSync(), byMean);
    });
  };

  fc.assert(fc.property(pools, check), { numRuns: 150 });
  assert.equal(tf.memory().numTensors, tensors);
});

test("sums over all axes but the last are right, with and without keeping the axes", () => {
  const values = fill(3 * 5 * 7, 8);
  const expected = new Float64Array(7);
  values.forEach((value, i) => (expected[i % 7]! += value));
  const [flat, kept] = tf.tidy(() => {
    const x = tf.tensor3d(values, [3, 5, 7]);
    const sum = tf.sum(x, [0, -2], true);
    return [tf.sum(x, [0, 1]).dataSync(), { shape: sum.shape, values: sum.dataSync() }] as const;
  });

  assertClose(flat, expected);
  assert.deepEqual(kept.shape, [1, 1, 7]);
  assertClose(kept.values, expected);
});

test("the compiled kernels are those of the source beside them", () => {
  const folder = new URL("../../../../worker/engine/wasm/", import.meta.url);
  for (const line of readFileSync(new URL("kernels.sha256", folder), "utf8").trim().split("\n")) {
    const [hash, file] = line.split(/\s+/) as [string, string];
    const actual = createHash("sha256").update(readFileSync(new URL(file, folder))).digest("hex"); // prettier-ignore
    assert.equal(actual, hash, `${file} was changed without running worker/engine/wasm/build.sh`);
  }
});

test("products on wasm are right with any factor transposed", () => {
  const tensors = tf.memory().numTensors;
  const size = fc.integer({ min: 1, max: 40 });
  fc.assert(
    fc.property(
      size,
      size,
      size,
      fc.boolean(),
      fc.boolean(),
      (rows, inner, columns, transposeA, transposeB) => {
        const a = fill(rows * inner, 4);
        const b = fill(inner * columns, 5);
        const product = tf.tidy(() => [
          ...tf
            .matMul(
              tf.tensor2d(a, transposeA ? [inner, rows] : [rows, inner]),
              tf.tensor2d(b, transposeB ? [columns, inner] : [inner, columns]),
              transposeA,
              transposeB,
            )
            .dataSync(),
        ]);
        const expected = new Float64Array(rows * columns);
        for (let i = 0; i < rows; i++)
          for (let j = 0; j < columns; j++)
            for (let k = 0; k < inner; k++) {
              const left = a[transposeA ? k * rows + i : i * inner + k]!;
              expected[i * columns + j]! += left * b[transposeB ? j * inner + k : k * columns + j]!;
            }
        assertClose(product, expected);
      },
    ),
    { numRuns: 100 },
  );
  assert.equal(tf.memory().numTensors, tensors);
});
