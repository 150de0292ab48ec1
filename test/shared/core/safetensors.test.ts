import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { decodeSafetensors, encodeSafetensors, type TensorFile } from "../../../shared/core/safetensors.js";
import { ClusterError } from "../../../shared/errors.js";

/** A file with this header text and so many zero bytes of data. */
function fileOf(header: unknown, dataBytes: number): Uint8Array {
  const json = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const file = Buffer.alloc(8 + json.length + dataBytes);
  file.writeBigUInt64LE(BigInt(json.length));
  json.copy(file, 8);
  return file;
}

/** The error of a file that must not be read. */
function refusal(file: Uint8Array): string {
  try {
    decodeSafetensors(file, "the file");
  } catch (error) {
    assert.ok(error instanceof ClusterError && error.code === "data", `threw ${String(error)}`);
    assert.ok(error.message.startsWith("Cannot read the file: "));
    return error.message;
  }
  assert.fail("the file was accepted");
}

const F32 = (shape: number[], begin: number, end: number): object => ({
  dtype: "F32",
  shape,
  data_offsets: [begin, end],
});

const files: fc.Arbitrary<TensorFile> = fc.record({
  metadata: fc.dictionary(fc.string(), fc.string(), { noNullPrototype: true, maxKeys: 4 }),
  tensors: fc
    .uniqueArray(
      fc.record({
        name: fc.string({ minLength: 1, unit: "grapheme" }).map((name) => `layer/${name}`),
        shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }),
      }),
      { selector: ({ name }) => name, maxLength: 6 },
    )
    .chain((definitions) =>
      fc.tuple(
        ...definitions.map(({ name, shape }) => {
          const size = shape.reduce((product, extent) => product * extent, 1);
          return fc
            .array(fc.float(), { minLength: size, maxLength: size })
            .map((values) => ({ name, shape, values: Float32Array.from(values) }));
        }),
      ),
    ),
});

test("what was written is read back: names, shapes, every bit, metadata", () => {
  fc.assert(
    fc.property(files, (file) => {
      const bytes = encodeSafetensors(file);
      const read = decodeSafetensors(bytes, "it");
      assert.deepEqual(read.tensors, file.tensors);
      assert.deepEqual(read.metadata, file.metadata);
      const headerBytes = Number(new DataView(bytes.buffer).getBigUint64(0, true));
      assert.equal((8 + headerBytes) % 8, 0, "tensors are aligned");
    }),
  );
});

test("the file is laid out as the format says: length, JSON, bytes in order", () => {
  const file = encodeSafetensors({
    metadata: { step: "7" },
    tensors: [
      { name: "a", shape: [2], values: Float32Array.of(1, 2) },
      { name: "b", shape: [], values: Float32Array.of(-1) },
    ],
  });
  const length = Number(new DataView(file.buffer).getBigUint64(0, true));
  assert.deepEqual(JSON.parse(Buffer.from(file.subarray(8, 8 + length)).toString()), {
    __metadata__: { step: "7" },
    a: { dtype: "F32", shape: [2], data_offsets: [0, 8] },
    b: { dtype: "F32", shape: [], data_offsets: [8, 12] },
  });
  assert.equal(Buffer.from(file.subarray(8 + length)).toString("hex"), "0000803f" + "00000040" + "000080bf");
});

test("the values read are copies, and may be read from any place in memory", () => {
  const bytes = encodeSafetensors({
    metadata: {},
    tensors: [{ name: "a", shape: [2], values: Float32Array.of(1, 2) }],
  });
  const pooled = Buffer.concat([Buffer.of(1, 2, 3), bytes]).subarray(3); // what readFile gives: a Buffer, unaligned
  const { tensors } = decodeSafetensors(pooled, "it");
  pooled.fill(0);
  assert.deepEqual(tensors, [{ name: "a", shape: [2], values: Float32Array.of(1, 2) }]);
});

test("a part of a larger array is written as that part alone", () => {
  const vector = Float32Array.of(1, 2, 3, 4);
  const file = encodeSafetensors({
    metadata: {},
    tensors: [{ name: "a", shape: [2], values: vector.subarray(1, 3) }],
  });
  assert.deepEqual(decodeSafetensors(file, "it").tensors[0]?.values, Float32Array.of(2, 3));
});

test("a header that is too long, missing or no JSON object of tensors is refused", () => {
  for (const length of [0, 1, 7]) assert.match(refusal(new Uint8Array(length)), /too short/);
  assert.match(refusal(Buffer.alloc(8, 255)), /claims 18446744073709551615 bytes, the file has 8/);
  const cut = fileOf({ a: F32([1], 0, 4) }, 4).subarray(0, 20);
  assert.match(refusal(cut), /claims/);
  for (const header of [
    "",
    "{",
    "null",
    "3",
    '"x"',
    "[]",
    "{}",
    '{"a":1}',
    '{"a":null}',
    '{"a":[0]',
    "\ufeff{}",
  ]) {
    refusal(fileOf(header, 0));
  }
  const invalidUtf8 = Buffer.concat([fileOf("", 0).subarray(0, 8), Buffer.of(0x7b, 0xff, 0x7d)]);
  invalidUtf8.writeBigUInt64LE(3n);
  refusal(invalidUtf8);
});

test("tensors that overlap, leave the data, or do not have their shape's size are refused", () => {
  assert.match(refusal(fileOf({ a: F32([2], 0, 8), b: F32([2], 4, 12) }, 12)), /overlap/);
  assert.match(refusal(fileOf({ b: F32([2], 4, 12), a: F32([2], 0, 8) }, 12)), /overlap/);
  assert.match(refusal(fileOf({ a: F32([2], 0, 8), b: F32([2], 0, 8) }, 8)), /overlap/);
  const huge = 2 ** 53 - 1;
  for (const [shape, begin, end] of [
    [[3], 0, 12], // beyond the data
    [[3], 0, 8],
    [[2], 8, 0],
    [[1], 8, 12],
    [[huge, huge], 0, 8],
    [[huge], 0, huge],
    [[2], huge - 8, huge],
    [[], 0, 0],
  ] as const) {
    assert.match(refusal(fileOf({ a: F32([...shape], begin, end) }, 8)), /tensor "a"/);
  }
  for (const entry of [
    { dtype: "F32", shape: [-1], data_offsets: [0, 4] },
    { dtype: "F32", shape: [0.5, 2], data_offsets: [0, 4] },
    { dtype: "F32", shape: "1", data_offsets: [0, 4] },
    { dtype: "F32", shape: [1], data_offsets: [0] },
    { dtype: "F32", shape: [1], data_offsets: [0, 4, 4] },
    { dtype: "F32", shape: [1] },
    { dtype: "BF16", shape: [2], data_offsets: [0, 4] },
    { dtype: { toString: 1 }, shape: [2], data_offsets: [0, 4] },
    {},
    [],
  ]) {
    assert.match(refusal(fileOf({ a: entry }, 4)), /tensor "a"/);
  }
});

test("metadata that is no text does not break reading", () => {
  const { metadata } = decodeSafetensors(
    fileOf({ __metadata__: { a: { toString: 1 }, b: 2, c: "x" } }, 0),
    "it",
  );
  assert.equal(metadata["c"], "x");
});

test("whatever the bytes, reading succeeds or throws ClusterError", () => {
  const tolerant = (file: Uint8Array): void => {
    try {
      decodeSafetensors(file, "it");
    } catch (error) {
      assert.ok(error instanceof ClusterError && error.code === "data", `threw ${String(error)}`);
    }
  };
  const options = { numRuns: 500 };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), tolerant), options);
  fc.assert(
    fc.property(fc.json(), fc.nat(32), (header, dataBytes) => {
      tolerant(fileOf(header, dataBytes));
      tolerant(fileOf(`{"a":${header},"__metadata__":{"k":${header}}}`, dataBytes));
      tolerant(fileOf(`{"a":{"dtype":${header},"shape":[1],"data_offsets":[0,4]}}`, dataBytes));
      tolerant(fileOf(`{"a":{"dtype":"F32","shape":${header},"data_offsets":${header}}}`, dataBytes));
      tolerant(fileOf(`{"__metadata__":${header}}`, dataBytes));
    }),
    options,
  );
  fc.assert(
    fc.property(files, fc.nat(), fc.nat(255), (file, place, byte) => {
      const bytes = encodeSafetensors(file);
      bytes[place % bytes.length] = byte;
      tolerant(bytes);
      tolerant(bytes.subarray(0, place % bytes.length));
    }),
    options,
  );
});
