import assert from "node:assert/strict";
import { test } from "node:test";
import {
  BODY_BYTES,
  HEADER_BYTES,
  bodyLength,
  bodyOf,
  chunkCountOf,
  chunkPlace,
  frameLength,
  roundedInChunk,
  sealChunk,
} from "../../shared/core/chunk.js";
import { encodeBody } from "../../shared/core/codec.js";
import { nearestBf16 } from "../support/bf16-reference.js";
import { MemoryBroker } from "../support/memory-bus.js";
import { readMessage, type saf, wire, writeMessage } from "../../shared/messages.js";
import { ParameterReceiver } from "../../worker/parameters.js";
import { pullVector } from "../../worker/state-pull.js";
import { VirtualClock, settle } from "../support/virtual-clock.js";

const RUN_HASH = "0123456789abcdef";
const CHUNKS = 3;
const TOTAL = (CHUNKS - 1) * BODY_BYTES + 400;
const TERM = 5;

/** A chunk of a version whose values are all `version`. */
function frame(
  version: number,
  chunk: number,
  term = TERM,
  kind: "parameters" | "velocity" = "parameters",
): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + bodyLength(TOTAL, chunk));
  bytes.fill(version, HEADER_BYTES);
  sealChunk(bytes, {
    ...{ kind, codec: "fp32", runHash: RUN_HASH, term, step: version, node: 0, attempt: 0, shard: 0 },
    ...{ chunk, chunkCount: chunkCountOf(TOTAL), offset: chunk * BODY_BYTES, totalBytes: TOTAL },
  });
  return bytes;
}

function setUp() {
  const clock = new VirtualClock();
  const broker = new MemoryBroker(undefined, clock);
  const coordinator = broker.connect();
  const stop = new AbortController();
  const asked: string[] = [];
  const sources = { bus: broker.connect(), pullSubject: "param.get", clock, signal: stop.signal };
  const identity = { runId: "a-run", runHash: RUN_HASH, size: TOTAL / 4 };
  const receiver = new ParameterReceiver(sources, identity);
  receiver.enter(TERM);
  /** Answers pulls; undefined: stays silent. */
  const serve = (
    answer: (request: saf.v1.ParamRequest) => saf.v1.ParamReply.$Properties | undefined,
  ): void => {
    coordinator.subscribe("param.get", ({ data, respond }) => {
      const request = readMessage(wire.ParamRequest, data);
      if (request === undefined) return;
      asked.push(`${clock.now()}: chunk ${request.chunk} of ${request.version}`);
      const reply = answer(request);
      if (reply !== undefined) respond(writeMessage(wire.ParamReply, reply));
    });
  };
  return { clock, broker, stop, asked, serve, receiver, sources, identity };
}

/** A chunk of a version in bf16, whose values are all `value`; the last three of the vector are not rounded. */
function roundedFrame(version: number, chunk: number, value: number): Uint8Array {
  const rounded = TOTAL / 4 - 3;
  const bytes = new Uint8Array(frameLength(TOTAL, chunk, rounded));
  const values = new Float32Array(bodyLength(TOTAL, chunk) / 4).fill(value);
  encodeBody(bodyOf(bytes), values, roundedInChunk(TOTAL, chunk, rounded));
  sealChunk(bytes, {
    ...{
      kind: "parameters",
      codec: "bf16",
      runHash: RUN_HASH,
      term: TERM,
      step: version,
      node: 0,
      attempt: 0,
    },
    ...{ shard: 0, ...chunkPlace(TOTAL, chunk) },
  });
  return bytes;
}

test("a run in bf16 takes its rounded weights alone, broadcast or pulled, and what is kept comes in fp32 alone", async () => {
  const { clock, receiver, serve, sources, identity } = setUp();
  const trained = new ParameterReceiver(sources, { ...identity, rounded: TOTAL / 4 - 3 });
  trained.enter(TERM);
  const asked: boolean[] = [];
  serve(({ version, chunk, rounded }) => {
    asked.push(rounded);
    return { chunk: rounded ? roundedFrame(version, chunk, 1.001) : frame(version, chunk) };
  });
  // Another codec, and other values rounded than these.
  assert.equal(trained.accept(frame(1, 0)), false);
  assert.equal(receiver.accept(roundedFrame(1, 0, 1)), false);
  const whole = new Uint8Array(HEADER_BYTES + bodyLength(TOTAL, 2));
  sealChunk(whole, {
    ...{ kind: "parameters", codec: "bf16", runHash: RUN_HASH, term: TERM, step: 1, node: 0, attempt: 0 },
    ...{ shard: 0, ...chunkPlace(TOTAL, 2) },
  });
  assert.equal(trained.accept(whole), false);
  assert.deepEqual(
    [...trained.refused],
    [
      ["codec", 1],
      ["size", 1],
    ],
  );
  assert.deepEqual([...receiver.refused], [["codec", 1]]);

  assert.ok(trained.accept(roundedFrame(1, 1, 1.001)));
  const taken = trained.take(1, TERM);
  await clock.advance(250);
  const memory = await taken;
  assert.ok(memory !== undefined);
  const near = nearestBf16(Math.fround(1.001));
  assert.deepEqual(
    new Float32Array(memory),
    new Float32Array(TOTAL / 4).fill(near).fill(1.001, TOTAL / 4 - 3),
  );
  const kept = receiver.take(2, TERM);
  await clock.advance(25);
  assert.ok(isOf(2, await kept));
  assert.deepEqual(asked, [true, true, false, false, false]);
});

const isOf = (version: number, memory: SharedArrayBuffer | undefined): boolean =>
  memory?.byteLength === TOTAL && new Uint8Array(memory).every((byte) => byte === version);

test("a version that was broadcast is there at once, and nothing is pulled", async () => {
  const { clock, receiver, asked, serve } = setUp();
  serve(() => undefined);
  for (const chunk of [2, 0, 1]) assert.ok(receiver.accept(frame(1, chunk)));
  assert.ok(isOf(1, await receiver.take(1, TERM)));
  assert.deepEqual(asked, []);
  assert.equal(clock.pending, 0);
});

test("a version that was computed here need not be sent: nobody is asked, and nobody waited for", async () => {
  const { clock, receiver, asked, serve } = setUp();
  serve(() => undefined);
  const values = new Float32Array(new Uint8Array(TOTAL).fill(4).buffer);
  receiver.keep(4, TERM, values);
  assert.ok(isOf(4, await receiver.take(4, TERM)));
  // Another coordinator may have gone back, and along another way.
  receiver.keep(6, TERM, values);
  receiver.enter(TERM + 1);
  const later = receiver.take(6, TERM + 1);
  await clock.advance(1000);
  assert.ok(asked.length > 0);
  // What is older than what is here is left out.
  receiver.keep(4, TERM + 1, values);
  for (const chunk of [0, 1, 2]) receiver.accept(frame(6, chunk, TERM + 1));
  await clock.advance(10_000);
  assert.ok(isOf(6, await later));
});

test("a broadcast that has begun is waited for, and the rest of it pulled after a quarter of a second", async () => {
  const complete = setUp();
  complete.receiver.accept(frame(1, 0));
  const taken = complete.receiver.take(1, TERM);
  await complete.clock.advance(249);
  for (const chunk of [1, 2]) complete.receiver.accept(frame(1, chunk));
  assert.ok(isOf(1, await taken));

  const { clock, receiver, asked, serve } = setUp();
  serve(({ version, chunk }) => ({ chunk: frame(version, chunk) }));
  receiver.accept(frame(1, 1));
  const pulled = receiver.take(1, TERM);
  await clock.advance(250);
  assert.ok(isOf(1, await pulled));
  assert.deepEqual(asked, ["250: chunk 0 of 1", "250: chunk 2 of 1"]);
});

test("whoever heard nothing of a version pulls it soon, and again after a pause while nobody answers", async () => {
  const { clock, receiver, asked, serve } = setUp();
  const taken = receiver.take(1, TERM);
  await clock.advance(300);
  serve(({ version, chunk }) => ({ chunk: frame(version, chunk) }));
  await clock.advance(25);
  assert.ok(isOf(1, await taken));
  assert.deepEqual(asked, ["325: chunk 0 of 1", "325: chunk 1 of 1", "325: chunk 2 of 1"]);
});

test("a damaged answer is asked for again at once", async () => {
  let answers = 0;
  const { clock, receiver, asked, serve } = setUp();
  serve(({ version, chunk }) => {
    const bytes = frame(version, chunk);
    if (++answers === 2) bytes[HEADER_BYTES] = 99;
    return { chunk: bytes };
  });
  const taken = receiver.take(1, TERM);
  await clock.advance(25);
  assert.ok(isOf(1, await taken));
  assert.deepEqual(asked.at(-1), "25: chunk 1 of 1");
  assert.equal(receiver.refused.get("checksum"), 1);
});

test("a version that the coordinator has no more, or whose place a later one took, is not given", async () => {
  const { clock, receiver, serve } = setUp();
  serve(() => ({ latest: 9 }));
  const gone = receiver.take(1, TERM);
  await clock.advance(25);
  assert.equal(await gone, undefined);

  const overtaken = receiver.take(1, TERM);
  await settle();
  receiver.accept(frame(3, 0));
  await clock.advance(250);
  assert.equal(await overtaken, undefined);
  assert.equal(await receiver.take(1, TERM), undefined);
});

test("a lease of an earlier coordinator ends where a later one answers: asking again brings nothing else", async () => {
  const { clock, receiver, asked, serve } = setUp();
  serve(({ version, chunk }) => ({ chunk: frame(version, chunk, TERM + 1) }));
  const taken = receiver.take(1, TERM);
  await clock.advance(25);
  assert.equal(await taken, undefined);
  assert.equal(asked.length, 1);
});

test("frames of a coordinator that has not taken us in are not kept, and end nothing", async () => {
  const { receiver } = setUp();
  const ahead = frame(1, 0, TERM + 1);
  assert.equal(receiver.accept(ahead), false);
  for (const chunk of [0, 1, 2]) assert.ok(receiver.accept(frame(1, chunk)), "ours still count");
  assert.ok(isOf(1, await receiver.take(1, TERM)));
});

test("a later term may go back to an earlier version; an earlier term's frames are refused", async () => {
  const { clock, receiver, serve } = setUp();
  receiver.accept(frame(3, 0));
  serve(() => ({ error: { message: "gone" } }));
  const taken = receiver.take(1, TERM + 1);
  await settle();
  assert.equal(receiver.accept(frame(1, 0)), false);
  assert.equal(receiver.refused.get("fenced"), 1);
  await clock.advance(25);
  assert.equal(await taken, undefined);
});

test("a worker that stops waits no longer, and leaves no timer behind", async () => {
  const { clock, receiver, stop } = setUp();
  const taken = receiver.take(1, TERM);
  await clock.advance(10);
  stop.abort();
  assert.equal(await taken, undefined);
  assert.equal(clock.pending, 0);
});

const place = ({ size }: { size: number }): SharedArrayBuffer => new SharedArrayBuffer(4 * size);

test("a whole vector is pulled from where it broke off, and given up after fifty pauses", async () => {
  const { clock, sources, identity, asked, serve } = setUp();
  const state = { ...identity, term: TERM, version: 2 };
  const failing = assert.rejects(pullVector(sources, "velocity", state, place(identity)), /no-responders/);
  await clock.advance(5000);
  await failing;
  assert.equal(clock.pending, 0);

  let answers = 0;
  serve(({ version, chunk }) =>
    ++answers === 2 ? undefined : { chunk: frame(version, chunk, TERM, "velocity") },
  );
  const pulled = pullVector(sources, "velocity", state, place(identity));
  await clock.advance(2100);
  assert.ok(isOf(2, await pulled));
  assert.deepEqual(asked, [
    "5000: chunk 0 of 2",
    "5000: chunk 1 of 2",
    "7100: chunk 1 of 2",
    "7100: chunk 2 of 2",
  ]);
});

test("a vector of another version, kind or term is not taken", async () => {
  const { sources, identity, serve } = setUp();
  serve(({ chunk }) => ({ chunk: frame(2, chunk) }));
  const state = { ...identity, term: TERM, version: 2 };
  assert.ok(isOf(2, await pullVector(sources, "parameters", state, place(identity))));
  assert.equal(await pullVector(sources, "velocity", state, place(identity)), undefined);
  assert.equal(await pullVector(sources, "parameters", { ...state, version: 3 }, place(identity)), undefined);
  assert.equal(
    await pullVector(sources, "parameters", { ...state, term: TERM + 1 }, place(identity)),
    undefined,
  );
});
