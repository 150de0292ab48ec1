import assert from "node:assert/strict";
import { test } from "node:test";
import type { ClusterError } from "../../shared/errors.js";
import { EngineDesk } from "../../worker/engine-desk.js";
import { HandEngine, done } from "../support/hand-engine.js";
import { VirtualClock } from "../support/virtual-clock.js";

const BLOCK = { type: "block", runId: "a-run", term: 1, step: 0, first: 0, count: 1 } as const;

function setUp() {
  const engine = new HandEngine();
  const stop = new AbortController();
  const clock = new VirtualClock();
  const counted: number[] = [];
  const deaths: ClusterError[] = [];
  const hangs: ClusterError[] = [];
  const unfit: ClusterError[] = [];
  const warnings: string[] = [];
  const desk = new EngineDesk(
    engine,
    {
      done: ({ leaseId }) => counted.push(leaseId),
      died: (error) => deaths.push(error),
      unfit: (error) => unfit.push(error),
      hung: (error) => hangs.push(error),
      warned: (message) => warnings.push(message),
    },
    { stopping: stop.signal, clock },
  );
  const chunks: string[] = [];
  const compute = (leaseId: number, patienceMs = 0) =>
    desk.compute(
      {
        ...BLOCK,
        leaseId,
        parameters: new SharedArrayBuffer(4),
        frames: new Uint8Array(new SharedArrayBuffer(4)),
      },
      { patienceMs, onChunks: (ready) => chunks.push(`${leaseId}: ${ready.join(" ")}`) },
    );
  const finish = (leaseId: number, last: number[] = []): void =>
    engine.say({ type: "block-done", chunks: last, ...done(leaseId) });
  return { engine, stop, clock, desk, counted, deaths, hangs, unfit, warnings, chunks, compute, finish };
}

test("each answer goes to the order of its lease, in whatever order they come", async () => {
  const { engine, desk, compute, finish, chunks, counted } = setUp();
  const [first, second] = [compute(1), compute(2)];
  engine.say({ type: "chunks", leaseId: 2, chunks: [3, 4] });
  engine.say({ type: "chunks", leaseId: 1, chunks: [0] });
  finish(2, [5]);
  finish(1, [1, 2]);
  assert.equal((await first).leaseId, 1);
  assert.equal((await second).leaseId, 2);
  assert.deepEqual(chunks, ["2: 3 4", "1: 0", "2: 5", "1: 1 2"]);
  assert.deepEqual(counted, [2, 1]);
  assert.equal(desk.busySeconds, 1);
  assert.equal(desk.tensors, 7);
});

test("an answer to a lease that nobody waits for is dropped, and not counted", async () => {
  const { engine, desk, compute, finish, counted, chunks } = setUp();
  const order = compute(1);
  finish(9, [0]);
  engine.say({ type: "chunks", leaseId: 9, chunks: [0] });
  engine.say({ type: "failed", leaseId: 9, message: "another one" });
  finish(1);
  assert.equal((await order).leaseId, 1);
  assert.deepEqual(counted, [1]);
  assert.deepEqual(chunks, []);
  assert.equal(desk.busySeconds, 0.5);
});

test("a failure rejects the order of its lease alone; one without a lease rejects what waits", async () => {
  const { engine, compute } = setUp();
  const [first, second, third] = [compute(1), compute(2), compute(3)];
  engine.say({ type: "failed", leaseId: 2, message: "no memory" });
  await assert.rejects(second, /no memory/);
  engine.say({ type: "failed", leaseId: 0, message: "no network" });
  await assert.rejects(first, /no network/);
  await assert.rejects(third, /no network/);
});

test("an engine that dies rejects what waits and what comes later", async () => {
  const { engine, compute, deaths } = setUp();
  const order = compute(1);
  engine.die();
  await assert.rejects(order, /engine thread died/);
  assert.equal(deaths.length, 1);
  await assert.rejects(compute(2), /engine thread died/);
  assert.equal(engine.orders.length, 1);
});

test("a worker that stops waits for the engine no longer, and gives it no more orders", async () => {
  const { engine, stop, compute } = setUp();
  const order = compute(1);
  stop.abort(new Error("the worker stops"));
  await assert.rejects(order, /the worker stops/);
  await assert.rejects(compute(2), /the worker stops/);
  assert.equal(engine.orders.length, 1);
});

test("an answer of another kind is an error", async () => {
  const { engine, compute } = setUp();
  const order = compute(1);
  engine.say({ type: "stretch-done", steps: 1, ...done(1) });
  await assert.rejects(order, /answered block 1 with stretch-done/);
});

test("an engine that never answers is taken for hung, once, and everything that waits is told", async () => {
  const { clock, desk, hangs, compute } = setUp();
  const waiting = [compute(1, 20_000), compute(2, 60_000)].map((order) =>
    assert.rejects(order, /Taken for hung/),
  );
  await clock.advance(9000);
  assert.equal(desk.trouble, undefined);
  await clock.advance(2000);
  assert.deepEqual(desk.trouble, { state: "late", words: "the engine has not answered to block 1 for 11 s" });
  assert.deepEqual(hangs, []);
  await clock.advance(60_000);
  await Promise.all(waiting);
  const states = [desk].map(({ trouble }) => trouble?.state);
  assert.deepEqual(states, ["hangs"]);
  assert.deepEqual(
    hangs.map(({ code, exitCode, message }) => [code, exitCode, message]),
    [["unexpected", 1, "Taken for hung: the engine has not answered to block 1 for 20 s"]],
  );
});

test("an engine that says anything, or answers late, is merely slow", async () => {
  const { clock, engine, desk, hangs, compute, finish } = setUp();
  const order = compute(1, 20_000);
  for (let i = 0; i < 5; i++) {
    await clock.advance(15_000);
    engine.say({ type: "chunks", leaseId: 1, chunks: [i] });
  }
  finish(1);
  assert.equal((await order).leaseId, 1);
  await clock.advance(600_000);
  assert.equal(desk.trouble, undefined);
  assert.deepEqual(hangs, []);
});

test("what the engine cannot do as well as it should is told, and ends no order", async () => {
  const { engine, warnings, compute, finish } = setUp();
  const order = compute(3);
  engine.say({ type: "warning", message: "odd runs operation by operation" });
  finish(3);
  assert.equal((await order).leaseId, 3);
  assert.deepEqual(warnings, ["odd runs operation by operation"]);
});

test("an engine that can do nothing for a run ends the worker with its own words and exit code", async () => {
  const { engine, unfit, compute } = setUp();
  const order = compute(3);
  engine.say({
    type: "unfit",
    code: "dependency",
    message: "plain was not compiled",
    hint: "unset SAF_COMPILE",
  });
  await assert.rejects(order, { code: "dependency", message: "plain was not compiled" });
  await assert.rejects(compute(4), { code: "dependency" });
  assert.deepEqual(
    unfit.map(({ exitCode, message, hint }) => [exitCode, message, hint]),
    [[5, "plain was not compiled", "unset SAF_COMPILE"]],
  );
});
