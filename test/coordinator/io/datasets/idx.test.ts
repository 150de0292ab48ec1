import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseIdx } from "../../../../coordinator/io/datasets/idx.js";
import { ClusterError } from "../../../../shared/errors.js";

function idx(shape: readonly number[], data: Uint8Array): Uint8Array {
  const head = Buffer.alloc(4 + 4 * shape.length);
  head.writeUInt8(8, 2);
  head.writeUInt8(shape.length, 3);
  shape.forEach((extent, i) => head.writeUInt32BE(extent, 4 + 4 * i));
  return Buffer.concat([head, data]);
}

const isRefusal = (pattern: RegExp) => (error: unknown) =>
  error instanceof ClusterError &&
  error.code === "data" &&
  pattern.test(error.message) &&
  /file\.idx/.test(error.message);

test("shape and data are read, wherever the file lies in memory", () => {
  const file = idx([2, 3], Uint8Array.of(1, 2, 3, 4, 5, 6));
  for (const bytes of [file, Buffer.concat([Buffer.of(9), file]).subarray(1)]) {
    const { shape, data } = parseIdx(bytes, "file.idx");
    assert.deepEqual(
      [shape, [...data]],
      [
        [2, 3],
        [1, 2, 3, 4, 5, 6],
      ],
    );
  }
});

test("a file that is cut short or too long is refused with both sizes", () => {
  const file = idx([2, 3], new Uint8Array(6));
  assert.throws(() => parseIdx(file.subarray(0, -1), "file.idx"), isRefusal(/holds 5 bytes.*promises 6/));
  assert.throws(
    () => parseIdx(Buffer.concat([file, Buffer.of(0)]), "file.idx"),
    isRefusal(/holds 7 bytes.*promises 6/),
  );
  assert.throws(
    () => parseIdx(idx([0xffffffff, 0xffffffff, 0xffffffff], new Uint8Array(9)), "file.idx"),
    isRefusal(/holds 9/),
  );
});

test("other files are refused: empty, gzip, wrong type, no rank, header cut", () => {
  const good = idx([2], Uint8Array.of(1, 2));
  const changed = (place: number, value: number): Uint8Array =>
    Uint8Array.from(good).fill(value, place, place + 1);
  const bad = [
    new Uint8Array(),
    Uint8Array.of(0x1f, 0x8b, 8, 0),
    changed(0, 1),
    changed(1, 1),
    changed(2, 9),
    changed(3, 0),
  ];
  for (const file of [...bad, changed(3, 200), ...[1, 3, 4, 7].map((length) => good.subarray(0, length))]) {
    assert.throws(() => parseIdx(file, "file.idx"), isRefusal(/./));
  }
});

test("arbitrary bytes are read or refused, never anything else", () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.uint8Array({ maxLength: 40 }).map((tail) => idx([4], tail)),
  );
  fc.assert(
    fc.property(bytes, (file) => {
      try {
        const { shape, data } = parseIdx(file, "file.idx");
        assert.equal(
          data.length,
          shape.reduce((product, extent) => product * extent, 1),
        );
      } catch (error) {
        assert.ok(error instanceof ClusterError, String(error));
      }
    }),
    { numRuns: 500 },
  );
});
