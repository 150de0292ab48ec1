import assert from "node:assert/strict";
import { test } from "node:test";
import type { ClusterError } from "../../shared/errors.js";
import { MemoryBroker } from "../support/memory-bus.js";
import { readMessage, type saf, wire, writeMessage } from "../../shared/messages.js";
import { subjectsOf } from "../../shared/subjects.js";
import { Membership } from "../../worker/membership.js";
import { HandEngine } from "../support/hand-engine.js";
import { VirtualClock, settle } from "../support/virtual-clock.js";

const HEARTBEAT_MS = 1000;
const subjects = subjectsOf("local");

interface Answer {
  accepted?: boolean;
  term?: number;
}

function setUp({ coordinatorTimeoutMs = 0 } = {}) {
  const clock = new VirtualClock();
  const broker = new MemoryBroker(undefined, clock);
  const coordinator = broker.connect();
  const stop = new AbortController();
  const log: string[] = [];
  const joins: { atMs: number; request: saf.v1.JoinRequest | undefined }[] = [];
  const beats: { atMs: number; beat: saf.v1.Heartbeat | undefined }[] = [];
  const taken: { term: number; isNew: boolean }[] = [];
  const ends: { reason: string; error: ClusterError }[] = [];
  let reconnects = 0;
  let asks = 0;
  const membership = new Membership(
    "worker-1",
    {
      control: broker.connect(),
      subjects,
      clock,
      process: { pid: 11, incarnation: 22, rssBytes: () => 33, metricsUrl: "" },
      coordinatorTimeoutMs,
      log: (_level, message) => log.push(message),
      engine: new HandEngine(),
      metrics: { reconnected: () => reconnects++ },
      stopping: stop.signal,
    },
    {
      work: () => ({ leaseId: 44, leaseTerm: 7, tensors: 55, busySeconds: 66, progress: null }),
      asking: () => asks++,
      joined: (term, isNew) => taken.push({ term, isNew }),
      end: (reason, error) => ends.push({ reason, error }),
    },
  );
  coordinator.subscribe(subjects.heartbeatPattern, ({ data }) => {
    beats.push({ atMs: clock.now(), beat: readMessage(wire.Heartbeat, data) });
  });
  /** A coordinator that answers joins; undefined: stays silent. */
  const serve = (answer: () => Answer | undefined): void => {
    coordinator.subscribe(subjects.joinPattern, ({ data, respond }) => {
      joins.push({ atMs: clock.now(), request: readMessage(wire.JoinRequest, data) });
      const says = answer();
      if (says === undefined) return;
      const reply = { accepted: true, reason: "by hand", term: 5, heartbeatMs: HEARTBEAT_MS, ...says };
      respond(writeMessage(wire.JoinReply, reply));
    });
  };
  const announce = (term: number): void =>
    coordinator.publish(subjects.all, writeMessage(wire.Announce, { term }));
  const atMs = (items: { atMs: number }[]): number[] => items.map((item) => item.atMs);
  const asked = (): number[] => atMs(joins);
  membership.listen();
  return {
    ...{ clock, broker, stop, membership, log, joins, beats, taken, ends, serve, announce, asked, atMs },
    reconnects: () => reconnects,
    asks: () => asks,
  };
}

test("a worker asks every 300 ms until a coordinator is there, and says so from time to time", async () => {
  const { clock, membership, serve, asked, taken, log } = setUp();
  const joined = membership.join();
  await clock.advance(6000);
  assert.deepEqual(log, ["Waiting for a coordinator for 5 s"]);
  serve(() => ({}));
  await clock.advance(300);
  await joined;
  assert.deepEqual(asked(), [6300]);
  assert.deepEqual(taken, [{ term: 5, isNew: true }]);
  assert.equal(membership.term, 5);
});

test("a coordinator that does not answer is asked again after two seconds and a pause", async () => {
  let answers = 0;
  const { clock, membership, serve, asked } = setUp();
  serve(() => (++answers < 3 ? undefined : {}));
  const joined = membership.join();
  await clock.advance(5000);
  await joined;
  assert.deepEqual(asked(), [0, 2300, 4600]);
});

test("two joins at a time are one", async () => {
  const { membership, serve, joins } = setUp();
  serve(() => ({}));
  await Promise.all([membership.join(), membership.join()]);
  assert.equal(joins.length, 1);
  await membership.join();
  assert.equal(joins.length, 2);
});

test("a request to join says who asks, and with which engine", async () => {
  const { membership, serve, joins } = setUp();
  serve(() => ({}));
  await membership.join();
  const { workerId, engineName, engineVersion, selfTestPassed, pid, incarnation } = joins[0]?.request ?? {};
  assert.deepEqual(
    { workerId, engineName, engineVersion, selfTestPassed, pid, incarnation },
    {
      workerId: "worker-1",
      engineName: "wasm",
      engineVersion: "by hand",
      selfTestPassed: true,
      pid: 11,
      incarnation: 22,
    },
  );
});

test("a join says what the worker works on, each time anew, and what waits is forgotten before it is asked", async () => {
  const { membership, serve, joins, asks, clock } = setUp();
  let answers = 0;
  serve(() => (++answers < 2 ? undefined : {}));
  const joined = membership.join();
  await clock.advance(3000);
  await joined;
  assert.deepEqual(
    joins.map(({ request }) => [request?.leaseId, request?.leaseTerm]),
    [
      [44, 7],
      [44, 7],
    ],
  );
  assert.equal(asks(), 2);
});

test("a term never falls: a coordinator of before a newer one is not joined, whatever it answers", async () => {
  const { clock, membership, serve, taken, joins } = setUp();
  let term = 9;
  serve(() => ({ term }));
  await membership.join();
  term = 8;
  void membership.join();
  await clock.advance(1000);
  assert.equal(membership.term, 9);
  assert.ok(joins.length > 2, "it asks on");
  term = 9;
  await clock.advance(300);
  assert.deepEqual(
    taken.map((one) => one.term),
    [9, 9],
  );
  const before = joins.length;
  membership.rejoin(8);
  await clock.advance(100);
  assert.equal(joins.length, before, "nor does its call count");
});

test("a member says that it is alive at the pace it was told, with the newest term and what it works on", async () => {
  const { clock, membership, serve, beats, atMs } = setUp();
  let term = 5;
  serve(() => ({ term }));
  await membership.join();
  await clock.advance(2500);
  assert.deepEqual(atMs(beats), [1000, 2000]);
  const { leaseId, tensors, busySeconds, rssBytes, progress } = beats[0]?.beat ?? {};
  assert.deepEqual([leaseId, tensors, busySeconds, rssBytes, progress], [44, 55, 66, 33, null]);
  term = 6;
  await membership.join();
  await clock.advance(1000);
  assert.deepEqual(atMs(beats), [1000, 2000, 3500]);
  assert.equal(beats.at(-1)?.beat?.term, 6);
});

test("who is cut off says nothing, and joins again when the connection is back", async () => {
  const { clock, broker, membership, serve, beats, taken, reconnects } = setUp();
  serve(() => ({}));
  await membership.join();
  broker.interrupt();
  await clock.advance(3000);
  assert.equal(beats.length, 0);
  broker.restore();
  await settle();
  assert.equal(reconnects(), 1);
  assert.deepEqual(taken, [
    { term: 5, isNew: true },
    { term: 5, isNew: false },
  ]);
});

test("a coordinator of another term is joined when it is announced, one of the same term is not", async () => {
  const { membership, serve, announce, joins, taken } = setUp();
  let term = 5;
  serve(() => ({ term }));
  await membership.join();
  announce(5);
  await settle();
  assert.equal(joins.length, 1);
  term = 6;
  announce(6);
  await settle();
  assert.deepEqual(taken.at(-1), { term: 6, isNew: true });
  assert.equal(membership.term, 6);
});

test("a worker that is refused ends, and is not taken in", async () => {
  const { clock, membership, serve, ends, taken, beats } = setUp();
  serve(() => ({ accepted: false }));
  await membership.join();
  assert.deepEqual(
    ends.map(({ reason, error }) => [reason, error.code]),
    [["refused", "dependency"]],
  );
  assert.match(ends[0]?.error.message ?? "", /refused worker worker-1: by hand/);
  assert.deepEqual(taken, []);
  await clock.advance(5000);
  assert.equal(beats.length, 0);
});

test("a worker asks after a coordinator that is silent for half of its patience, and stays when it answers", async () => {
  const { clock, membership, serve, asked, ends } = setUp({ coordinatorTimeoutMs: 40_000 });
  serve(() => ({}));
  membership.watch();
  await membership.join();
  await clock.advance(100_000);
  assert.deepEqual(asked(), [0, 20_000, 40_000, 60_000, 80_000, 100_000]);
  assert.equal(ends.length, 0);
});

test("a worker that hears nothing for as long as its patience is ends", async () => {
  const { clock, membership, serve, ends } = setUp({ coordinatorTimeoutMs: 40_000 });
  let isThere = true;
  serve(() => (isThere ? {} : undefined));
  membership.watch();
  await membership.join();
  isThere = false;
  await clock.advance(39_999);
  assert.equal(ends.length, 0);
  await clock.advance(1);
  assert.deepEqual(
    ends.map(({ reason, error }) => [reason, error.code, error.message]),
    [["no coordinator", "dependency", "No coordinator was heard of for 40 s"]],
  );
});

test("every word of the coordinator counts: announcements, and what the worker says it has heard", async () => {
  const { clock, membership, announce, ends } = setUp({ coordinatorTimeoutMs: 40_000 });
  membership.watch();
  await clock.advance(30_000);
  membership.heard();
  await clock.advance(30_000);
  announce(0);
  await clock.advance(30_000);
  assert.equal(ends.length, 0);
  await clock.advance(10_000);
  assert.equal(ends.length, 1);
});

test("who may wait for ever never ends by itself", async () => {
  const { clock, membership, ends } = setUp();
  membership.watch();
  void membership.join();
  await clock.advance(20_000);
  assert.equal(ends.length, 0);
});

test("a worker that stops asks no longer, and a closed membership leaves no timer behind", async () => {
  const { clock, membership, stop, serve, asked } = setUp({ coordinatorTimeoutMs: 40_000 });
  membership.watch();
  const joined = membership.join();
  await clock.advance(1000);
  stop.abort();
  await joined;
  serve(() => ({}));
  membership.close();
  await clock.advance(1000);
  assert.deepEqual(asked(), []);
  assert.equal(clock.pending, 0);
});
