import assert from "node:assert/strict";
import { test } from "node:test";
import {
  FramedVector,
  emptyFrames,
  frameBytes,
  framesOf,
} from "../../../coordinator/training/parameter-frames.js";
import { BODY_BYTES, decodeChunk, sealOf } from "../../../shared/core/chunk.js";

const identity = { runHash: "00112233445566ff", term: 5, version: 77, shard: 0 };

for (const size of [1, BODY_BYTES / 4 - 1, BODY_BYTES / 4, BODY_BYTES / 4 + 1, 3 * (BODY_BYTES / 4) + 17]) {
  test(`a vector of ${size} values is put together again from its frames`, () => {
    const memory = Float32Array.from({ length: size + 3 }, (_, i) => Math.sin(i));
    const vector = memory.subarray(3);
    const frames = framesOf(vector, identity);
    assert.deepEqual(
      frames.map(({ byteLength }) => byteLength),
      emptyFrames(size).map(({ byteLength }) => byteLength),
    );
    const bytes = new Uint8Array(size * 4);
    for (const frame of frames.reverse()) {
      const decoded = decodeChunk(frame);
      assert.ok(decoded.ok);
      const { header, body } = decoded;
      assert.deepEqual(
        [header.kind, header.runHash, header.term, header.step, header.totalBytes],
        ["parameters", identity.runHash, identity.term, identity.version, size * 4],
      );
      bytes.set(body, header.offset);
    }
    assert.deepEqual(new Float32Array(bytes.buffer), vector.slice());
  });

  for (const inPlace of [false, true]) {
    test(`a vector of ${size} values that lies in its frames is the same on the wire, read ${inPlace ? "in place" : "from a copy"}`, () => {
      const vector = Float32Array.from({ length: size }, (_, i) => Math.cos(i));
      const framed = new FramedVector(size, new Uint8Array(frameBytes(size)), inPlace);
      framed.write(vector);
      assert.deepEqual(framed.read(), vector);
      framesOf(vector, identity).forEach((expected, chunk) => {
        assert.deepEqual(framed.copy(chunk, identity), expected);
        const frame = framed.seal(chunk, identity);
        const decoded = decodeChunk(frame, inPlace);
        assert.ok(decoded.ok);
        assert.deepEqual(decoded, decodeChunk(expected));
        const seal = sealOf(frame);
        framed.open(chunk);
        assert.equal(sealOf(frame) !== seal, inPlace, "others must see that it changes");
      });
      assert.equal(framed.copy(framed.bodies.length, identity), undefined);
    });
  }
}
