import assert from "node:assert/strict";
import { test } from "node:test";
import { BODY_BYTES, HEADER_BYTES, decodeChunk } from "../../shared/core/chunk.js";
import { MemoryBroker } from "../support/memory-bus.js";
import { readMessage, type saf, wire, writeMessage } from "../../shared/messages.js";
import { subjectsOf } from "../../shared/subjects.js";
import { Pusher } from "../../worker/push.js";
import { VirtualClock, settle } from "../support/virtual-clock.js";

const { Status } = wire.PushReply;
const CHUNKS = 3;
const TOTAL = (CHUNKS - 1) * BODY_BYTES + 400;
const subjects = subjectsOf("local");
const gradient = { leaseId: 1, step: 2 };
const state = { ...gradient, stepCount: 4 };

type Reply = saf.v1.PushReply.$Properties | undefined;

function setUp() {
  const clock = new VirtualClock();
  const broker = new MemoryBroker(undefined, clock);
  const coordinator = broker.connect();
  const stop = new AbortController();
  const log: string[] = [];
  /** Chunks that came, and "end" for each end of a push, with the time. */
  const heard: string[] = [];
  let nextLease: () => void = () => undefined;
  const arrival = new Promise<void>((resolve) => (nextLease = resolve));
  stop.signal.addEventListener("abort", () => nextLease());
  const pusher = new Pusher({
    workerId: "worker-1",
    bulk: broker.connect(),
    subjects,
    clock,
    log: (_level, message) => log.push(message),
    stopping: stop.signal,
    nextLease: () => arrival,
  });
  coordinator.subscribe(subjects.gradientPattern(0), ({ data }) => {
    const decoded = decodeChunk(data);
    heard.push(`${clock.now()}: chunk ${decoded.ok ? decoded.header.chunk : decoded.reason}`);
  });
  /** Answers the ends of pushes; undefined: stays silent. */
  const serve = (answer: () => Reply): void => {
    coordinator.subscribe(subjects.pushPattern, ({ data, respond }) => {
      const end = readMessage(wire.PushEnd, data);
      heard.push(`${clock.now()}: end of ${end?.workerId} ${end?.leaseId}, ${end?.chunkCount} chunks`);
      const reply = answer();
      if (reply !== undefined) respond(writeMessage(wire.PushReply, reply));
    });
  };
  const begin = () => {
    const sender = pusher.begin({
      frames: new Uint8Array(new SharedArrayBuffer(CHUNKS * HEADER_BYTES + TOTAL)),
      identity: { runHash: "0123456789abcdef", term: 1, step: 2, node: 3, attempt: 1, totalBytes: TOTAL },
    });
    sender.sendAll();
    return sender;
  };
  const allAt = (ms: number): string[] => [
    ...[0, 1, 2].map((chunk) => `${ms}: chunk ${chunk}`),
    `${ms}: end of worker-1 1, 3 chunks`,
  ];
  return { clock, coordinator, stop, pusher, log, heard, serve, begin, allAt, nextLease: () => nextLease() };
}

test("a push that arrives is over with the coordinator's answer", async () => {
  for (const status of [Status.OK, Status.STALE, Status.FENCED]) {
    const { pusher, begin, serve, heard, allAt, log } = setUp();
    serve(() => ({ status }));
    assert.equal(await pusher.finish(gradient, begin()), status);
    assert.deepEqual(heard, allAt(0));
    assert.deepEqual(log, []);
  }
});

test("what the coordinator misses is sent again at once, and nothing else", async () => {
  const { pusher, begin, serve, heard, allAt } = setUp();
  const replies: Reply[] = [{ status: Status.MISSING, missing: Uint8Array.of(0b101) }, { status: Status.OK }];
  serve(() => replies.shift());
  assert.equal(await pusher.finish(gradient, begin()), Status.OK);
  assert.deepEqual(heard, [...allAt(0), "0: chunk 0", "0: chunk 2", "0: end of worker-1 1, 3 chunks"]);
});

test("without an answer everything is sent again, after a pause that grows", async () => {
  const { clock, pusher, begin, serve, heard, allAt } = setUp();
  const replies: Reply[] = [undefined, undefined, { status: Status.OK }];
  serve(() => replies.shift());
  const pushed = pusher.finish(gradient, begin());
  await clock.advance(10_000);
  assert.equal(await pushed, Status.OK);
  assert.deepEqual(heard, [...allAt(0), ...allAt(3100), ...allAt(6300)]);
});

test("a push that is refused is logged, and not repeated", async () => {
  const { pusher, begin, serve, heard, log } = setUp();
  serve(() => ({ status: Status.REFUSED, reason: "not finite" }));
  assert.equal(await pusher.finish(gradient, begin()), Status.REFUSED);
  assert.deepEqual(log, ["The coordinator refused a push: not finite"]);
  assert.equal(heard.length, 4);
});

test("the next lease settles a block's push before its answer, and a late answer changes nothing", async () => {
  const { clock, pusher, begin, serve, nextLease, heard } = setUp();
  serve(() => undefined);
  const pushed = pusher.finish(gradient, begin());
  await settle();
  nextLease();
  assert.equal(await pushed, undefined);
  await clock.advance(10_000);
  assert.equal(heard.length, 4);
});

test("of a state the answer must be known: the next lease does not stand for it", async () => {
  const { clock, pusher, begin, serve, nextLease } = setUp();
  const replies: Reply[] = [undefined, { status: Status.OK }];
  serve(() => replies.shift());
  let status: saf.v1.PushReply.Status | undefined;
  const pushed = pusher.finish(state, begin()).then((found) => (status = found));
  nextLease();
  await clock.advance(3000);
  assert.equal(status, undefined);
  await clock.advance(100);
  assert.equal(await pushed, Status.OK);
});

test("a worker gives a push up after twenty tries, and at once when it stops", async () => {
  const { clock, pusher, begin, heard } = setUp();
  const pushed = pusher.finish(gradient, begin());
  // Nobody serves the subject, so only the pauses take time: 100 + 200 + … + 1900 ms.
  await clock.advance(19_000);
  assert.equal(await pushed, undefined);
  assert.equal(heard.length, 20 * CHUNKS);
  assert.equal(clock.pending, 0);

  const stopped = setUp();
  stopped.serve(() => undefined);
  const waiting = stopped.pusher.finish(gradient, stopped.begin());
  await settle();
  stopped.stop.abort();
  assert.equal(await waiting, undefined);
});

test("what is short travels in the message itself, again and again until a command says what it came to", async () => {
  const { clock, coordinator, pusher } = setUp();
  const came: string[] = [];
  coordinator.subscribe(subjects.pushPattern, ({ data, replyTo }) => {
    const end = readMessage(wire.PushEnd, data);
    const kinds = end?.frames.map((frame) => decodeChunk(new Uint8Array(frame)).ok) ?? [];
    came.push(`${clock.now()}: ${kinds.join()}, ${end?.chunkCount} chunks, answer to ${replyTo}`);
  });
  const short = { ...state, term: 1 };
  const begin = () =>
    pusher.begin({
      frames: new Uint8Array(HEADER_BYTES + 400),
      identity: { runHash: "0123456789abcdef", term: 1, step: 2, node: 4, attempt: 1, totalBytes: 400 },
    });
  const pushed = pusher.deliver(short, begin());
  await clock.advance(3100);
  assert.deepEqual(
    came,
    [0, 3000].map((ms) => `${ms}: true, 1 chunks, answer to undefined`),
  );
  pusher.settled({ leaseId: 1, term: 2, reply: { status: Status.OK } });
  pusher.settled({ leaseId: 2, term: 1, reply: { status: Status.OK } });
  await settle();
  pusher.resend();
  await settle();
  assert.equal(came.length, 3, "neither was of this push; a new connection is reason to send it again");
  pusher.settled({ leaseId: 1, term: 1, reply: { status: Status.OK } });
  assert.equal(await pushed, Status.OK);
  await clock.advance(10_000);
  assert.equal(came.length, 3);
  assert.equal(clock.pending, 0);
});

test("a short push that is refused is logged, and one of a worker that stops is given up", async () => {
  const { pusher, log, stop, clock } = setUp();
  const sender = () =>
    pusher.begin({
      frames: new Uint8Array(HEADER_BYTES + 4),
      identity: { runHash: "0123456789abcdef", term: 1, step: 2, node: 4, attempt: 1, totalBytes: 4 },
    });
  const refused = pusher.deliver({ ...state, term: 1 }, sender());
  pusher.settled({ leaseId: 1, term: 1, reply: { status: Status.REFUSED, reason: "not finite" } });
  assert.equal(await refused, Status.REFUSED);
  assert.deepEqual(log, ["The coordinator refused a push: not finite"]);
  const waiting = pusher.deliver({ ...state, term: 1 }, sender());
  await settle();
  stop.abort();
  assert.equal(await waiting, undefined);
  assert.equal(clock.pending, 0);
});

test("a result is sent until it is answered", async () => {
  const { clock, coordinator, pusher } = setUp();
  const sent = pusher.result({ leaseId: 1, taskId: "a-task" });
  await clock.advance(250);
  const results: [number, string | undefined, string | undefined][] = [];
  coordinator.subscribe(subjects.resultPattern, ({ data, respond }) => {
    const result = readMessage(wire.TaskResult, data);
    results.push([clock.now(), result?.workerId, result?.taskId]);
    if (results.length === 2) respond(writeMessage(wire.TaskReply, { accepted: true }));
  });
  await clock.advance(4000);
  await sent;
  assert.deepEqual(results, [
    [300, "worker-1", "a-task"],
    [3600, "worker-1", "a-task"],
  ]);
});

test("a result that no message can hold is told as a failure that says why, once", async () => {
  const { clock, coordinator, pusher, stop } = setUp();
  const results: string[] = [];
  coordinator.subscribe(subjects.resultPattern, ({ data, respond }) => {
    results.push(readMessage(wire.TaskResult, data)?.error?.message ?? "");
    respond(writeMessage(wire.TaskReply, { accepted: false }));
  });
  const outcomes = Array.from({ length: 300 }, (_, strength) => ({
    strength,
    confidences: new Uint8Array(10_000),
  }));
  const sent = pusher.result({ leaseId: 1, taskId: "a-task", outcomes });
  await clock.advance(10_000);
  await sent;
  stop.abort();
  assert.equal(results.length, 1);
  assert.match(results[0] ?? "", /the result has 30\d+ bytes, NATS takes 2097152 \(max_payload\)/);
});
