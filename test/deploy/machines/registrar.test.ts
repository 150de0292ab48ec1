import assert from "node:assert/strict";
import { test } from "node:test";
import type { EnrolledWorker } from "../../../deploy/machines/core/enrolment.js";
import { Registrar } from "../../../deploy/machines/registrar.js";
import type { Bus } from "../../../shared/bus.js";
import { type machines, machineWire } from "../../../shared/machine-messages.js";
import { MemoryBroker } from "../../support/memory-bus.js";
import { PROTOCOL_VERSION, readMessage, writeMessage } from "../../../shared/messages.js";
import { subjectsOf } from "../../../shared/subjects.js";
import { settle } from "../../support/virtual-clock.js";

const KEY = `U${"A".repeat(55)}`;
const OTHER_KEY = `U${"B".repeat(55)}`;
const { enrol } = subjectsOf("local");
const PATIENCE_MS = 5000;

async function opened({ admit = (): Promise<void> => Promise.resolve() } = {}) {
  const broker = new MemoryBroker();
  const notes: string[] = [];
  const admitted: EnrolledWorker[][] = [];
  const time = { now: 0 };
  const registrar = new Registrar({
    bus: broker.connect("registrar"),
    pool: "local",
    taken: new Set(["worker-1"]),
    enrolled: [],
    expiresMs: 1000,
    wallClock: () => time.now,
    admit: async (_, all) => {
      await admit();
      admitted.push([...all]);
    },
    onNote: (message) => notes.push(message),
  });
  await registrar.open();
  return { broker, notes, admitted, time };
}

async function ask(
  bus: Bus,
  request: Partial<machines.v1.EnrolRequest.$Properties>,
): Promise<machines.v1.EnrolReply> {
  const whole = { release: "0", protocol: PROTOCOL_VERSION, host: "lab", keys: [KEY], ...request };
  const answer = await bus.request(enrol, writeMessage(machineWire.EnrolRequest, whole), PATIENCE_MS);
  const reply = readMessage(machineWire.EnrolReply, answer);
  assert.ok(reply);
  return reply;
}

test("the server knows the keys before the machine is answered", async () => {
  const { broker, notes, admitted } = await opened();
  const reply = await ask(broker.connect("guest"), { keys: [KEY, OTHER_KEY] });
  assert.deepEqual([reply.accepted, reply.pool, reply.names], [true, "local", ["lab-1", "lab-2"]]);
  assert.deepEqual(admitted, [
    [
      { name: "lab-1", key: KEY },
      { name: "lab-2", key: OTHER_KEY },
    ],
  ]);
  assert.deepEqual(notes, ["Machine lab is in with 2 worker(s): lab-1, lab-2"]);
});

test("machines that ask at the same time get names one after the other", async () => {
  const { broker } = await opened({ admit: () => new Promise((resolve) => setImmediate(resolve)) });
  const [one, two] = await Promise.all([
    ask(broker.connect("guest"), {}),
    ask(broker.connect("guest"), { keys: [OTHER_KEY] }),
  ]);
  assert.deepEqual([...one.names, ...two.names], ["lab-1", "lab-2"]);
});

test("a token that is over opens nothing", async () => {
  const { broker, admitted, time, notes } = await opened();
  time.now = 1000;
  const reply = await ask(broker.connect("guest"), {});
  assert.ok(!reply.accepted && /its token is over/.test(reply.reason), reply.reason);
  assert.deepEqual(admitted, []);
  assert.match(notes[0] ?? "", /^Refused machine lab: its token is over/);
});

test("an answer goes into a guest's inbox and nowhere else", async () => {
  const { broker, admitted } = await opened();
  const victim = broker.connect("worker-1");
  const heard: string[] = [];
  victim.subscribe(">", ({ subject }) => heard.push(subject));
  const request = writeMessage(machineWire.EnrolRequest, {
    ...{ release: "0", protocol: PROTOCOL_VERSION, host: "lab", keys: [KEY] },
  });
  // Its own inbox: not a guest's.
  const asked = victim.request(enrol, request, 50).then(
    () => "answered",
    () => "no answer",
  );
  assert.equal(await asked, "no answer");
  assert.deepEqual(admitted, []);
  assert.deepEqual(heard, [enrol]);
});

test("who floods it with refusals writes twenty lines, and its name is made harmless", async () => {
  const { broker, notes } = await opened();
  const guest = broker.connect("guest");
  for (let i = 0; i < 30; i++) await ask(guest, { keys: [], host: "a\nb\u001b[31m" + "c".repeat(500) });
  assert.equal(notes.length, 20);
  assert.match(notes[0] ?? "", /^Refused machine a\?b\?31mc{50,60}: it has 0 workers/);
});

test("what is no question, and a server that cannot take the keys, end nothing", async () => {
  let isBroken = true;
  const { broker, notes } = await opened({
    admit: () => (isBroken ? Promise.reject(new Error("the server is gone")) : Promise.resolve()),
  });
  const guest = broker.connect("guest");
  guest.publish(enrol, Uint8Array.of(0xff));
  await assert.rejects(
    guest.request(
      enrol,
      writeMessage(machineWire.EnrolRequest, { protocol: PROTOCOL_VERSION, host: "lab", keys: [KEY] }),
      50,
    ),
  );
  await settle();
  assert.deepEqual(notes, ["Could not answer a machine: the server is gone"]);
  isBroken = false;
  assert.deepEqual((await ask(guest, {})).names, ["lab-1"]);
});
