import assert from "node:assert/strict";
import { test } from "node:test";
import { RequestError } from "../../shared/bus.js";
import { type Retried, type RetryPolicy, retry } from "../../shared/retry.js";
import { VirtualClock, settle } from "../support/virtual-clock.js";

const POLICY: RetryPolicy = {
  attempts: 4,
  pauseMs: (attempts, failure) => (failure === undefined ? 0 : 100 * attempts),
};

/** What each try comes to, in order; the times at which they were made. */
function begin(tries: (string | undefined | Error)[], policy = POLICY) {
  const clock = new VirtualClock();
  const stop = new AbortController();
  const times: number[] = [];
  const told: (string | undefined)[] = [];
  let result: Retried<string> | undefined;
  const done = retry(policy, { clock, signal: stop.signal }, async (failure) => {
    told.push(failure?.failure);
    const outcome = tries[times.push(clock.now()) - 1];
    if (outcome instanceof Error) throw outcome;
    return outcome;
  }).then((retried) => (result = retried));
  return { clock, stop, times, told, done, result: () => result };
}

const timeout = new RequestError("timeout", "subject");

test("an answer ends it without a wait", async () => {
  const { done, times, clock } = begin(["yes"]);
  assert.deepEqual(await done, { kind: "answered", answer: "yes" });
  assert.deepEqual(times, [0]);
  assert.equal(clock.pending, 0);
});

test("a request that failed is tried again after the policy's pauses, and the next try is told", async () => {
  const { clock, done, times, told } = begin([timeout, timeout, "yes"]);
  await clock.advance(299);
  assert.deepEqual(times, [0, 100]);
  await clock.advance(1);
  assert.deepEqual(await done, { kind: "answered", answer: "yes" });
  assert.deepEqual(times, [0, 100, 300]);
  assert.deepEqual(told, [undefined, "timeout", "timeout"]);
});

test("an answer that does not end it is followed by a try at once, where the policy has no pause", async () => {
  const { done, times, told } = begin([undefined, undefined, "yes"]);
  assert.deepEqual(await done, { kind: "answered", answer: "yes" });
  assert.deepEqual(times, [0, 0, 0]);
  assert.deepEqual(told, [undefined, undefined, undefined]);
});

test("when the tries are used up the last failure is told, without another pause", async () => {
  const { clock, done, times } = begin([timeout, timeout, timeout, timeout, "too late"]);
  await clock.advance(600);
  assert.deepEqual(await done, { kind: "exhausted", failure: timeout });
  assert.deepEqual(times, [0, 100, 300, 600]);
  assert.deepEqual(await begin([undefined, undefined, undefined, undefined]).done, {
    kind: "exhausted",
    failure: undefined,
  });
});

test("an error that is no failed request is thrown at once", async () => {
  const { done, times } = begin([new RangeError("wrong")]);
  await assert.rejects(done, /wrong/);
  assert.equal(times.length, 1);
});

test("a signal ends the pause, and nothing is tried after it", async () => {
  const { clock, stop, done, times, result } = begin([timeout, "too late"]);
  await clock.advance(50);
  assert.equal(result(), undefined);
  stop.abort();
  assert.deepEqual(await done, { kind: "aborted" });
  assert.equal(times.length, 1);
  assert.equal(clock.pending, 0);
});

test("nothing is tried when the signal has aborted before", async () => {
  const clock = new VirtualClock();
  const retried = await retry(POLICY, { clock, signal: AbortSignal.abort() }, () => assert.fail("tried"));
  assert.deepEqual(retried, { kind: "aborted" });
});

test("without a bound it is tried until an answer comes", async () => {
  const tries = Array.from({ length: 500 }, () => timeout);
  const { clock, done, times } = begin([...tries, "at last"], { attempts: Infinity, pauseMs: () => 1 });
  while (times.length < 501) await clock.advance(50);
  assert.deepEqual(await done, { kind: "answered", answer: "at last" });
  await settle();
});
