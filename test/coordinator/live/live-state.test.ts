import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import fc from "fast-check";
import { LiveState, MOST_EVENTS, MOST_RUNS } from "../../../coordinator/live/core/live-state.js";
import { MOST_SWEEPS } from "../../../coordinator/live/core/live-sweeps.js";
import { timesSlower } from "../../../shared/pool-view.js";
import type { CurvePoint } from "../../../shared/results.js";
import { PAGE, RUN, opened, trained } from "./live-support.js";
import type { LiveEvent } from "../../../shared/events.js";
import { type SweepMessage, sweepMessage } from "../../../shared/sweep-progress.js";
import { sweepAfter } from "../../support/sweep-progress.js";

/** The page's own store, as a browser loads it. */
interface PageStore {
  take(message: unknown): unknown[];
  cluster: unknown;
  runs: Map<string, unknown>;
  curves: Map<string, unknown>;
  series: Map<string, Map<string, unknown>>;
  sweeps: Map<string, unknown>;
  workers: unknown;
  waits: unknown;
  taken: unknown;
  events: { seq: number }[];
}
const file = fileURLToPath(new URL("../../../coordinator/live/page/store.mjs", import.meta.url));
const { Store } = (await import(pathToFileURL(file).href)) as { Store: new () => PageStore };

/** As it goes over the line. */
const sent = (message: unknown): unknown => JSON.parse(JSON.stringify(message));

/** What a page shows, in one comparable piece. */
function shown(store: PageStore): unknown {
  return {
    runs: Object.fromEntries(store.runs),
    curves: Object.fromEntries(store.curves),
    series: Object.fromEntries(
      [...store.series]
        .filter(([, own]) => own.size > 0)
        .map(([run, own]) => [run, Object.fromEntries(own)] as const),
    ),
    sweeps: Object.fromEntries(store.sweeps),
    workers: store.workers,
    waits: store.waits,
    taken: store.taken,
    events: store.events,
  };
}

const point = (strength: number, n: number, errors: number): CurvePoint => ({
  kind: "adversarial",
  protocol: "paper",
  attack: "paper-fgs",
  norm: "linf",
  strength,
  n,
  error: errors / n,
  ci_low: 0,
  ci_high: 1,
  mean_confidence: 0.5,
});

/** The same table of the best at other times is no news. */
const toldSweep = (name: string, results: number, seconds: number): SweepMessage =>
  sweepMessage(sweepAfter(results, 20, { name, seconds }));

const runId = fc.constantFrom("run-a", "run-b", "run-c");
const event: fc.Arbitrary<LiveEvent> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(fc.integer({ min: 1, max: 900 }), runId)
      .map(([step, id]) => trained(step, 1 + 1 / step, id, id)),
  },
  runId.map((id) => ({ ...opened(id, id), timeMs: 5 })),
  fc
    .tuple(runId, fc.constantFrom("training", "evaluating", "loading"))
    .map(([id, name]) => ({ timeMs: 7, phase: { runId: id, model: id, name, detail: "x" } })),
  fc
    .tuple(runId, fc.integer({ min: 1, max: 900 }))
    .map(([id, step]) => ({ testAccuracy: { runId: id, step, accuracy: 0.5 } })),
  fc
    .tuple(runId, fc.constantFrom("w1", "w2"), fc.integer({ min: 1, max: 50 }))
    .map(([id, checkpoint, n]) => ({
      measured: { runId: id, checkpoint, points: [point(0.1, n, 0), point(0.2, n, n)] },
    })),
  runId.map((id) => ({
    result: { runId: id, points: [point(0.1, 9, 3)], checks: [], unreliable: ["masked"] },
  })),
  fc.subarray(["worker-1", "worker-2", "worker-10"]).map((ids) => ({
    timeMs: 11,
    workers: {
      workers: ids.map((workerId, i) => ({ workerId, state: "busy", samplesPerSecond: 10 * (i + 1) })),
    },
  })),
  fc.constant<LiveEvent>({ timeMs: 9, note: { level: "warning", message: "careful" } }),
  fc
    .tuple(fc.constantFrom("a", "b", "c"), fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 900 }))
    .map(([name, results, seconds]) => ({ timeMs: 17, sweep: toldSweep(name, results, seconds) })),
  runId.map((id) => ({ timeMs: 13, finished: { runId: id, ok: true, message: "done" } })),
);

test("a viewer who was told what changed sees what a newcomer sees, whenever either came", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(event, fc.boolean()), { maxLength: 600 }), fc.nat(20), (events, joinAt) => {
      const state = new LiveState(PAGE);
      const viewer = new Store();
      for (const [i, [each, isPush]] of events.entries()) {
        if (i === joinAt) viewer.take(sent(state.snapshot()));
        state.apply(each);
        const delta = isPush ? state.takeDelta() : undefined;
        if (delta !== undefined) viewer.take(sent(delta));
      }
      if (events.length <= joinAt) viewer.take(sent(state.snapshot()));
      const rest = state.takeDelta();
      if (rest !== undefined) viewer.take(sent(rest));
      const newcomer = new Store();
      newcomer.take(sent(state.snapshot()));
      assert.deepEqual(shown(viewer), shown(newcomer));
      assert.equal(state.takeDelta(), undefined);
    }),
    { numRuns: 60 },
  );
});

test("nothing grows without bound: runs, events, workers that left, and so the snapshot", () => {
  const state = new LiveState(PAGE);
  let largest = 0;
  for (let i = 0; i < 20_000; i++) {
    const id = `run-${i % 300}`;
    state.apply(trained(i + 1, 1, id, id));
    state.apply({ timeMs: i, note: { level: "info", message: "x".repeat(2000) } });
    state.apply({ timeMs: i, workers: { workers: [{ workerId: `worker-${i}`, state: "idle" }] } });
    if (i % 5000 === 4999) largest = Math.max(largest, JSON.stringify(state.snapshot()).length);
  }
  assert.equal(state.runs.length, MOST_RUNS);
  assert.equal(state.events.length, MOST_EVENTS);
  assert.equal(state.workers.length, 17);
  // 64 runs of at most 400 points of some 25 bytes, 200 events of some 600.
  assert.ok(largest < 1_000_000, String(largest));
  const delta = JSON.stringify(state.takeDelta());
  assert.ok(delta.length < 1_000_000);
});

test("a sweep of ten thousand trials is a few kilobytes a time, and its table is sent when it changed", () => {
  const state = new LiveState(PAGE);
  const bytes: number[] = [];
  let tables = 0;
  for (let results = 1; results <= 15_000; results += 250) {
    // Its table is the same from here on.
    const { best } = sweepAfter(Math.min(results, 5001));
    state.apply({ timeMs: results, sweep: sweepMessage(sweepAfter(results, 10_000, { best })) });
    const delta = state.takeDelta();
    bytes.push(JSON.stringify(delta).length);
    if (delta?.sweeps?.[0]?.best !== undefined) tables++;
  }
  assert.equal(tables, 21);
  assert.ok(Math.max(...bytes) < 64 * 1024, `${Math.max(...bytes)} bytes with the table`);
  assert.ok(Math.max(...bytes.slice(21)) < 4 * 1024, `${Math.max(...bytes.slice(21))} bytes without`);
  assert.ok(JSON.stringify(state.snapshot()).length < 64 * 1024);
});

test("who computes a trial of a sweep is shown with the trial's number, or its id while it has no result", () => {
  const state = new LiveState(PAGE);
  const sweep = sweepAfter(3, 20, { name: "wide" });
  state.apply({ timeMs: 1, sweep: sweepMessage(sweep) });
  const known = sweep.best[0];
  const lease = { unit: "steps 0–7", attempt: 1, held_seconds: 1, deadline_seconds: 9 };
  state.apply({
    timeMs: 2,
    workers: { workers: ["worker-1", "worker-2"].map((workerId) => ({ workerId, state: "busy" })) },
    pool: {
      workers: [
        { id: "worker-1", holds: { runId: `wide-${known?.id}`, ...lease }, rests_seconds: 0 },
        { id: "worker-2", holds: { runId: "wide-0123456789abcdef", ...lease }, rests_seconds: 0 },
      ],
      waits: [],
      taken: [],
    },
  });
  assert.deepEqual(
    state.workers.map(({ holds }) => holds?.run),
    [`trial ${known?.number} (${known?.id.slice(0, 8)})`, "trial 01234567"],
  );
});

test("there is room for so many sweeps; one that is done goes first", () => {
  const state = new LiveState(PAGE);
  const tell = (name: string, over: object = {}): void =>
    state.apply({ timeMs: 1, sweep: sweepMessage(sweepAfter(3, 20, { name, ...over })) });
  for (let i = 0; i < MOST_SWEEPS; i++) tell(`sweep-${i}`);
  tell("sweep-3", { state: "done" });
  state.takeDelta();
  tell("another");
  assert.equal(state.sweeps.length, MOST_SWEEPS);
  assert.equal(state.sweep("sweep-3"), undefined);
  assert.deepEqual(state.takeDelta()?.gone_sweeps, ["sweep-3"]);
  assert.deepEqual(state.events.map(({ run, message }) => [run, message]).at(-1), [
    "another",
    "the sweep is under way",
  ]);
});

test("a run that is over makes room before one that is not", () => {
  const state = new LiveState(PAGE);
  for (let i = 0; i < MOST_RUNS; i++) state.apply(opened(`run-${i}`, `net-${i}`));
  state.apply({ finished: { runId: "run-7", ok: true, message: "done" } });
  state.apply(opened("run-new", "new"));
  assert.equal(state.run("net-7"), undefined);
  assert.ok(state.run("net-0") !== undefined && state.run("new") !== undefined);
  assert.deepEqual(state.takeDelta()?.gone, ["net-7"]);
});

test("the slowest worker is marked when it is clearly slower, and one that left is shown as gone", () => {
  const state = new LiveState(PAGE);
  const table = (speeds: Record<string, number>): LiveEvent => ({
    timeMs: 1000,
    workers: {
      workers: Object.entries(speeds).map(([workerId, samplesPerSecond]) => ({
        workerId,
        samplesPerSecond,
        state: "busy",
        silentSeconds: 0.25,
      })),
    },
  });
  state.apply(table({ "worker-2": 100, "worker-10": 98, "worker-1": 97 }));
  assert.deepEqual(
    state.workers.map(({ id, slowest }) => [id, slowest]),
    [
      ["worker-1", false],
      ["worker-2", false],
      ["worker-10", false],
    ],
  );
  state.apply(table({ "worker-1": 40, "worker-2": 100 }));
  assert.deepEqual(
    state.workers.map(({ id, state: is, slowest, last_seen }) => [id, is, slowest, last_seen]),
    [
      ["worker-1", "busy", true, 750],
      ["worker-2", "busy", false, 750],
      ["worker-10", "gone", false, 750],
    ],
  );
  assert.deepEqual(state.events.map(({ message }) => message).slice(-1), ["worker-10 left"]);
});

test("who holds what, what is waited for and what was taken away name the run, and its time", () => {
  const state = new LiveState(PAGE);
  state.apply(opened());
  const held = {
    unit: "step 7, slots 0–1",
    attempt: 2,
    held_seconds: 4.2,
    deadline_seconds: 1.1,
  };
  state.apply({
    timeMs: 50_000,
    workers: { workers: ["worker-1", "worker-2"].map((workerId) => ({ workerId, state: "busy" })) },
    pool: {
      workers: [
        { id: "worker-1", holds: { runId: RUN, ...held }, rests_seconds: 0 },
        { id: "worker-2", holds: null, rests_seconds: 9 },
      ],
      waits: [{ runId: RUN, text: "step 7 waits for slots 0–1 of worker-1", is_late: true }],
      taken: [{ runId: "run-gone", worker: "worker-2", unit: "step 6", reason: "late", ago_seconds: 12 }],
    },
  });
  assert.deepEqual(
    state.workers.map(({ holds, rests_seconds: rests }) => [holds, rests]),
    [
      [{ run: "plain", ...held }, 0],
      [null, 9],
    ],
  );
  assert.deepEqual(state.waits, [
    { run: "plain", text: "step 7 waits for slots 0–1 of worker-1", is_late: true },
  ]);
  assert.deepEqual(state.taken, [
    { run: "run-gone", worker: "worker-2", unit: "step 6", reason: "late", time: 38_000 },
  ]);
  state.apply({ timeMs: 51_000, workers: { workers: [{ workerId: "worker-2", state: "idle" }] } });
  assert.deepEqual([state.workers.map(({ holds }) => holds), state.waits], [[null, null], []]);
});

test("how much slower a worker is counts from the median, of two from the faster one", () => {
  assert.deepEqual(timesSlower([10, 50, 60]), [5, 1, 50 / 60]);
  assert.deepEqual(timesSlower([20, 100]), [5, 1]);
  assert.deepEqual(timesSlower([20, null, 0]), [null, null, null]);
});

test("points of other weights are forgotten, and the final ones say what must not be believed", () => {
  const state = new LiveState(PAGE);
  state.apply(opened());
  const measured = (checkpoint: string, strength: number, n: number): LiveEvent => ({
    measured: { runId: RUN, checkpoint, points: [point(strength, n, 1)] },
  });
  state.apply(measured("first", 0.1, 10));
  state.apply(measured("second", 0.2, 20));
  const points = (): unknown =>
    [...(state.run("plain")?.series.values() ?? [])].map((one) =>
      one.points.map(({ strength, n, accuracy, unreliable }) => [strength, n, accuracy, unreliable]),
    );
  assert.deepEqual(points(), [[[0.2, 20, 0.95, []]]]);
  state.apply({
    result: {
      runId: RUN,
      points: [{ ...point(0.2, 40, 4), unreliable: ["masked gradients"] }],
      checks: [{ number: 1, title: "a check", status: "failed", detail: "so and so" }],
      unreliable: ["masked gradients"],
    },
  });
  assert.deepEqual(points(), [[[0.2, 40, 0.9, ["masked gradients"]]]]);
  assert.equal(state.run("plain")?.final, true);
});
