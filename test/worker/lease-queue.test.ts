import assert from "node:assert/strict";
import { test } from "node:test";
import { wire } from "../../shared/messages.js";
import type { Lease } from "../../worker/lease.js";
import { LeaseQueue } from "../../worker/lease-queue.js";
import { settle } from "../support/virtual-clock.js";

const lease = (leaseId: number): Lease => ({ kind: "block", order: new wire.BlockLease({ leaseId }) });

function setUp() {
  const stop = new AbortController();
  const queue = new LeaseQueue(stop.signal);
  const taken: (number | undefined)[] = [];
  const take = (): void => void queue.next().then((next) => taken.push(next?.order.leaseId));
  return { stop, queue, taken, take };
}

test("leases are taken in the order in which they came", async () => {
  const { queue, taken, take } = setUp();
  queue.put(lease(1));
  queue.put(lease(2));
  take();
  take();
  await settle();
  assert.deepEqual(taken, [1, 2]);
});

test("a copy of a command, or an older one that comes late, is no lease; another coordinator counts anew", async () => {
  const { queue, taken, take } = setUp();
  const of = (term: number, leaseId: number): Lease => ({
    kind: "block",
    order: new wire.BlockLease({ term, leaseId }),
  });
  for (const one of [of(1, 4), of(1, 4), of(1, 3), of(1, 5), of(2, 1)]) queue.put(one);
  for (let i = 0; i < 4; i++) take();
  await settle();
  assert.deepEqual(taken, [4, 5, 1]);
});

test("what waits can be forgotten as a whole", async () => {
  const { queue, taken, take } = setUp();
  queue.put(lease(1));
  queue.clear();
  take();
  queue.put(lease(2));
  await settle();
  assert.deepEqual(taken, [2]);
});

test("whoever waits gets the lease that comes, and two that wait get one each", async () => {
  const { queue, taken, take } = setUp();
  take();
  take();
  await settle();
  assert.deepEqual(taken, []);
  queue.put(lease(1));
  await settle();
  assert.deepEqual(taken, [1]);
  queue.put(lease(2));
  await settle();
  assert.deepEqual(taken, [1, 2]);
});

test("everybody who listens for an arrival hears of it, and nobody takes the lease from the loop", async () => {
  const { queue, taken, take } = setUp();
  const heard: string[] = [];
  void queue.arrival().then(() => heard.push("push"));
  void queue.arrival().then(() => heard.push("another push"));
  take();
  queue.put(lease(1));
  await settle();
  assert.deepEqual(heard, ["push", "another push"]);
  assert.deepEqual(taken, [1]);
});

test("an arrival of before is no arrival of a lease that was taken", async () => {
  const { queue, take } = setUp();
  queue.put(lease(1));
  await queue.arrival();
  take();
  await settle();
  let heard = false;
  void queue.arrival().then(() => (heard = true));
  await settle();
  assert.equal(heard, false);
});

test("a lease that is removed is not taken; one that does not wait cannot be removed", async () => {
  const { queue, taken, take } = setUp();
  queue.put(lease(1));
  queue.put(lease(2));
  assert.equal(queue.remove(1), true);
  assert.equal(queue.remove(1), false);
  take();
  await settle();
  assert.deepEqual(taken, [2]);
});

test("when the worker stops nobody waits any more, and what still waits is not taken", async () => {
  const { stop, queue, taken, take } = setUp();
  take();
  const arrival = queue.arrival();
  await settle();
  stop.abort();
  await arrival;
  queue.put(lease(1));
  take();
  await settle();
  assert.deepEqual(taken, [undefined, undefined]);
});
