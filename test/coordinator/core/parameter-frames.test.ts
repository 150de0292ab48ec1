import assert from "node:assert/strict";
import { test } from "node:test";
import { emptyFrames, framesOf } from "../../../coordinator/core/parameter-frames.js";
import { BODY_BYTES, decodeChunk } from "../../../shared/core/chunk.js";

const identity = { runHash: "00112233445566ff", epoch: 5, version: 77 };

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
        [header.kind, header.runHash, header.epoch, header.step, header.totalBytes],
        ["parameters", identity.runHash, identity.epoch, identity.version, size * 4],
      );
      bytes.set(body, header.offset);
    }
    assert.deepEqual(new Float32Array(bytes.buffer), vector.slice());
  });
}
