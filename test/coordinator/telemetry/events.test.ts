import assert from "node:assert/strict";
import { test } from "node:test";
import type { MeasuredRange } from "../../../coordinator/evaluation/curves.js";
import { EventPublisher, Speed } from "../../../coordinator/telemetry/events.js";
import { readMessage, type saf, wire } from "../../../shared/messages.js";
import { MemoryBroker } from "../../support/memory-bus.js";
import { subjectsOf } from "../../../shared/subjects.js";
import type { LiveEvent } from "../../../shared/events.js";
import { sweepOf } from "../../../shared/sweep-progress.js";
import { sweepAfter } from "../../support/sweep-progress.js";

test("a speed is nothing while it is too early to say", () => {
  const speed = new Speed();
  assert.equal(speed.seen(100, 0), 0);
  assert.equal(speed.seen(110, 1000), 0);
  assert.equal(speed.seen(120, 2000), 10);
});

test("a speed is the same whether steps come one by one or many at a time", () => {
  const oneByOne = new Speed();
  const inBursts = new Speed();
  let [one, burst] = [0, 0];
  for (let step = 1; step <= 400; step++) {
    one = oneByOne.seen(step, step * 50);
    // Twenty steps are told of at once, every second, one after another.
    if (step % 20 === 0) for (let i = step - 19; i <= step; i++) burst = inBursts.seen(i, step * 50);
  }
  assert.equal(one, 20);
  assert.ok(Math.abs(burst - 20) < 2, `${burst} steps/s`);
});

test("a speed follows the last ten seconds, and is never negative", () => {
  const speed = new Speed();
  for (let second = 0; second <= 30; second++) speed.seen(100 * second, 1000 * second);
  for (let second = 31; second <= 45; second++) speed.seen(3000 + 10 * (second - 30), 1000 * second);
  assert.equal(speed.seen(3160, 46_000), 10);
  // Steps of a lost lease are done again.
  assert.equal(speed.seen(2000, 47_000), 0);
});

test("several runs tell their progress side by side, each under its own name", async () => {
  const broker = new MemoryBroker();
  const subjects = subjectsOf("local");
  let nowMs = 0;
  const events = new EventPublisher(
    broker.connect(),
    subjects,
    () => nowMs,
    () => 0,
  );
  const heard: saf.v1.Event[] = [];
  const listener = broker.connect();
  listener.subscribe(subjects.eventPattern, ({ data }) => {
    const event = readMessage(wire.Event, data);
    if (event !== undefined) heard.push(event);
  });
  const [one, other] = [events.ofRun("run-plain", "plain"), events.ofRun("run-rbf", "rbf")];
  const of = { total: 100, perEpoch: 50, samples: 10 };

  one.phase("training", "100 steps");
  other.phase("training", "100 steps");
  for (let step = 1; step <= 40; step++) {
    nowMs += 100;
    one.trained(step, of, 1, 0.5);
    other.trained(2 * step, of, 2, 0.25);
  }
  one.finished(false);
  other.failed(new Error("broken"));
  await listener.flush();

  const last = (runId: string): saf.v1.Progress.$Properties | null | undefined =>
    heard.findLast(({ progress }) => progress?.runId === runId)?.progress;
  assert.deepEqual(
    [last("run-plain"), last("run-rbf")].map((progress) => [
      progress?.model,
      progress?.loss,
      progress?.accuracy,
      progress?.epochs,
    ]),
    [
      ["plain", 1, 0.5, 2],
      ["rbf", 2, 0.25, 2],
    ],
  );
  assert.ok(Math.abs((last("run-plain")?.samplesPerSecond ?? 0) - 100) < 1);
  assert.ok(Math.abs((last("run-rbf")?.samplesPerSecond ?? 0) - 200) < 2);
  assert.ok(heard.filter(({ progress }) => progress?.runId === "run-plain").length <= 20, "told too often");
  assert.deepEqual(
    heard.flatMap(({ finished }) =>
      finished == null ? [] : [[finished.runId, finished.ok, finished.message]],
    ),
    [
      ["run-plain", true, "done"],
      ["run-rbf", false, "broken"],
    ],
  );
});

test("whoever listens in the process hears all of it, connected or not, and where a run goes on", () => {
  const broker = new MemoryBroker();
  const heard: LiveEvent[] = [];
  const bus = broker.connect();
  const events = new EventPublisher(
    bus,
    subjectsOf("local"),
    () => 0,
    () => 0,
    (event) => heard.push(event),
  );
  bus.setConnected(false);
  const run = events.ofRun("run-plain", "plain");
  const before = Array.from({ length: 1000 }, (_, step) => ({
    step,
    epoch: 0,
    loss: 2,
    accuracy: 0.5,
    learning_rate: 0.1,
    seconds: step,
  }));
  const of = {
    network: "plain",
    dataSet: "mnist",
    seed: 0,
    batchSize: 10,
    done: 1000,
    total: 2000,
    epochs: 2,
  };
  run.opened(of, before);
  run.learningRate(0.1);
  run.learningRate(0.1);
  run.trained(1001, { total: 2000, perEpoch: 1000, samples: 10 }, 4, 0.5);
  const task = { kind: "noisy", attack: "random-signs" } as const;
  const outcome = (wrong: number[]): MeasuredRange["outcomes"][0] => ({
    strength: 0.1,
    wrong: Uint8Array.from(wrong),
    confidences: new Float32Array(wrong.length).fill(0.5),
  });
  run.measured("first", [{ task, outcomes: [outcome([1, 0])] }]);
  run.measured("first", [{ task, outcomes: [outcome([0, 0])] }]);
  run.measured("second", [{ task, outcomes: [outcome([1, 1, 1])] }]);

  const [opened] = heard.flatMap((event) => event.opened ?? []);
  assert.ok(opened !== undefined && opened.samples.length <= 400);
  assert.deepEqual(opened.samples.at(-1), { step: 1000, loss: 2, accuracy: 0.5 });
  assert.deepEqual(
    heard.flatMap((event) => event.learningRate?.rate ?? []),
    [0.1],
  );
  // The average goes on from the steps before: 2 + 0.05 (4 - 2).
  assert.ok(Math.abs((heard.findLast(({ progress }) => progress != null)?.progress?.loss ?? 0) - 2.1) < 1e-9);
  assert.deepEqual(
    heard.flatMap(
      ({ measured }) => measured?.points.map(({ n, error }) => [measured.checkpoint, n, error]) ?? [],
    ),
    [
      ["first", 2, 0.5],
      ["first", 4, 0.25],
      ["second", 3, 1],
    ],
  );
});

test("how a sweep stands is told on the bus and in the process, without secrets in its reasons", async () => {
  const broker = new MemoryBroker();
  const subjects = subjectsOf("local");
  const told: LiveEvent[] = [];
  const events = new EventPublisher(
    broker.connect(),
    subjects,
    () => 0,
    () => 5,
    (event) => told.push(event),
  );
  const heard: saf.v1.Event[] = [];
  const listener = broker.connect();
  listener.subscribe(subjects.event("sweep"), ({ data }) => {
    const event = readMessage(wire.Event, data);
    if (event !== undefined) heard.push(event);
  });
  const [trial, id, reason] = [7, "3fa91c0211223344", "?token=abcdefgh123"];
  const decision = { trial, id, rung: 0, decision: "stop", reason, time: 9 } as const;
  const progress = sweepAfter(30, 100, { decisions: [decision] });
  events.sweep(progress);
  await listener.flush();
  const [event] = heard;
  assert.ok(event?.sweep != null);
  assert.equal(event.timeMs, 5);
  const { name, counts, decisions } = sweepOf(event.sweep);
  assert.deepEqual([name, counts], [progress.name, progress.counts]);
  assert.deepEqual(decisions, [{ ...decision, reason: "?token=***" }]);
  assert.deepEqual(sweepOf(told[0]?.sweep ?? {}), sweepOf(event.sweep));
});
