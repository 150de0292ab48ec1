import assert from "node:assert/strict";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { MAIN_THREAD, traceFile } from "../../shared/io/trace-file.js";
import type { CompleteEvent, TraceEvent } from "../../shared/trace-events.js";
import { tracedBus } from "../../shared/traced-bus.js";
import { MemoryBroker } from "../support/memory-bus.js";

test("without a folder there is no trace, and the bus is the bus itself", () => {
  assert.equal(traceFile({}, { process: "coordinator", thread: MAIN_THREAD }), undefined);
  const bus = new MemoryBroker().connect();
  assert.equal(
    tracedBus(bus, undefined, () => 0),
    bus,
  );
});

test("spans and parts of a thread become events of one clock", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "saf-trace-"));
  t.after(() => rm(folder, { recursive: true }));
  const file = traceFile({ SAF_TRACE_DIR: folder }, { process: "worker-1", thread: MAIN_THREAD });
  assert.ok(file !== undefined);
  const { tracer } = file;
  const now = performance.now();
  tracer.part?.("take control", now, now + 0.25, { bytes: 3 });
  const lease = tracer.start("lease", { startMs: now, attributes: { "saf.worker": "worker-2" } });
  const wait = tracer.start("wait", { parent: lease?.traceparent, startMs: now, kind: "consumer" });
  wait?.end({ ms: now + 1 });
  lease?.end({ ms: now + 2 });
  lease?.end({ ms: now + 3 });
  file.flush();

  const [name = ""] = await readdir(folder);
  const lines = (await readFile(join(folder, name), "utf8")).trim().split("\n");
  const events = lines.map((line) => JSON.parse(line) as TraceEvent);
  const parts = events.filter((event): event is CompleteEvent => event.ph === "X");
  assert.deepEqual(
    parts.map(({ name: part, dur }) => [part, dur]),
    [
      ["take control", 250],
      ["wait", 1000],
      ["lease", 2000],
    ],
  );
  const lanes = new Map(
    events.flatMap((event) => (event.ph === "M" ? [[event.tid, event.args.name] as const] : [])),
  );
  assert.deepEqual(
    parts.map(({ tid }) => lanes.get(tid)),
    ["main thread", "lease in hand", "leases of worker-2"],
  );
  // One clock: the parts began at once, and that of the machine is what they are told by.
  const [first] = parts;
  const machineUs = Number(process.hrtime.bigint()) / 1000;
  assert.ok(parts.every(({ ts }) => Math.abs(ts - (first?.ts ?? 0)) < 1));
  assert.ok(machineUs - (first?.ts ?? 0) >= 0 && machineUs - (first?.ts ?? 0) < 60e6);
});

test("a traced bus tells of what is sent and of what is handled", async () => {
  const told: string[] = [];
  const bus = tracedBus(
    new MemoryBroker().connect(),
    (name, _from, _to, attributes) => told.push(`${name} ${attributes?.["bytes"]}`),
    () => 0,
  );
  const taken = new Promise<void>((resolve) => {
    bus.subscribe("saf.v1.pool.grad.>", () => resolve());
  });
  bus.publish("saf.v1.pool.grad.0.worker-1", new Uint8Array(5));
  await taken;
  assert.deepEqual(told.slice(0, 1), ["send gradient 5"]);
  await bus.flush();
  assert.deepEqual(told, ["send gradient 5", "take gradient 5"]);
});
