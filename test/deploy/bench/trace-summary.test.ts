import assert from "node:assert/strict";
import { test } from "node:test";
import { documentOf, summaryOf } from "../../../deploy/bench/core/trace-summary.js";
import type { TraceEvent } from "../../../shared/trace-events.js";

const [COORDINATOR, FIRST, SECOND] = [10, 11, 12];
const [MAIN, ENGINE, STEPS, LEASES_1, LEASES_2, HAND] = [1, 2, 10, 11, 12, 10];

const name = (pid: number, process: string, lanes: Record<number, string>): TraceEvent[] => [
  { ph: "M", name: "process_name", pid, tid: 0, args: { name: process } },
  ...Object.entries(lanes).map(([tid, lane]): TraceEvent => ({
    ...{ ph: "M", name: "thread_name", pid, tid: Number(tid) },
    args: { name: lane },
  })),
];

const part = (pid: number, tid: number, name: string, ts: number, dur: number): TraceEvent => ({
  ...{ ph: "X", name, pid, tid, ts, dur },
});

const NAMES = [
  ...name(COORDINATOR, "coordinator", {
    [MAIN]: "main thread",
    [STEPS]: "steps",
    [LEASES_1]: "leases of worker-1",
    [LEASES_2]: "leases of worker-2",
  }),
  ...[FIRST, SECOND].flatMap((pid, i) =>
    name(pid, `worker-${i + 1}`, {
      [MAIN]: "main thread",
      [ENGINE]: "engine thread",
      [HAND]: "lease in hand",
    }),
  ),
];

/** A step of 100 µs, whose second worker ends last. */
const stepAt = (at: number): TraceEvent[] => [
  part(COORDINATOR, STEPS, "step", at, 90),
  part(COORDINATOR, LEASES_1, "lease", at, 50),
  part(COORDINATOR, LEASES_2, "lease", at + 1, 84),
  part(FIRST, HAND, "wait", at + 3, 1),
  part(FIRST, ENGINE, "block", at + 5, 30),
  part(SECOND, HAND, "wait", at + 4, 6),
  part(SECOND, ENGINE, "block", at + 12, 60),
  part(SECOND, ENGINE, "sum and encode", at + 60, 4),
  part(SECOND, ENGINE, "sum and encode", at + 66, 5),
  part(COORDINATOR, MAIN, "reduce", at + 75, 8),
];

const CLOCK = 5_000_000;
const lines = (events: readonly TraceEvent[]): string[] => events.map((event) => JSON.stringify(event));

test("a document begins at 0, in the order of time, with the names of its lanes", () => {
  const { traceEvents, displayTimeUnit } = documentOf(
    lines([...stepAt(CLOCK + 100), ...NAMES, ...stepAt(CLOCK)]),
  );
  assert.equal(displayTimeUnit, "ms");
  assert.equal(traceEvents.filter(({ ph }) => ph === "M").length, NAMES.length);
  const times = traceEvents.flatMap((event) => (event.ph === "X" ? [event.ts] : []));
  assert.equal(times[0], 0);
  assert.deepEqual(
    times,
    [...times].sort((a, b) => a - b),
  );
});

test("the chain of a step follows the worker whose block is complete last, and adds up", () => {
  const steps = [0, 100, 200, 300].flatMap((at) => stepAt(CLOCK + at));
  const summary = summaryOf(documentOf(lines([...NAMES, ...steps])), 1);
  // Of four steps one is skipped, and the last has no end.
  assert.deepEqual([summary.steps, summary.step_us], [2, 100]);
  assert.deepEqual(
    summary.chain.map(({ us }) => us),
    [4, 6, 2, 60, 13, 5, 10],
  );
});

test("parts of a process are summed over a step", () => {
  const steps = [0, 100, 200].flatMap((at) => stepAt(CLOCK + at));
  const { phases } = summaryOf(documentOf(lines([...NAMES, ...steps])), 0);
  const encode = phases.find(({ part: one }) => one === "sum and encode");
  assert.deepEqual(encode, {
    ...{ process: "worker-2", lane: "engine thread", part: "sum and encode", us: 9, times: 2 },
  });
});

test("a trace that holds no whole step says nothing, and fails nothing", () => {
  const { steps, chain, phases } = summaryOf(documentOf(lines([...NAMES, ...stepAt(CLOCK)])), 0);
  assert.deepEqual({ steps, chain, phases }, { steps: 0, chain: [], phases: [] });
});
