/** The real Worker in one process: virtual time, a bus in memory, an engine and a coordinator that the test answers for. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { configSchema } from "../../shared/config/run.js";
import { HEADER_BYTES, chunkCountOf, sealChunk } from "../../shared/core/chunk.js";
import { stateSize } from "../../shared/core/stretch.js";
import { ClusterError } from "../../shared/errors.js";
import { MemoryBroker } from "../support/memory-bus.js";
import { readMessage, type saf, wire, writeMessage } from "../../shared/messages.js";
import { layoutOf } from "../../shared/networks/network.js";
import { resolveRun } from "../../shared/resolve.js";
import { recipeOf, runHashOf } from "../../shared/run-hash.js";
import { NO_TRACES } from "../../shared/tracing.js";
import type { WorkerEdges } from "../../worker/edges.js";
import { CONTROL } from "../../worker/engine/messages.js";
import { Worker } from "../../worker/worker.js";
import { HandEngine, done } from "../support/hand-engine.js";
import {
  IMAGES,
  PartsInMemory,
  RUN_ID,
  TERM,
  config,
  coordinate,
  layout,
  nothingSeen,
  sha256,
  spec,
  subjects,
  vectorChunk,
} from "../support/worker-desk.js";
import { VirtualClock, settle } from "../support/virtual-clock.js";

/** A worker that has joined. */
async function joined(engine = new HandEngine(), change: Partial<WorkerEdges> = {}) {
  const clock = new VirtualClock();
  const broker = new MemoryBroker(undefined, clock);
  const coordinator = broker.connect();
  const store = new PartsInMemory();
  const stop = new AbortController();
  const seen = nothingSeen();
  coordinate(coordinator, seen);
  const worker = new Worker("worker-1", {
    control: broker.connect(),
    bulk: broker.connect(),
    engine,
    subjects,
    parts: store,
    clock,
    process: { pid: 1, incarnation: 2, rssBytes: () => 3, metricsUrl: "" },
    coordinatorTimeoutMs: 0,
    log: () => undefined,
    tracer: NO_TRACES,
    metrics: { phase: () => undefined, tensors: () => undefined, reconnected: () => undefined },
    ...change,
  });
  const served = worker.serve(stop.signal);
  served.catch(() => undefined);
  const command = (message: saf.v1.WorkerCommand.$Properties): void =>
    coordinator.publish(subjects.command("worker-1"), writeMessage(wire.WorkerCommand, message));
  const whose = { term: TERM, runId: RUN_ID, attempt: 1, recipe: recipeOf(spec) };
  const block = (leaseId: number, change: Partial<saf.v1.BlockLease.$Properties> = {}): void =>
    command({ block: { ...whose, leaseId, step: 0, firstSlot: 0, slotCount: 2, ...change } });
  const stretch = (leaseId: number): void =>
    command({ exclusive: { ...whose, leaseId, step: 0, stepCount: 3 } });
  const returned = (): string[] =>
    seen.returns.map((back) =>
      [back?.leaseId, back?.reason, back?.leaving && "leaving", back?.failed && "failed"]
        .filter((word) => word !== false)
        .join(" "),
    );
  await clock.advance(0);
  return {
    clock,
    broker,
    coordinator,
    engine,
    store,
    stop,
    seen,
    served,
    command,
    block,
    stretch,
    whose,
    returned,
  };
}

test("a block goes all the way: run, images, weights, engine, frames, the end of the push", async () => {
  const { clock, engine, store, seen, block, returned } = await joined();
  engine.onOrder = ({ leaseId }) => {
    engine.say({ type: "chunks", leaseId, chunks: [1, 0] });
  };
  block(7);
  await clock.advance(1000);
  assert.deepEqual(
    engine.told.map(({ type }) => type),
    ["run", "images", "block"],
  );
  assert.deepEqual([...store.kept.keys()], [sha256]);
  assert.deepEqual(
    seen.frames.map(({ chunk, term, step, node }) => ({ chunk, term, step, node })),
    [
      { chunk: 1, term: TERM, step: 0, node: 1 },
      { chunk: 0, term: TERM, step: 0, node: 1 },
    ],
  );
  assert.equal(seen.ends.length, 0);
  assert.equal(seen.beats.at(-1)?.leaseId, 7);

  engine.say({ type: "block-done", chunks: [], ...done(7) });
  await clock.advance(1000);
  const { workerId, leaseId, runId, chunkCount, computeSeconds } = seen.ends[0] ?? {};
  assert.deepEqual(
    { workerId, leaseId, runId, chunkCount, computeSeconds },
    {
      workerId: "worker-1",
      leaseId: 7,
      runId: RUN_ID,
      chunkCount: chunkCountOf(layout.pushSize * 4),
      computeSeconds: 0.5,
    },
  );
  assert.equal(seen.beats.at(-1)?.leaseId, 0);
  assert.equal(seen.beats.at(-1)?.busySeconds, 0.5);
  assert.deepEqual(returned(), []);
});

test("what is loaded once is not loaded again: the run, its images, both splits of the same bytes", async () => {
  const { clock, engine, seen, block, command, whose } = await joined();
  engine.onOrder = ({ leaseId, type }) => {
    if (type === "block") engine.say({ type: "block-done", chunks: [], ...done(leaseId) });
    else engine.say({ type: "failed", leaseId, message: "no such measure" });
  };
  block(1);
  await clock.advance(100);
  block(2);
  await clock.advance(100);
  const measureJson = JSON.stringify({ how: "attack", attack: "none" });
  command({ task: { ...whose, leaseId: 3, taskId: "a-task", measureJson, features: true, imageCount: 4 } });
  await clock.advance(100);
  assert.deepEqual(
    engine.told.map(({ type }) => type),
    ["run", "images", "block", "block", "images", "features"],
  );
  assert.equal(seen.ranges, 1);
});

test("another run under the same name is another run: what was loaded is forgotten, and its own description asked for", async () => {
  const { clock, engine, seen, block, returned } = await joined();
  engine.onOrder = ({ leaseId }) => engine.say({ type: "block-done", chunks: [], ...done(leaseId) });
  block(1);
  await clock.advance(1000);
  const other = { ...spec, configJson: JSON.stringify({ ...config, seed: 77 }) };
  block(2, { recipe: recipeOf(other) });
  await clock.advance(1000);
  assert.match(returned().join(), /^2 Run a-run is described by recipe .* failed$/, "it is not there yet");
  seen.spec = other;
  block(3, { recipe: recipeOf(other) });
  await clock.advance(1000);
  const described = engine.told.flatMap((message) => (message.type === "run" ? [message.seed] : []));
  assert.deepEqual(described, [0, 77]);
  assert.deepEqual(
    engine.orders.map(({ leaseId }) => leaseId),
    [1, 3],
  );
});

test("an emulated run is served by an emulated engine alone, which fetches no training image; a real one by a real one", async () => {
  const emulated = { ...spec, configJson: JSON.stringify({ ...config, engine: "emulated" }) };
  for (const [name, described, refusal] of [
    ["wasm", emulated, /Cannot serve run a-run with engine "wasm": it is computed by emulated only failed$/],
    ["emulated", spec, /with engine "emulated": it is computed by tensorflow-gpu or tensorflow or wasm only/],
    ["emulated", emulated, undefined],
  ] as const) {
    const { clock, engine, seen, block, returned } = await joined(new HandEngine(name));
    engine.onOrder = ({ leaseId }) => engine.say({ type: "block-done", chunks: [], ...done(leaseId) });
    seen.spec = described;
    block(1, { recipe: recipeOf(described) });
    await clock.advance(1000);
    assert.equal(seen.ranges, 0, name);
    if (refusal !== undefined) {
      assert.match(returned().join(), refusal);
      assert.deepEqual(engine.orders, []);
      continue;
    }
    assert.deepEqual(returned(), []);
    const images = engine.told.flatMap((message) => (message.type === "images" ? [message.images] : []));
    assert.deepEqual(
      images.map(({ count, pixels, labels }) => [count, pixels.byteLength, labels.byteLength]),
      [[IMAGES, 0, 0]],
    );
  }
});

test("leases are served one after another; of those that wait, a halted one goes back and a cancelled one is dropped", async () => {
  const { clock, engine, block, command, returned } = await joined();
  for (const leaseId of [1, 2, 3, 4]) block(leaseId);
  await clock.advance(100);
  command({ halt: { leaseId: 2 } });
  command({ cancel: { leaseId: 3 } });
  await clock.advance(100);
  assert.deepEqual(returned(), ["2 halted"]);
  engine.say({ type: "block-done", chunks: [], ...done(1) });
  await clock.advance(100);
  assert.deepEqual(
    engine.orders.map(({ leaseId }) => leaseId),
    [1, 4],
  );
});

test("a lease of an earlier term is not served", async () => {
  const { clock, engine, block, returned } = await joined();
  block(1, { term: TERM - 1 });
  await clock.advance(100);
  assert.deepEqual(engine.orders, []);
  assert.deepEqual(returned(), []);
});

test("a lease of a coordinator that has not taken the worker in waits until it has, and ends nothing", async () => {
  const { clock, engine, seen, block } = await joined();
  block(1);
  await clock.advance(100);
  // Forged: nobody of that term answers.
  block(7, { term: TERM + 100 });
  await clock.advance(100);
  engine.say({ type: "block-done", chunks: [], ...done(1) });
  await clock.advance(100);
  block(2);
  await clock.advance(100);
  assert.deepEqual(
    engine.orders.map(({ leaseId }) => leaseId),
    [1, 2],
    "our coordinator's leases count as before",
  );
  engine.say({ type: "block-done", chunks: [], ...done(2) });
  seen.term = TERM + 1;
  block(1, { term: TERM + 1 });
  await clock.advance(100);
  assert.deepEqual(
    engine.orders.map(({ leaseId }) => leaseId),
    [1, 2, 1],
  );
});

test("a lease that the engine cannot serve goes back as failed, and the next one is served", async () => {
  const { clock, engine, seen, block, returned } = await joined();
  block(1);
  await clock.advance(100);
  engine.say({ type: "failed", leaseId: 1, message: "no memory" });
  await clock.advance(100);
  assert.deepEqual(returned(), ["1 no memory failed"]);
  engine.onOrder = ({ leaseId }) => engine.say({ type: "block-done", chunks: [], ...done(leaseId) });
  block(2);
  await clock.advance(100);
  assert.equal(seen.ends[0]?.leaseId, 2);
});

test("a worker that is sent away gives its lease back, which is no failure, and ends", async () => {
  const { clock, block, command, returned, served } = await joined();
  block(1);
  await clock.advance(100);
  command({ shutdown: { reason: "the runs are done" } });
  await served;
  await settle();
  assert.deepEqual(returned(), ["1 the runs are done leaving", "1 the worker stops"]);
  assert.equal(clock.pending, 0);
});

test("a worker that outlives runs falls silent when it is sent away, and joins the next run", async () => {
  const { clock, engine, seen, block, command, coordinator } = await joined(undefined, {
    outlivesRuns: true,
  });
  engine.onOrder = ({ leaseId }) => engine.say({ type: "block-done", chunks: [], ...done(leaseId) });
  block(1);
  await clock.advance(1000);
  assert.equal(seen.ends.length, 1);
  command({ shutdown: { reason: "the work is done" } });
  await clock.advance(5000);
  const beatsBefore = seen.beats.length;
  await clock.advance(60_000);
  assert.equal(seen.beats.length, beatsBefore, "it beats for a coordinator that has sent it away");

  // A late word of the one that is done is no reason to come back.
  coordinator.publish(subjects.all, writeMessage(wire.Announce, { term: TERM }));
  await clock.advance(5000);
  assert.equal(seen.beats.length, beatsBefore);

  seen.term = TERM + 1;
  coordinator.publish(subjects.all, writeMessage(wire.Announce, { term: TERM + 1 }));
  await clock.advance(2000);
  assert.ok(seen.beats.length > beatsBefore);
  assert.equal(seen.beats.at(-1)?.term, TERM + 1);
  block(1, { term: TERM + 1 });
  await clock.advance(1000);
  assert.equal(seen.ends.length, 2);
});

test("a worker of another machine hears parameters as bytes, and says where it is", async () => {
  const asked: (boolean | undefined)[] = [];
  for (const isFar of [true, false]) {
    const { clock, broker, coordinator, engine, block } = await joined(undefined, { isFar });
    coordinator.subscribe(subjects.joinPattern, ({ data }) =>
      asked.push(readMessage(wire.JoinRequest, data)?.isFar),
    );
    let pulled = 0;
    coordinator.subscribe(subjects.parameterGetPattern(0), () => pulled++);
    // It has the run and the images; only the next version is to come.
    engine.onOrder = ({ leaseId, type }) => {
      if (type === "block") engine.say({ type: "block-done", chunks: [], ...done(leaseId) });
    };
    block(1);
    await clock.advance(1000);
    pulled = 0;
    for (let chunk = 0; chunk < chunkCountOf(layout.size * 4); chunk++) {
      const frame = vectorChunk({ version: 1, chunk, velocity: false } as saf.v1.ParamRequest, TERM);
      coordinator.publish(subjects.parametersAsBytes(0), frame);
    }
    block(2, { step: 1 });
    await clock.advance(1000);
    assert.equal(pulled === 0, isFar, `${pulled} chunks pulled`);
    broker.interrupt();
    broker.restore();
    await clock.advance(1000);
  }
  assert.deepEqual(asked, [true, false]);
});

test("a worker ends with its engine, even when it has no lease", async () => {
  const { engine, returned, served } = await joined();
  engine.die();
  await assert.rejects(served, /engine thread died/);
  await settle();
  assert.deepEqual(returned(), ["0 the engine died leaving"]);
});

test("a stretch pulls its state, tells how far it is, ends early when halted, and pushes the state", async () => {
  const { clock, engine, seen, stretch, command } = await joined();
  stretch(1);
  await clock.advance(500);
  const order = engine.orders[0];
  assert.ok(order?.type === "stretch" && order.start !== undefined);
  const control = new Int32Array(order.control);
  assert.equal(control[CONTROL.halt], 0);
  assert.equal(order.state.byteLength, 4 * stateSize(layout, 3));
  control[CONTROL.stepsDone] = 2;
  await clock.advance(1000);
  assert.equal(seen.beats.at(-1)?.progress?.steps, 2);
  command({ halt: { leaseId: 1 } });
  await clock.advance(10);
  assert.equal(control[CONTROL.halt], 1);

  engine.say({ type: "stretch-done", steps: 2, ...done(1) });
  await clock.advance(1000);
  assert.equal(seen.ends[0]?.stepCount, 2);
  assert.equal(seen.frames.length, chunkCountOf(4 * stateSize(layout, 2)));
  assert.ok(seen.frames.every(({ kind, node }) => kind === "state" && node === 2));
  assert.equal(seen.beats.at(-1)?.progress, null);
});

test("what comes with a lease is not asked for, a short state leaves in one message, and a command settles it", async () => {
  const { clock, coordinator, engine, seen, command } = await joined(new HandEngine("emulated"));
  const asked: string[] = [];
  for (const subject of [
    subjects.runGetPattern,
    subjects.parameterGetPattern(0),
    subjects.gradientPattern(0),
  ])
    coordinator.subscribe(subject, (message) => void asked.push(message.subject));
  const tiny = configSchema.parse({ ...config, engine: "emulated", network: { channels: [1, 1, 1] } });
  const { size } = layoutOf(resolveRun(tiny).network);
  const run = { ...spec, configJson: JSON.stringify(tiny), parameterCount: size };
  const frames = (["parameters", "velocity"] as const).map((kind, i) => {
    const frame = new Uint8Array(HEADER_BYTES + 4 * size);
    new Float32Array(frame.buffer, HEADER_BYTES).fill(i + 1);
    const place = { chunk: 0, chunkCount: 1, offset: 0, totalBytes: 4 * size };
    const whose = { runHash: runHashOf(RUN_ID), term: TERM, step: 0, node: 0, attempt: 0, shard: 0 };
    sealChunk(frame, { kind, codec: "fp32", ...whose, ...place });
    return frame;
  });
  engine.onOrder = ({ leaseId }) => {
    const measured = { findings: [{ outcomes: [] }], seconds: 0.25 };
    engine.say({ type: "stretch-done", steps: 3, measured, ...done(leaseId) });
  };
  const measures = [{ measureJson: JSON.stringify({ how: "clean" }), strengths: [0], imageCount: 10 }];
  const whose = { term: TERM, runId: RUN_ID, attempt: 1, recipe: recipeOf(run) };
  const lease = { ...whose, leaseId: 1, step: 0, stepCount: 3, takesFrames: true, measures };
  command({ exclusive: lease, run, frames });
  await clock.advance(100);
  const [order] = engine.orders;
  assert.ok(order?.type === "stretch" && order.start !== undefined);
  assert.deepEqual([...new Set(new Float32Array(order.start.parameters))], [1]);
  assert.deepEqual([...new Set(new Float32Array(order.start.velocity))], [2]);
  assert.deepEqual(
    order.measures?.map(({ measure, imageCount }) => [measure.how, imageCount]),
    [["clean", 10]],
  );
  assert.deepEqual(asked, []);
  const [end] = seen.ends;
  assert.deepEqual([end?.stepCount, end?.frames.length, end?.computeSeconds], [3, 1, 0.25]);
  assert.deepEqual(
    end?.measured.map(({ computeSeconds }) => computeSeconds),
    [0.25],
  );

  command({ exclusive: { ...lease, leaseId: 2, step: 3, stepCount: 1 } });
  await clock.advance(100);
  assert.equal(engine.orders.length, 1, "the next lease waits until the push is settled");
  command({ settled: { leaseId: 1, term: TERM, reply: { status: wire.PushReply.Status.OK } } });
  await clock.advance(100);
  assert.ok(engine.orders[1]?.type === "stretch" && engine.orders[1].start === undefined);
});

test("a stretch that follows the one before goes on with the engine's own state", async () => {
  const { clock, engine, command, stretch, whose } = await joined();
  engine.onOrder = ({ leaseId }) => engine.say({ type: "stretch-done", steps: 2, ...done(leaseId) });
  stretch(1);
  await clock.advance(100);
  command({ exclusive: { ...whose, leaseId: 2, step: 2, stepCount: 1 } });
  await clock.advance(100);
  assert.deepEqual(
    engine.orders.map((order) => order.type === "stretch" && order.start !== undefined),
    [true, false],
  );
});

test("stretches that each pull their state use the same memory again", async () => {
  const { clock, engine, command, whose } = await joined();
  engine.onOrder = ({ leaseId }) => engine.say({ type: "stretch-done", steps: 1, ...done(leaseId) });
  for (let leaseId = 1; leaseId <= 40; leaseId++) {
    command({ exclusive: { ...whose, leaseId, step: 0, stepCount: 3 - (leaseId % 3) } });
    await clock.advance(100);
  }
  const used = engine.orders.flatMap((order) => {
    assert.ok(order.type === "stretch" && order.start !== undefined);
    return [order.start.parameters, order.start.velocity, order.state, order.control];
  });
  assert.equal(used.length, 4 * 40);
  // One for each, and two states that were too small for a longer stretch.
  assert.ok(new Set(used).size <= 6, `${new Set(used).size}`);
});

test("a stretch ends early when a coordinator of another term takes the worker in", async () => {
  const { clock, engine, seen, stretch, command } = await joined();
  stretch(1);
  await clock.advance(100);
  const order = engine.orders[0];
  assert.ok(order?.type === "stretch");
  command({ rejoin: { term: TERM } });
  await clock.advance(10);
  assert.equal(new Int32Array(order.control)[CONTROL.halt], 0);
  seen.term = TERM + 1;
  command({ rejoin: { term: TERM + 1 } });
  await clock.advance(10);
  assert.equal(new Int32Array(order.control)[CONTROL.halt], 1);
});

test("a worker whose engine never answers says why it goes, and ends with exit code 1, coordinator or not", async () => {
  const { clock, seen, served, block, command } = await joined();
  block(4, { patienceMs: 20_000 });
  await clock.advance(0);
  // Nobody may be there to see it: the order is cancelled, and then nothing is said any more.
  command({ cancel: { leaseId: 4, reason: "its deadline is over" } });
  await clock.advance(30_000);
  await assert.rejects(served, (error: unknown) => {
    assert.ok(error instanceof ClusterError);
    assert.equal(error.exitCode, 1);
    assert.match(error.message, /^Taken for hung: the engine has not answered to block 4 for 2[01] s$/);
    return true;
  });
  const goodbye = seen.returns.find((back) => back?.leaving === true);
  assert.match(goodbye?.reason ?? "", /^Taken for hung: the engine has not answered/);
});
