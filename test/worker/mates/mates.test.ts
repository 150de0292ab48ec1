/** Two real Workers of one host: the first pushes what both compute. The coordinator and the engines are the test's. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  bodyOf,
  chunkCountOf,
  decodeChunk,
  frameIn,
  framesLength,
  valuesIn,
} from "../../../shared/core/chunk.js";
import { TAIL } from "../../../shared/core/layout.js";
import type { Bus } from "../../../shared/bus.js";
import { type saf, wire, writeMessage } from "../../../shared/messages.js";
import { recipeOf } from "../../../shared/run-hash.js";
import { NO_TRACES } from "../../../shared/tracing.js";
import { Worker } from "../../../worker/worker.js";
import { HandEngine, done } from "../../support/hand-engine.js";
import { MemoryBroker } from "../../support/memory-bus.js";
import { VirtualClock } from "../../support/virtual-clock.js";
import {
  PartsInMemory,
  RUN_ID,
  TERM,
  coordinate,
  layout,
  nothingSeen,
  spec,
  subjects,
  vectorChunk,
} from "../../support/worker-desk.js";

const TOTAL = 4 * layout.pushSize;
const CHUNKS = chunkCountOf(TOTAL);
/** Of a block of one slot: half a step of eight images. */
const IMAGES = 4;
const HOST = "a-host";

/** A frame as the coordinator got it. */
interface Got {
  worker: string;
  node: number;
  chunk: number;
  /** Its first value. */
  first: number;
}

async function twoMates() {
  const clock = new VirtualClock();
  const broker = new MemoryBroker(undefined, clock);
  const coordinator = broker.connect();
  coordinate(coordinator, nothingSeen());
  const got: Got[] = [];
  coordinator.subscribe(subjects.gradientPattern(0), ({ subject, data }) => {
    const decoded = decodeChunk(data);
    assert.ok(decoded.ok);
    const [first = NaN] = valuesIn(new Uint8Array(data));
    const { node, chunk } = decoded.header;
    got.push({ worker: subject.slice(subject.lastIndexOf(".") + 1), node, chunk, first });
  });
  const engines = [new HandEngine(), new HandEngine()] as const;
  const names = ["worker-1", "worker-2"] as const;
  for (const [i, id] of names.entries()) {
    const engine = engines[i] as HandEngine;
    const bulk: Bus = broker.connect();
    const worker = new Worker(id, {
      ...{ control: broker.connect(), bulk, engine, subjects, clock, parts: new PartsInMemory() },
      process: { pid: 1, incarnation: 2, rssBytes: () => 3, metricsUrl: "" },
      coordinatorTimeoutMs: 0,
      ...{ isFar: true, host: { id: HOST, bus: bulk } },
      log: () => undefined,
      tracer: NO_TRACES,
      metrics: { phase: () => undefined, tensors: () => undefined, reconnected: () => undefined },
    });
    worker.serve(new AbortController().signal).catch(() => undefined);
  }
  await clock.advance(0);
  const lease = (
    which: 0 | 1,
    leaseId: number,
    change: Partial<saf.v1.BlockLease.$Properties> = {},
  ): void => {
    const block = {
      ...{ term: TERM, runId: RUN_ID, attempt: 1, recipe: recipeOf(spec), leaseId, step: 0 },
      ...{ firstSlot: which, slotCount: 1, relay: "worker-1", porter: "worker-1", carriedNode: 1 },
      ...(which === 0 ? { mates: ["worker-2"] } : {}),
      ...change,
    };
    coordinator.publish(subjects.command(names[which]), writeMessage(wire.WorkerCommand, { block }));
  };
  /** What its engine comes to: this value everywhere, and the counts. */
  const compute = (which: 0 | 1, value: number, chunks = all()): void => {
    const engine = engines[which];
    const order = engine.orders.at(-1);
    assert.ok(order?.type === "block");
    for (let chunk = 0; chunk < CHUNKS; chunk++) {
      const frame = frameIn(order.frames.subarray(0, framesLength(TOTAL)), TOTAL, chunk);
      const values = valuesIn(frame).fill(value);
      if (chunk < CHUNKS - 1) continue;
      values[values.length - TAIL.length + TAIL.samples] = IMAGES;
      values[values.length - TAIL.length + TAIL.hits] = 1;
      assert.ok(bodyOf(frame).byteLength > 0);
    }
    engine.say({ type: "chunks", leaseId: order.leaseId, chunks });
  };
  const finish = (which: 0 | 1): void => {
    const engine = engines[which];
    engine.say({ type: "block-done", chunks: [], ...done(engine.orders.at(-1)?.leaseId ?? 0) });
  };
  return { clock, coordinator, broker, got, engines, lease, compute, finish };
}

const all = (): number[] => Array.from({ length: CHUNKS }, (_, chunk) => chunk);
const told = (got: readonly Got[]): string[] =>
  got.map(({ worker, node, first }) => `${worker} ${node} ${first}`);

test("a porter pushes the sum, chunk by chunk as both have it, and its mate pushes nothing", async () => {
  const { clock, got, lease, compute, finish } = await twoMates();
  lease(0, 1);
  lease(1, 2);
  await clock.advance(100);
  compute(1, 2, [0]);
  await clock.advance(1);
  assert.deepEqual(told(got), []);
  compute(0, 3, [0]);
  await clock.advance(1);
  assert.deepEqual(told(got), ["worker-1 1 5"]);
  compute(1, 2, all().slice(1));
  compute(0, 3, all().slice(1));
  finish(1);
  finish(0);
  await clock.advance(1);
  lease(1, 3, { step: 1 });
  await clock.advance(2000);
  assert.deepEqual(told(got), Array(CHUNKS).fill("worker-1 1 5"));
});

test("both push their own when the other does not bring his", async () => {
  for (const missing of [0, 1] as const) {
    const { clock, got, lease, compute, finish, coordinator } = await twoMates();
    // The coordinator misses what was not pushed.
    const sent = new Set<number>();
    coordinator.subscribe(subjects.gradientPattern(0), ({ data }) => {
      const decoded = decodeChunk(data);
      if (decoded.ok) sent.add(decoded.header.chunk);
    });
    lease(0, 1);
    lease(1, 2);
    await clock.advance(100);
    const there = missing === 0 ? 1 : 0;
    compute(there, 2);
    finish(there);
    await clock.advance(400);
    assert.deepEqual(told(got), [], "it took half a second to compute, and waits as long");
    await clock.advance(200);
    if (there === 0) assert.deepEqual(told(got), Array(CHUNKS).fill("worker-1 2 2"));
    // The giver asks first what is missing.
    else assert.deepEqual(told(got), []);
  }
});

test("what is not finite, or overflows when it is summed, is not carried", async () => {
  for (const [one, other] of [
    [1, NaN],
    [NaN, 1],
    [3e38, 3e38],
  ] as const) {
    const { clock, got, lease, compute, finish } = await twoMates();
    lease(0, 1);
    lease(1, 2);
    await clock.advance(100);
    compute(1, other);
    await clock.advance(1);
    compute(0, one);
    finish(0);
    await clock.advance(10);
    assert.ok(got.length > 0 && got.every(({ worker, node }) => worker === "worker-1" && node === 2));
  }
});

test("nobody but a mate that the lease names brings a block", async () => {
  const { clock, got, lease, compute, finish, broker } = await twoMates();
  const seen: Uint8Array[] = [];
  broker.connect().subscribe(subjects.mateGradientPattern("worker-1"), ({ data }) => seen.push(data.slice()));
  lease(0, 1, { mates: ["worker-3"] });
  lease(1, 2);
  await clock.advance(100);
  compute(1, 2);
  compute(0, 3);
  await clock.advance(1);
  assert.equal(seen.length, CHUNKS);
  assert.deepEqual(told(got), []);
  for (const frame of seen) broker.connect().publish(subjects.mateGradient("worker-1", "worker-3"), frame);
  finish(0);
  await clock.advance(1);
  assert.deepEqual(told(got), Array(CHUNKS).fill("worker-1 1 5"));
});

test("a relay passes parameters on, and its mate hears the broadcast no more", async () => {
  const { clock, engines, lease, compute, finish, coordinator, broker } = await twoMates();
  let pulled = 0;
  const passed: Uint8Array[] = [];
  coordinator.subscribe(subjects.parameterGetPattern(0), () => void pulled++);
  broker.connect().subscribe(subjects.mateParameters("worker-1"), ({ data }) => passed.push(data.slice()));
  for (const which of [0, 1] as const) lease(which, 1 + which);
  await clock.advance(100);
  for (const which of [0, 1] as const) compute(which, 1);
  for (const which of [0, 1] as const) finish(which);
  await clock.advance(1);
  pulled = 0;
  const count = chunkCountOf(4 * layout.size);
  for (let chunk = 0; chunk < count; chunk++) {
    const frame = vectorChunk({ version: 1, chunk, velocity: false } as saf.v1.ParamRequest, TERM);
    coordinator.publish(subjects.parametersAsBytes(0), frame);
  }
  for (const which of [0, 1] as const) lease(which, 3 + which, { step: 1 });
  await clock.advance(100);
  assert.equal(passed.length, count);
  assert.equal(pulled, 0);
  assert.deepEqual(
    engines.map((engine) => engine.orders.length),
    [2, 2],
  );
  // Without the relay's frames the mate asks, though the broadcast went out.
  lease(1, 5, { step: 2, relay: "worker-9" });
  for (let chunk = 0; chunk < count; chunk++) {
    const frame = vectorChunk({ version: 2, chunk, velocity: false } as saf.v1.ParamRequest, TERM);
    coordinator.publish(subjects.parametersAsBytes(0), frame);
  }
  compute(1, 1);
  finish(1);
  await clock.advance(1000);
  assert.equal(engines[1].orders.length, 3);
});
