import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { startEngine } from "../../../worker/nn/backend.js";
import { fill } from "../../../worker/nn/self-test.js";
import type { PadAttribute } from "../../../worker/nn/kernel-shapes.js";

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

type Convolution = typeof convolutions extends fc.Arbitrary<infer T> ? T : never;

/** Both gradients by their definition, one product at a time, in doubles. */
function gradientsByDefinition(shape: Convolution, x: Float32Array, filter: Float32Array, dy: Float32Array) {
  const { batch, height, width, inChannels, outChannels, windowHeight, windowWidth, stride, pads } = shape;
  const [top, bottom, left, right] = pads;
  const outHeight = Math.floor((height + top + bottom - windowHeight) / stride) + 1;
  const outWidth = Math.floor((width + left + right - windowWidth) / stride) + 1;
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
                const given = dy[((n * outHeight + i) * outWidth + j) * outChannels + b]!;
                byFilter[tap]! += x[at]! * given;
                byInput[at]! += filter[tap]! * given;
              }
          }
  return { byFilter, byInput };
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

test("convolution gradients on wasm equal their definition for any shape, stride and padding", () => {
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
      const expected = gradientsByDefinition(shape, x, filter, dy.dataSync<"float32">());
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
