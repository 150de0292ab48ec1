/** Reading and writing protobuf messages at the edge: bytes that are no message are `undefined`, never an exception. */
import { saf } from "./proto/generated/control.js";

/** The generated classes; their types are `saf.v1.JoinRequest` and so on. */
export const wire = saf.v1;
export type { saf };

/**
 * Version of the wire protocol; a worker with another one is refused. It rises when a message, or a measure inside one,
 * changes in a way that the other side of an older release would misread or refuse.
 */
export const PROTOCOL_VERSION = 3;

/** Of the messages and measures as this version has them: test/shared/protocol-version.test.ts says when to change it. */
export const PROTOCOL_FINGERPRINT = "822575f7e124bfac";

/** Control messages are small; evaluation results are the largest. */
export const MAX_MESSAGE_BYTES = 2 * 1024 * 1024;

interface MessageType<Message, Properties> {
  decode(bytes: Uint8Array): Message;
  encode(message: Properties): { finish(): Uint8Array };
}

export function readMessage<Message>(
  type: MessageType<Message, never>,
  bytes: Uint8Array,
): Message | undefined {
  if (bytes.byteLength > MAX_MESSAGE_BYTES) return undefined;
  try {
    return type.decode(bytes);
  } catch {
    return undefined;
  }
}

export function writeMessage<Properties>(
  type: MessageType<unknown, Properties>,
  message: Properties,
): Uint8Array {
  return type.encode(message).finish();
}
