import assert from "node:assert/strict";
import { test } from "node:test";
import { BODY_BYTES, HEADER_BYTES, decodeChunk } from "../../shared/core/chunk.js";
import { MemoryBroker } from "../support/memory-bus.js";
import { FrameSender } from "../../worker/frame-sender.js";

const CHUNKS = 4;
const LAST_BYTES = 400;
const TOTAL = (CHUNKS - 1) * BODY_BYTES + LAST_BYTES;

function setUp() {
  const broker = new MemoryBroker();
  const receiver = broker.connect();
  const arrived: number[] = [];
  let sentBytes = 0;
  let onArrival: () => void = () => undefined;
  receiver.subscribe("grad", ({ data }) => {
    const decoded = decodeChunk(data);
    if (!decoded.ok) throw new Error(decoded.reason);
    arrived.push(decoded.header.chunk);
    sentBytes += data.byteLength;
    onArrival();
  });
  const sender = new FrameSender(broker.connect(), "grad", {
    frames: new Uint8Array(new SharedArrayBuffer(CHUNKS * HEADER_BYTES + TOTAL)),
    identity: { runHash: "0123456789abcdef", term: 1, step: 2, node: 3, attempt: 1, totalBytes: TOTAL },
  });
  const arrivals = (count: number): Promise<void> =>
    new Promise((resolve) => {
      onArrival = () => arrived.length >= count && resolve();
      onArrival();
    });
  return { sender, arrived, arrivals, sent: () => sentBytes };
}

test("chunks that become ready together leave together, without waiting for later ones", async () => {
  const { sender, arrived, arrivals } = setUp();
  sender.send([1, 2, 3]);
  await arrivals(3);
  assert.deepEqual(arrived, [1, 2, 3]);
  sender.send([0]);
  await arrivals(4);
  assert.deepEqual(arrived, [1, 2, 3, 0]);
});

test("a sender is settled when all that was ready is sent, each chunk once", async () => {
  const { sender, arrivals, sent } = setUp();
  sender.send([3]);
  sender.send([0, 1]);
  await sender.settled();
  await arrivals(3);
  assert.equal(sent(), 2 * (HEADER_BYTES + BODY_BYTES) + HEADER_BYTES + LAST_BYTES);
});

test("what is missing is sent again, and nothing else", async () => {
  const { sender, arrived, arrivals } = setUp();
  sender.sendAll();
  await arrivals(CHUNKS);
  sender.sendMissing(Uint8Array.of(0b0101));
  await sender.settled();
  await arrivals(CHUNKS + 2);
  assert.deepEqual(arrived, [0, 1, 2, 3, 0, 2]);
});
