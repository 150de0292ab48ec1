import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MessageFates } from "../../../deploy/chaos/core/message-fates.js";
import { type NatsPiece, NatsSplitter } from "../../../deploy/chaos/core/nats-messages.js";
import {
  type ChunkHeader,
  HEADER_BYTES,
  chunkPlace,
  decodeChunk,
  sealChunk,
} from "../../../shared/core/chunk.js";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array): string => new TextDecoder("latin1").decode(bytes);

/** Payloads may hold line ends and words of the protocol. */
const STREAM = [
  'INFO {"max_payload":2097152}\r\n',
  "PING\r\n",
  "PUB a.b 5\r\nhello\r\n",
  "PUB a.b inbox.1 11\r\nPUB x 3\r\nab\r\n",
  "HMSG a.b 9 inbox.2 12 14\r\nNATS/1.0\r\n\r\nok\r\n",
  "MSG c 1 0\r\n\r\n",
  "+OK\r\n",
];

test("a stream is cut into the same messages, however it comes in", () => {
  const whole = bytesOf(STREAM.join(""));
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: whole.length - 1 }), { maxLength: 30 }), (cuts) => {
      const splitter = new NatsSplitter();
      const places = [0, ...[...new Set(cuts)].sort((a, b) => a - b), whole.length];
      const pieces = places.slice(1).flatMap((end, i) => splitter.take(whole.slice(places[i], end)));
      assert.deepEqual(
        pieces.map(({ bytes }) => textOf(bytes)),
        STREAM,
      );
      assert.deepEqual(
        pieces.map(({ payload }) => (payload === undefined ? undefined : textOf(payload))),
        [undefined, undefined, "hello", "PUB x 3\r\nab", "NATS/1.0\r\n\r\nok", "", undefined],
      );
    }),
  );
});

function pieceOf(payload: Uint8Array): NatsPiece {
  const bytes = new Uint8Array([...bytesOf(`PUB s ${payload.byteLength}\r\n`), ...payload, 13, 10]);
  const [piece] = new NatsSplitter().take(bytes);
  assert.ok(piece);
  return piece;
}

const LINE: NatsPiece = { bytes: bytesOf("PING\r\n"), payload: undefined };

test("messages are lost or come twice as often as was asked for, and lines without a payload always pass", () => {
  const fates = new MessageFates();
  const message = pieceOf(bytesOf("hello"));
  let taken = 0;
  fates.arm("drop", 2, () => taken++);
  assert.deepEqual(fates.pass(LINE), [LINE.bytes]);
  assert.deepEqual(fates.pass(message), []);
  assert.equal(taken, 0);
  assert.deepEqual(fates.pass(message), []);
  assert.equal(taken, 1);
  assert.deepEqual(fates.pass(message), [message.bytes]);
  fates.arm("duplicate", 1, () => taken++);
  assert.deepEqual(fates.pass(message), [message.bytes, message.bytes]);
  const disarm = fates.arm("drop", 1, () => taken++);
  disarm();
  assert.deepEqual(fates.pass(message), [message.bytes]);
  assert.equal(taken, 2);
});

test("a corrupted chunk is one that its reader refuses, and nothing else is ever corrupted", () => {
  const frame = new Uint8Array(HEADER_BYTES + 400);
  const header: ChunkHeader = {
    ...{
      kind: "gradient",
      codec: "fp32",
      runHash: "0123456789abcdef",
      term: 1,
      step: 2,
      node: 1,
      attempt: 1,
      shard: 0,
    },
    ...chunkPlace(400, 0),
  };
  sealChunk(frame, header);
  assert.ok(decodeChunk(frame).ok);
  const fates = new MessageFates();
  fates.arm("corrupt", 1, () => undefined);
  const other = pieceOf(bytesOf("hello"));
  assert.deepEqual(fates.pass(other), [other.bytes]);

  const [changed] = fates.pass(pieceOf(frame));

  assert.ok(changed);
  const [piece] = new NatsSplitter().take(changed);
  assert.ok(piece?.payload);
  assert.deepEqual(decodeChunk(piece.payload.slice()), { ok: false, reason: "checksum" });
});
