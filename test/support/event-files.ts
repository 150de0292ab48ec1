/** Reads TensorBoard's event files by hand, to compare with what our writer makes. */
import assert from "node:assert/strict";
import { tensorboard } from "../../shared/proto/generated/tensorboard.js";

/** CRC32C bit by bit: the reflected polynomial of Castagnoli. */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}

function unmasked(masked: number): number {
  const rotated = (masked - 0xa282ead8) >>> 0;
  return ((rotated >>> 17) | (rotated << 15)) >>> 0;
}

/** Every record of a file, checksums verified. */
export function eventsOf(file: Buffer): tensorboard.Event[] {
  const events: tensorboard.Event[] = [];
  for (let at = 0; at < file.length;) {
    const length = Number(file.readBigUInt64LE(at));
    assert.equal(unmasked(file.readUInt32LE(at + 8)), crc32c(file.subarray(at, at + 8)));
    const data = file.subarray(at + 12, at + 12 + length);
    assert.equal(unmasked(file.readUInt32LE(at + 12 + length)), crc32c(data));
    events.push(tensorboard.Event.decode(data));
    at += 16 + length;
  }
  return events;
}
