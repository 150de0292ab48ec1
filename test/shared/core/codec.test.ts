import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  BODY_BYTES,
  type ChunkHeader,
  HEADER_BYTES,
  bodyOf,
  chunkCountOf,
  chunkPlace,
  decodeChunk,
  frameIn,
  frameLength,
  framesLength,
  roundedInChunk,
  sealChunk,
  valuesOfChunk,
} from "../../../shared/core/chunk.js";
import {
  decodeBody,
  encodeBody,
  encodedLength,
  exactBytes,
  mergeBody,
  moveIntoBody,
  roundedGradients,
  roundedWeights,
} from "../../../shared/core/codec.js";
import { BufferPool, TreeSum } from "../../../shared/core/reduction.js";
import { placeTensors, weightsEnd } from "../../../shared/core/layout.js";
import { VectorMemory } from "../../../shared/core/vectors/vector-memory.js";
import { roundedCopy } from "../../support/bf16-reference.js";

const HEADER: Omit<ChunkHeader, keyof ReturnType<typeof chunkPlace>> = {
  ...{ kind: "gradient", codec: "bf16", runHash: "0123456789abcdef", term: 1, step: 2, node: 3 },
  ...{ attempt: 1, shard: 0 },
};

/** Streams around the ends of a chunk, and how many of their values are rounded. */
const streams = fc
  .tuple(fc.constantFrom(0, 1, 2), fc.integer({ min: 1, max: 40 }))
  .map(([chunks, more]) => (chunks * BODY_BYTES) / 4 + more)
  .chain((values) =>
    fc.record({
      values: fc.constant(values),
      rounded: fc.oneof(fc.constantFrom(0, values), fc.nat(values)),
    }),
  );

const numbers = (count: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(i) * 2 ** ((i % 50) - 25));

test("a vector in bf16 frames comes out rounded where it is to be, and as it was where it is not", () => {
  fc.assert(
    fc.property(streams, ({ values: count, rounded }) => {
      const values = numbers(count);
      const totalBytes = 4 * count;
      const frames = new Uint8Array(framesLength(totalBytes));
      const found = new Float32Array(count);
      let sent = 0;
      for (let chunk = 0; chunk < chunkCountOf(totalBytes); chunk++) {
        const here = roundedInChunk(totalBytes, chunk, rounded);
        const frame = frameIn(frames, totalBytes, chunk, rounded);
        assert.equal(frame.byteLength, frameLength(totalBytes, chunk, rounded));
        encodeBody(bodyOf(frame), valuesOfChunk(values, chunk), here);
        sealChunk(frame, { ...HEADER, ...chunkPlace(totalBytes, chunk) });
        const decoded = decodeChunk(frame);
        assert.ok(decoded.ok);
        assert.equal(decoded.header.codec, "bf16");
        assert.ok(decodeBody(valuesOfChunk(found, chunk), decoded.body, here));
        sent += decoded.body.byteLength;

        const moved = new Uint8Array(bodyOf(frame).byteLength);
        moveIntoBody(moved, valuesOfChunk(values, chunk).slice(), here);
        assert.deepEqual(moved, bodyOf(frame));
      }
      assert.deepEqual(found, roundedCopy(values, rounded));
      assert.equal(sent, encodedLength(count, rounded));
    }),
    { numRuns: 30 },
  );
});

test("a body that no split into two and four bytes a value fits is refused by its size, whatever it says", () => {
  const most = 4 * 100;
  for (const bodyBytes of [0, 1, 199, 201, 399, 401, 402, 800]) {
    const frame = new Uint8Array(HEADER_BYTES + bodyBytes);
    sealChunk(frame, { ...HEADER, ...chunkPlace(most, 0) });
    assert.deepEqual(decodeChunk(frame), { ok: false, reason: "size" }, `${bodyBytes} bytes`);
  }
  for (const bodyBytes of [200, 202, 398, 400]) {
    const frame = new Uint8Array(HEADER_BYTES + bodyBytes);
    sealChunk(frame, { ...HEADER, ...chunkPlace(most, 0) });
    assert.ok(decodeChunk(frame).ok, `${bodyBytes} bytes`);
    sealChunk(frame, { ...HEADER, codec: "fp32", ...chunkPlace(most, 0) });
    assert.equal(decodeChunk(frame).ok, bodyBytes === most);
  }
  // Half a value.
  const odd = new Uint8Array(HEADER_BYTES + 202);
  sealChunk(odd, { ...HEADER, ...chunkPlace(402, 0) });
  assert.deepEqual(decodeChunk(odd), { ok: false, reason: "size" });
});

test("whatever bytes claim to be a bf16 chunk, reading them is a reason or a chunk, never an exception", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(), fc.nat(), (bytes, totalBytes, chunk) => {
      const frame = new Uint8Array(HEADER_BYTES + bytes.length);
      frame.set(bytes, HEADER_BYTES);
      const header: ChunkHeader = { ...HEADER, ...chunkPlace(totalBytes % 2 ** 32, 0), chunk };
      sealChunk(frame, header);
      const decoded = decodeChunk(frame);
      if (!decoded.ok) return;
      const tree = new TreeSum(1, new BufferPool(Math.ceil(totalBytes / 4) % 200));
      for (const rounded of [0, 1, 50, 199]) tree.addBytes(1, decoded.body, undefined, rounded);
      exactBytes(decoded.body, 500);
    }),
  );
});

test("slots that were rounded by themselves have one sum, whoever summed which and wherever the bytes lie", () => {
  const rows = fc.array(fc.float({ noNaN: true, min: -(2 ** 99), max: 2 ** 99 }), {
    minLength: 9,
    maxLength: 9,
  });
  fc.assert(
    fc.property(
      fc.array(rows, { minLength: 4, maxLength: 4 }),
      fc.nat(9),
      fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 }),
      fc.boolean(),
      (slots, rounded, order, isPaired) => {
        const vectors = slots.map((row) => Float32Array.from(row));
        const [a, b, c, d] = vectors.map((row) => roundedCopy(row, rounded)) as [
          Float32Array,
          Float32Array,
          Float32Array,
          Float32Array,
        ];
        const add = (left: Float32Array, right: Float32Array): Float32Array =>
          left.map((value, i) => value + (right[i] as number));
        const expected = add(add(a, b), add(c, d));
        for (const memory of [undefined, new VectorMemory()]) {
          const tree = new TreeSum(4, new BufferPool(9, memory));
          // Slots 2 and 3 come as one sum, in fp32.
          const single = isPaired ? order.filter((slot) => slot < 2) : order;
          for (const slot of single) {
            const body = new Uint8Array(encodedLength(9, rounded));
            encodeBody(body, vectors[slot] as Float32Array, rounded);
            assert.equal(tree.addBytes(4 + slot, body, undefined, rounded), "added");
            assert.equal(tree.addBytes(4 + slot, body, undefined, rounded), "duplicate");
          }
          if (isPaired) assert.equal(tree.add(3, add(c, d)), "added");
          assert.deepEqual(tree.root?.slice(), expected);
        }
      },
    ),
  );
});

test("a value that is not finite, a body of another size and a torn one change no sum", () => {
  for (const memory of [undefined, new VectorMemory()]) {
    const pool = new BufferPool(4, memory);
    const tree = new TreeSum(2, pool);
    const bodyWith = (...values: number[]): Uint8Array => {
      const body = new Uint8Array(encodedLength(4, 3));
      encodeBody(body, Float32Array.from(values), 3);
      return body;
    };
    assert.equal(tree.addBytes(2, bodyWith(1, 2, 3, 4), undefined, 3), "added");
    for (const values of [
      [1, Number.NaN, 1, 1],
      [Infinity, 1, 1, 1],
      [1, 1, 1, -Infinity],
      // Finite before it was rounded.
      [3.4e38, 1, 1, 1],
    ])
      assert.equal(tree.addBytes(3, bodyWith(...values), undefined, 3), "nonfinite", values.join());
    for (const rounded of [0, 1, 2, 4])
      assert.equal(tree.addBytes(3, bodyWith(1, 1, 1, 1), undefined, rounded), "wrong-size");
    assert.equal(
      tree.addBytes(3, bodyWith(1, 1, 1, 1), () => false, 3),
      "torn",
    );
    assert.equal(tree.covers(3), false);
    assert.equal(tree.addBytes(3, bodyWith(10, 20, 30, 40), undefined, 3), "added");
    assert.deepEqual([...(tree.root as Float32Array)], [11, 22, 33, 44]);
  }
});

test("weights are rounded and moments are not; one slot travels rounded, a sum of several does not", () => {
  const tensor = (name: string, role: "weight" | "moment", size: number) =>
    ({
      name,
      role,
      shape: [size],
      initial: { kind: "constant", value: 0 },
      rateMultiplier: 1,
      decays: false,
    }) as const;
  const layout = placeTensors([tensor("a", "weight", 5), tensor("m", "moment", 2), tensor("b", "weight", 4)]);
  assert.equal(weightsEnd(layout), 9);
  assert.equal(weightsEnd(placeTensors([tensor("a", "weight", 5)])), 5);
  assert.equal(roundedWeights("bf16", layout), 9);
  for (const codec of ["fp32", undefined] as const) {
    assert.equal(roundedWeights(codec, layout), undefined);
    assert.equal(roundedGradients(codec, layout, 1), undefined);
  }
  assert.equal(roundedGradients("bf16", layout, 1), 9);
  for (const slots of [2, 4, 1024]) assert.equal(roundedGradients("bf16", layout, slots), undefined);
});

test("what is held is added to what is encoded in one pass, also where the body lies beside other bytes", () => {
  const values = numbers(33);
  const held = numbers(66).subarray(33);
  const body = new Uint8Array(encodedLength(33, 20));
  encodeBody(body, values, 20);
  const target = new Float32Array(33);
  assert.ok(mergeBody(target, held, body, 20));
  assert.deepEqual(
    target,
    roundedCopy(values, 20).map((value, i) => value + (held[i] as number)),
  );
});
