import assert from "node:assert/strict";
import { test } from "node:test";
import { countedBus, requestOperation, trafficKind } from "../../shared/counted-bus.js";
import { MemoryBroker } from "../support/memory-bus.js";
import { REQUESTS } from "../../shared/metrics.js";
import { subjectsOf } from "../../shared/subjects.js";

const subjects = subjectsOf("pool");

function counted(): { bus: ReturnType<typeof countedBus>; seen: string[]; broker: MemoryBroker } {
  const broker = new MemoryBroker();
  const seen: string[] = [];
  let now = 0;
  const bus = countedBus(broker.connect(), {
    message: (direction, kind, bytes) => seen.push(`${direction} ${kind} ${bytes}`),
    requested: (operation, seconds) => seen.push(`${operation} took ${seconds}`),
    clock: () => (now += 250),
  });
  return { bus, seen, broker };
}

test("every subject has its kind of traffic", () => {
  const kinds = {
    gradient: [subjects.gradient(0, "w1")],
    parameters: [subjects.parameters(0), subjects.parameterGet(0, "w1")],
    data: [subjects.data("w1")],
    evaluation: [subjects.result("w1")],
    control: [
      subjects.join("w1"),
      subjects.all,
      subjects.command("w1"),
      subjects.heartbeat("w1"),
      subjects.lease("w1"),
      subjects.push("w1"),
      subjects.runGet("w1"),
      subjects.event("progress"),
    ],
  };
  for (const [kind, of] of Object.entries(kinds))
    for (const subject of of) assert.equal(trafficKind(subject), kind, subject);
});

test("every request of a worker has its name", () => {
  const asked = [
    subjects.join("w1"),
    subjects.runGet("w1"),
    subjects.data("w1"),
    subjects.parameterGet(0, "w1"),
    subjects.push("w1"),
    subjects.result("w1"),
  ];
  assert.deepEqual(asked.map(requestOperation), REQUESTS);
});

test("messages are counted where they are sent and where they arrive", async () => {
  const { bus, seen, broker } = counted();
  const arrived = new Promise<void>((resolve) => bus.subscribe(subjects.gradientPattern(0), () => resolve()));
  broker.connect().publish(subjects.gradient(0, "w1"), new Uint8Array(7));
  await arrived;
  bus.publish(subjects.parameters(0), new Uint8Array(5));
  assert.deepEqual(seen, ["in gradient 7", "out parameters 5"]);
});

test("a request counts both ways on both sides, and its time", async () => {
  const { bus, seen, broker } = counted();
  bus.subscribe(subjects.data("w1"), ({ respond }) => respond(new Uint8Array(9)));
  await broker.connect().request(subjects.data("w1"), new Uint8Array(2), 1000);
  assert.deepEqual(seen.splice(0), ["in data 2", "out data 9"]);
  broker.connect().subscribe(subjects.push("w1"), ({ respond }) => respond(new Uint8Array(1)));
  await bus.request(subjects.push("w1"), new Uint8Array(3), 1000);
  assert.deepEqual(seen, ["out control 3", "in control 1", "push took 0.25"]);
});

test("a request that nobody answers has its time counted too", async () => {
  const { bus, seen } = counted();
  await assert.rejects(bus.request(subjects.join("w1"), new Uint8Array(3), 1000), {
    failure: "no-responders",
  });
  assert.deepEqual(seen, ["out control 3", "join took 0.25"]);
});
