import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  BODY_BYTES,
  bodyLength,
  bodyOf,
  bodyOffset,
  breakSeal,
  CHUNK_BYTES,
  type ChunkHeader,
  chunkCountOf,
  chunkPlace,
  decodeChunk,
  frameIn,
  frameLength,
  framesLength,
  HEADER_BYTES,
  runHashIn,
  sealChunk,
  sealOf,
  valuesIn,
  valuesOfChunk,
} from "../../../shared/core/chunk.js";

const uint32 = fc.integer({ min: 0, max: 0xffffffff });
/** Headers that fit each other: a chunk of a stream of so many bytes. */
const headers: fc.Arbitrary<ChunkHeader> = fc
  .integer({ min: 0, max: 5 * BODY_BYTES })
  .chain((totalBytes) => fc.tuple(fc.constant(totalBytes), fc.nat(chunkCountOf(totalBytes) - 1)))
  .chain(([totalBytes, chunk]) =>
    fc.record(
      {
        kind: fc.constantFrom("gradient", "parameters"),
        codec: fc.constant("fp32"),
        runHash: fc.stringMatching(/^[0-9a-f]{16}$/),
        term: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
        step: uint32,
        node: uint32,
        attempt: uint32,
        shard: uint32,
        chunk: fc.constant(chunk),
        chunkCount: fc.constant(chunkCountOf(totalBytes)),
        offset: fc.constant(chunk * BODY_BYTES),
        totalBytes: fc.constant(totalBytes),
      },
      { noNullPrototype: true },
    ),
  );

function frameOf(header: ChunkHeader, fill = 0): Uint8Array {
  const frame = new Uint8Array(HEADER_BYTES + bodyLength(header.totalBytes, header.chunk));
  for (let i = HEADER_BYTES; i < frame.length; i++) frame[i] = (fill + i * 7) & 255;
  sealChunk(frame, header);
  return frame;
}

const SMALL: ChunkHeader = {
  kind: "gradient",
  codec: "fp32",
  runHash: "0123456789abcdef",
  term: 3,
  step: 4,
  node: 5,
  attempt: 1,
  shard: 0,
  chunk: 0,
  chunkCount: 1,
  offset: 0,
  totalBytes: 32,
};

const refusal = (frame: Uint8Array): string => {
  const decoded = decodeChunk(frame);
  return decoded.ok ? "accepted" : decoded.reason;
};

/** The frame with some bytes changed and its checksum made right again: what a hostile sender would send. */
function resealed(frame: Uint8Array, change: (view: DataView) => void): Uint8Array {
  const forged = frame.slice();
  change(new DataView(forged.buffer));
  const checksum = crc32c(Buffer.concat([forged.subarray(0, 60), forged.subarray(HEADER_BYTES)]));
  new DataView(forged.buffer).setUint32(60, checksum, true);
  return forged;
}

/** Castagnoli's CRC bit by bit, from its definition: reflected polynomial 0x82f63b78. */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

test("what was sealed is read back: every header field and the body, as a view", () => {
  fc.assert(
    fc.property(headers, fc.nat(255), (header, fill) => {
      const frame = frameOf(header, fill);
      const decoded = decodeChunk(frame);
      assert.ok(decoded.ok, decoded.ok ? "" : decoded.reason);
      assert.deepEqual(decoded.header, header);
      assert.equal(decoded.body.buffer, frame.buffer);
      assert.equal(decoded.body.byteOffset, HEADER_BYTES);
      assert.equal(decoded.body.byteLength, frame.byteLength - HEADER_BYTES);
    }),
    { numRuns: 60 },
  );
});

test("the layout on the wire is the documented one, magic first and little-endian", () => {
  const frame = frameOf({ ...SMALL, term: 2 ** 32 + 9 });
  assert.equal(Buffer.from(frame.subarray(0, 4)).toString("latin1"), "SAFC");
  assert.equal(
    Buffer.from(frame.subarray(4, 60)).toString("hex"),
    "01000101" +
      "0123456789abcdef" +
      "0900000001000000" +
      "04000000" +
      "05000000" +
      "01000000" +
      "00000000".repeat(2) +
      "01000000" +
      "00000000" +
      "20000000" +
      "20000000",
  );
  const stored = new DataView(frame.buffer).getUint32(60, true);
  assert.equal(stored, crc32c(Buffer.concat([frame.subarray(0, 60), frame.subarray(HEADER_BYTES)])));
  assert.equal(crc32c(Buffer.from("123456789")), 0xe3069283); // the published check value
});

test("a frame inside a larger or shared buffer is sealed and read in place", () => {
  const shared = new Uint8Array(new SharedArrayBuffer(500));
  const frame = shared.subarray(100, 100 + HEADER_BYTES + 32);
  frame.fill(9, HEADER_BYTES);
  sealChunk(frame, SMALL);
  assert.equal(refusal(frame), "accepted");
  assert.ok(shared.subarray(0, 100).every((byte) => byte === 0));
});

test("arbitrary bytes are refused with a reason, never an exception", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      assert.match(refusal(bytes), /^(truncated|magic|version|size|checksum)$/);
    }),
    { numRuns: 2000 },
  );
});

test("arbitrary headers under a right magic, version and checksum are never accepted unless they fit", () => {
  const words = fc.array(fc.oneof(uint32, fc.nat(3)), { minLength: 13, maxLength: 13 });
  fc.assert(
    fc.property(words, fc.integer({ min: 0, max: 80 }), (fields, bodyBytes) => {
      const frame = resealed(new Uint8Array(HEADER_BYTES + bodyBytes), (view) => {
        view.setUint32(0, 0x53414643);
        view.setUint16(4, 1, true);
        fields.forEach((word, i) => view.setUint32(6 + 4 * i, word, true));
        view.setUint32(56, bodyBytes, true);
      });
      const decoded = decodeChunk(frame);
      if (!decoded.ok) return;
      const { header } = decoded;
      assert.ok(header.offset + bodyBytes <= header.totalBytes && header.chunk < header.chunkCount);
    }),
    { numRuns: 1000 },
  );
});

test("every single flipped bit of a sealed frame is noticed", () => {
  const frame = frameOf(SMALL);
  for (let bit = 0; bit < frame.length * 8; bit++) {
    const damaged = frame.slice();
    damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7));
    assert.notEqual(refusal(damaged), "accepted", `bit ${bit}`);
  }
});

test("a frame that is cut short, too long or empty is refused", () => {
  const frame = frameOf(SMALL);
  for (let length = 0; length < frame.length; length++)
    assert.equal(refusal(frame.subarray(0, length)), "truncated");
  assert.equal(refusal(Buffer.concat([frame, Buffer.of(0)])), "size");
  const tooLarge = resealed(new Uint8Array(CHUNK_BYTES + 4), (view) => {
    view.setUint32(0, 0x53414643);
    view.setUint16(4, 1, true);
    view.setUint32(56, CHUNK_BYTES + 4 - HEADER_BYTES, true);
  });
  assert.equal(refusal(tooLarge), "size");
});

test("another magic, version, kind or codec is refused by name", () => {
  const frame = frameOf(SMALL);
  assert.equal(refusal(resealed(frame, (view) => view.setUint32(0, 0x53414644))), "magic");
  assert.equal(refusal(resealed(frame, (view) => view.setUint16(4, 2, true))), "version");
  assert.equal(refusal(resealed(frame, (view) => view.setUint8(6, 0))), "version");
  assert.equal(refusal(resealed(frame, (view) => view.setUint8(6, 200))), "version");
  assert.equal(refusal(resealed(frame, (view) => view.setUint8(7, 9))), "version");
});

test("header fields that contradict each other are refused as a wrong size", () => {
  const frame = frameOf(SMALL);
  const [CHUNK, COUNT, OFFSET, TOTAL] = [40, 44, 48, 52];
  const forge = (place: number, value: number): string =>
    refusal(resealed(frame, (view) => view.setUint32(place, value, true)));
  assert.equal(refusal(resealed(frame, () => undefined)), "accepted");
  for (const value of [1, 2, 0xffffffff]) assert.equal(forge(CHUNK, value), "size");
  for (const value of [0, 2, 0xffffffff]) assert.equal(forge(COUNT, value), "size");
  for (const value of [1, 4, BODY_BYTES, 0xffffffff]) assert.equal(forge(OFFSET, value), "size");
  for (const value of [0, 28, 36, BODY_BYTES, 0xffffffff]) assert.equal(forge(TOTAL, value), "size");
  // The second of two chunks may not claim to be the first.
  const second = frameOf({
    ...SMALL,
    totalBytes: BODY_BYTES + 32,
    chunk: 1,
    chunkCount: 2,
    offset: BODY_BYTES,
  });
  assert.equal(refusal(second), "accepted");
  assert.equal(refusal(resealed(second, (view) => view.setUint32(CHUNK, 0, true))), "size");
  assert.equal(refusal(resealed(second, (view) => view.setUint32(OFFSET, 0, true))), "size");
});

test("the chunks of a stream cover it once", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 10 * BODY_BYTES }), (totalBytes) => {
      const lengths = Array.from({ length: chunkCountOf(totalBytes) }, (_, chunk) =>
        bodyLength(totalBytes, chunk),
      );
      assert.equal(
        lengths.reduce((sum, length) => sum + length, 0),
        totalBytes,
      );
      assert.ok(lengths.slice(0, -1).every((length) => length === BODY_BYTES));
      assert.ok(lengths.every((length) => length > 0 || totalBytes === 0));
    }),
  );
  assert.equal(chunkCountOf(BODY_BYTES), 1);
  assert.equal(chunkCountOf(BODY_BYTES + 1), 2);
});

test("the seal of a frame that is read in place covers its header alone, and is broken before the body changes", () => {
  const frame = frameOf(SMALL);
  sealChunk(frame, SMALL, true);
  frame[HEADER_BYTES] = 99;
  const decoded = decodeChunk(frame, true);
  assert.ok(decoded.ok);
  assert.deepEqual(decoded.header, SMALL);
  assert.deepEqual(decodeChunk(frame), { ok: false, reason: "checksum" });
  for (let byte = 8; byte < 60; byte++) {
    const bent = frame.slice();
    bent[byte] = (bent[byte] as number) ^ 1;
    assert.ok(!decodeChunk(bent, true).ok, `byte ${byte}`);
  }

  const seal = sealOf(frame);
  breakSeal(frame);
  assert.notEqual(sealOf(frame), seal);
  assert.deepEqual(decodeChunk(frame, true), { ok: false, reason: "magic" });
  // The same place used for another push of the same worker.
  for (const change of [{ attempt: 2 }, { step: 5 }, { node: 4 }, { term: 4 }]) {
    sealChunk(frame, { ...SMALL, ...change }, true);
    assert.notEqual(sealOf(frame), seal);
  }
});

test("the frames of a stream lie one behind another without a gap", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4 * BODY_BYTES }), (totalBytes) => {
      const frames = new Uint8Array(framesLength(totalBytes));
      let next = 0;
      for (let chunk = 0; chunk < chunkCountOf(totalBytes); chunk++) {
        const frame = frameIn(frames, totalBytes, chunk);
        assert.equal(frame.byteOffset, next);
        assert.equal(frame.byteLength, frameLength(totalBytes, chunk));
        assert.equal(bodyOf(frame).byteOffset, next + HEADER_BYTES);
        assert.equal(bodyOf(frame).byteLength, bodyLength(totalBytes, chunk));
        next += frame.byteLength;
      }
      assert.equal(next, frames.byteLength);
    }),
  );
});

test("a stream of values is cut into its chunks and put together again", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: BODY_BYTES }), (count) => {
      const values = Float32Array.from({ length: count }, (_, i) => i);
      const frames = new Uint8Array(framesLength(values.byteLength));
      const together = new Float32Array(count);
      for (let chunk = 0; chunk < chunkCountOf(values.byteLength); chunk++) {
        const frame = frameIn(frames, values.byteLength, chunk);
        valuesIn(frame).set(valuesOfChunk(values, chunk));
        sealChunk(frame, { ...SMALL, ...chunkPlace(values.byteLength, chunk) });
        const decoded = decodeChunk(frame);
        assert.ok(decoded.ok);
        assert.equal(decoded.header.offset, bodyOffset(chunk));
        together.set(valuesIn(frame), decoded.header.offset / 4);
      }
      assert.deepEqual(together, values);
    }),
    { numRuns: 20 },
  );
});

test("whatever is asked of bytes that are no frame, short or badly placed, has an answer and no exception", () => {
  const memory = new Uint8Array(new SharedArrayBuffer(2 * HEADER_BYTES));
  for (let length = 0; length <= HEADER_BYTES + 4; length++) {
    for (const offset of [0, 1, 2, 3, memory.length - length]) {
      const bytes = memory.subarray(Math.max(0, offset), Math.max(0, offset) + length);
      assert.doesNotThrow(() => runHashIn(bytes));
      assert.doesNotThrow(() => sealOf(bytes));
      for (const inPlace of [false, true]) assert.equal(decodeChunk(bytes, inPlace).ok, false);
    }
  }
});
