import assert from "node:assert/strict";
import { test } from "node:test";
import { readMessage, type saf, wire } from "../../shared/messages.js";
import { subjectsOf } from "../../shared/subjects.js";
import { Commands, briefingFor } from "../../coordinator/commands.js";
import type { Job } from "../../coordinator/leases/job.js";
import type { Unit } from "../../coordinator/leases/unit.js";
import { MemoryBroker } from "../support/memory-bus.js";
import { settle } from "../support/virtual-clock.js";

const subjects = subjectsOf("local");
const settled = { leaseId: 7, term: 3, reply: { status: wire.PushReply.Status.OK } };

function setUp() {
  const broker = new MemoryBroker();
  const heard: string[] = [];
  const worker = broker.connect();
  for (const id of ["worker-1", "worker-2"])
    worker.subscribe(subjects.command(id), ({ data }) => {
      const command = readMessage(wire.WorkerCommand, data);
      heard.push(
        `${id}: ${command?.command ?? "nothing"}, settled ${command?.settled?.leaseId ?? "nothing"}`,
      );
    });
  return { commands: new Commands({ control: broker.connect(), subjects }), heard };
}

test("what a push came to goes with the command that follows from it, and with no other worker's", async () => {
  const { commands, heard } = setUp();
  commands.settle("worker-1", settled, () => {
    commands.send("worker-2", { halt: { leaseId: 1 } });
    commands.send("worker-1", { cancel: { leaseId: 8 } });
    commands.send("worker-1", { halt: { leaseId: 9 } });
  });
  await settle();
  assert.deepEqual(heard, [
    "worker-2: halt, settled nothing",
    "worker-1: cancel, settled 7",
    "worker-1: halt, settled nothing",
  ]);
});

test("where nothing follows it goes alone, also when what follows fails", async () => {
  const { commands, heard } = setUp();
  commands.settle("worker-1", settled, () => undefined);
  const fail = (): void => {
    throw new RangeError("a bug");
  };
  assert.throws(() => commands.settle("worker-2", settled, fail), /a bug/);
  await settle();
  assert.deepEqual(heard, ["worker-1: nothing, settled 7", "worker-2: nothing, settled 7"]);
});

test("only a worker that has not served the run is told of it, and only of what is short", () => {
  const unit = { id: "a unit" } as Unit;
  const frame = Uint8Array.of(1, 2, 3);
  const jobOf = (run: saf.v1.RunSpec.$Properties): Job =>
    ({ describe: () => run, opening: () => [frame] }) as Partial<Job> as Job;
  const short = { runId: "r", configJson: "{}" };
  assert.deepEqual(briefingFor(jobOf(short), { unit, isCold: true }), { run: short, frames: [frame] });
  assert.deepEqual(briefingFor(jobOf(short), { unit, isCold: false }), {});
  const parts = Array.from({ length: 300 }, () => ({ sha256: "0".repeat(64) }));
  for (const long of [
    { configJson: "x".repeat(20_000) },
    { data: { train: parts } },
    { data: { meanImage: new Uint8Array(20_000) } },
  ])
    assert.deepEqual(briefingFor(jobOf(long), { unit, isCold: true }), {});
});
