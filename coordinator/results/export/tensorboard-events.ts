/** TensorBoard's event files: a chain of TFRecords. Source: TensorFlow's record format and event messages. */
import { crc32c } from "@node-rs/crc32";
import { tensorboard } from "../../../shared/proto/generated/tensorboard.js";

export type Event = tensorboard.Event.$Properties;

const FILE_VERSION = "brain.Event:2";

/** The name of an event file of ours. */
export const EVENT_FILE = /^events\.out\.tfevents\.\d+\.saf$/;

export function eventFileName(startSeconds: number): string {
  return `events.out.tfevents.${Math.floor(startSeconds)}.saf`;
}

export function eventFileOf(startSeconds: number, events: readonly Event[]): Buffer {
  const all = [{ wallTime: startSeconds, fileVersion: FILE_VERSION }, ...events];
  return Buffer.concat(all.map((event) => recordOf(tensorboard.Event.encode(event).finish())));
}

export function scalars(wallTime: number, step: number, values: Record<string, number>): Event {
  const value = Object.entries(values).map(([tag, simpleValue]) => ({ tag, simpleValue }));
  return { wallTime, step, summary: { value } };
}

/** Length and data, each with its checksum behind it, little-endian. */
export function recordOf(data: Uint8Array): Buffer {
  const record = Buffer.alloc(8 + 4 + data.byteLength + 4);
  record.writeBigUInt64LE(BigInt(data.byteLength), 0);
  record.writeUInt32LE(maskedCrc(record.subarray(0, 8)), 8);
  record.set(data, 12);
  record.writeUInt32LE(maskedCrc(data), 12 + data.byteLength);
  return record;
}

/** CRC32C rotated and shifted, so that a record inside a record does not carry its own checksum. */
function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
