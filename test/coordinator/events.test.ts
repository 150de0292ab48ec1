import assert from "node:assert/strict";
import { test } from "node:test";
import { EventPublisher, Speed } from "../../coordinator/events.js";
import { readMessage, type saf, wire } from "../../shared/messages.js";
import { MemoryBroker } from "../../shared/memory-bus.js";
import { subjectsOf } from "../../shared/subjects.js";

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
  const events = new EventPublisher(broker.connect(), subjects, () => nowMs);
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
