import assert from "node:assert/strict";
import { chmod, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { Bus, BusMessage, MappedMemory } from "../../../shared/bus.js";
import { breakSeal, sealOf } from "../../../shared/core/chunk.js";
import { countedBus } from "../../../shared/counted-bus.js";
import { FileMapping } from "../../../shared/io/file-mapping.js";
import { removeFilesOf, sharedMemoryBus } from "../../../shared/io/shared-memory-bus.js";
import { MemoryBroker } from "../../support/memory-bus.js";

const LARGE = 256 * 1024;

interface Pair {
  directory: string;
  broker: MemoryBroker;
  writer: Bus;
  reader: Bus;
}

/** `map`: may the reader map files? */
async function pair(t: TestContext, map = true): Promise<Pair> {
  const directory = await mkdtemp(join(tmpdir(), "saf-rings-"));
  const broker = new MemoryBroker();
  const writer = sharedMemoryBus(broker.connect(), { directory, identity: "writer" });
  const reader = sharedMemoryBus(broker.connect(), { directory, identity: "reader", map });
  t.after(async () => {
    await writer.close();
    await reader.close();
    await rm(directory, { recursive: true, force: true });
  });
  return { directory, broker, writer, reader };
}

/** The next message's payload, copied. */
function next(bus: Bus, subject: string): Promise<Uint8Array> {
  return new Promise((resolve) => {
    const subscription = bus.subscribe(subject, ({ data }) => {
      subscription.unsubscribe();
      resolve(new Uint8Array(data));
    });
  });
}

function pattern(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + seed) & 255);
}

test("a large payload arrives whole, and only a reference crosses the inner bus", async (t) => {
  const { broker, writer, reader } = await pair(t);
  const raw = next(broker.connect(), "bulk");
  const seen = next(reader, "bulk");
  const payload = pattern(LARGE, 3);

  writer.publish("bulk", payload);

  assert.ok((await raw).byteLength < 64);
  assert.deepEqual(await seen, payload);
});

test("payloads from memory that threads share arrive whole", async (t) => {
  const { writer, reader } = await pair(t);
  const shared = new Uint8Array(new SharedArrayBuffer(LARGE));
  shared.set(pattern(LARGE, 5));
  const seen = next(reader, "bulk");
  writer.publish("bulk", shared);
  assert.deepEqual(await seen, pattern(LARGE, 5));
});

test("more than a ring of payloads arrives in order when the reader keeps up", async (t) => {
  const { writer, reader } = await pair(t);
  for (let i = 0; i < 300; i++) {
    const seen = next(reader, "bulk");
    writer.publish("bulk", pattern(LARGE, i));
    const data = await seen;
    assert.equal(data[0], i & 255);
    assert.equal(data[LARGE - 1], ((LARGE - 1) * 31 + i) & 255);
  }
});

test("a small payload travels by value, to readers without shared memory too", async (t) => {
  const { broker, writer } = await pair(t);
  const seen = next(broker.connect(), "small");
  writer.publish("small", Uint8Array.of(1, 2, 3));
  assert.deepEqual(await seen, Uint8Array.of(1, 2, 3));
});

test("a reference to a file that is no ring, or to none, is dropped", async (t) => {
  const { broker, directory, reader } = await pair(t);
  await writeFile(join(directory, "..", "saf-secret-outside"), "secret");
  t.after(() => rm(join(directory, "..", "saf-secret-outside"), { force: true }));
  const got: Uint8Array[] = [];
  reader.subscribe("bulk", ({ data }) => got.push(new Uint8Array(data)));
  const hostile = broker.connect();
  for (const name of ["gone-00000000", "../saf-secret-outside"]) {
    const reference = new Uint8Array(16 + name.length);
    const view = new DataView(reference.buffer);
    view.setUint32(0, 0x53414652);
    view.setUint32(4, 6, true);
    reference.set(new TextEncoder().encode(name), 16);
    hostile.publish("bulk", reference);
  }
  const last = next(reader, "bulk.end");
  hostile.publish("bulk.end", Uint8Array.of(1));
  await last;
  // The traversal is no reference, so it is handed on as the bytes it is; no file outside was read.
  assert.ok(got.every((data) => !Buffer.from(data).toString("latin1").startsWith("secret")));
});

test("without a folder to write to, payloads travel by value", async (t) => {
  const broker = new MemoryBroker();
  const writer = sharedMemoryBus(broker.connect(), { directory: "/nonexistent-saf", identity: "writer" });
  t.after(() => writer.close());
  const seen = next(broker.connect(), "bulk");
  writer.publish("bulk", pattern(LARGE, 1));
  assert.deepEqual(await seen, pattern(LARGE, 1));
});

test("what a killed process left is taken away by its name, and nothing of others", async (t) => {
  const { directory } = await pair(t);
  const before = await readdir(directory);
  for (const name of ["worker-1-0123abcd", "worker-11-0123abcd", "worker-1-notes", "host.id"])
    await writeFile(join(directory, name), "");
  removeFilesOf(directory, "worker-1");
  const left = ["worker-11-0123abcd", "worker-1-notes", "host.id"];
  assert.deepEqual((await readdir(directory)).sort(), [...before, ...left].sort());
  removeFilesOf(join(directory, "nowhere"), "worker-1");
});

test("a writer takes its ring away when it closes", async (t) => {
  const { directory, writer, reader } = await pair(t);
  await chmod(directory, 0o700);
  assert.equal((await readdir(directory)).length, 2);
  await writer.close();
  await reader.close();
  assert.deepEqual(await readdir(directory), []);
});

// ---- Mapped memory ----------------------------------------------------------------------------------------------

const NO_MAPPING =
  FileMapping.open(tmpdir()) === undefined ? "files cannot be mapped here: no Linux, or no koffi" : false;

/** The next message as it is: its data are valid only while nothing else is done. */
function nextMessage(bus: Bus, subject: string): Promise<BusMessage> {
  return new Promise((resolve) => {
    const subscription = bus.subscribe(subject, (message) => {
      subscription.unsubscribe();
      resolve(message);
    });
  });
}

function mappedOf(bus: Bus): MappedMemory {
  assert.ok(bus.mapped !== undefined);
  return bus.mapped;
}

test(
  "mapped memory is read where its writer keeps it: nothing is copied",
  { skip: NO_MAPPING },
  async (t) => {
    const { directory, broker, writer, reader: bare } = await pair(t);
    // As processes have it: counting must take nothing away.
    const counts = { message: () => undefined, requested: () => undefined, clock: () => 0 };
    const reader = countedBus(bare, counts);
    const memory = mappedOf(countedBus(writer, counts)).allocate(2 * LARGE);
    assert.ok(memory !== undefined && memory.every((byte) => byte === 0));
    const frame = memory.subarray(LARGE, LARGE + 1000);
    frame.set(pattern(1000, 9));
    const raw = next(broker.connect(), "bulk");
    const seen = nextMessage(reader, "bulk");

    writer.publish("bulk", frame);

    const { data, inPlace } = await seen;
    assert.ok((await raw).byteLength < 64);
    assert.deepEqual([inPlace, data.byteLength], [true, 1000]);
    assert.deepEqual(new Uint8Array(data), pattern(1000, 9));
    assert.ok(mappedOf(reader).vectors.holds(data), "sums can be made of it where it lies");
    const seal = sealOf(data);
    frame.set(Uint8Array.of(1, 2, 3), 500);
    assert.deepEqual([...data.subarray(500, 503)], [1, 2, 3]);
    breakSeal(frame);
    assert.notEqual(sealOf(data), seal);

    // A writer that gives memory back takes nothing away from those who read it.
    assert.equal((await readdir(directory)).length, 3);
    mappedOf(writer).release(memory);
    assert.equal((await readdir(directory)).length, 2);
    memory.fill(0);
    assert.equal(data[500], 1);
  },
);

test(
  "a process that cannot map files reads the same bytes from the file",
  { skip: NO_MAPPING },
  async (t) => {
    const { writer, reader } = await pair(t, false);
    assert.equal(reader.mapped, undefined);
    const memory = mappedOf(writer).allocate(LARGE);
    memory?.set(pattern(LARGE, 4));
    const seen = nextMessage(reader, "bulk");
    writer.publish("bulk", memory ?? new Uint8Array());
    const { data, inPlace } = await seen;
    assert.equal(inPlace, true);
    assert.deepEqual(new Uint8Array(data), pattern(LARGE, 4));
  },
);

test(
  "references into mapped files that are not there, too far or crooked are dropped",
  { skip: NO_MAPPING },
  async (t) => {
    const { broker, directory, writer, reader } = await pair(t);
    const memory = mappedOf(writer).allocate(LARGE);
    memory?.fill(1);
    const names = (await readdir(directory)).filter((each) => each.startsWith("writer-"));
    await writeFile(join(directory, "odd-00000000"), "no multiple of a page");
    const got: BusMessage[] = [];
    reader.subscribe("bulk", (message) => got.push(message));
    const hostile = broker.connect();
    const refer = (file: string, offset: number, length: number): void => {
      const reference = new Uint8Array(16 + file.length);
      const view = new DataView(reference.buffer);
      view.setUint32(0, 0x5341464d);
      view.setUint32(4, length, true);
      view.setFloat64(8, offset, true);
      reference.set(new TextEncoder().encode(file), 16);
      hostile.publish("bulk", reference);
    };
    assert.equal(names.length, 2);
    for (const file of names) {
      refer(file, 2, 1000); // crooked
      refer(file, 0, 8); // no room for a seal
      refer(file, 2 ** 40, 1000);
      refer(file, LARGE - 64, 1000);
      refer(file, 0, 2 ** 31);
    }
    refer("odd-00000000", 0, 64);
    refer("gone-00000000", 0, 1000);
    const last = next(reader, "bulk.end");
    hostile.publish("bulk.end", Uint8Array.of(1));
    await last;
    assert.deepEqual(got, []);
  },
);

test(
  "where there is no room for mapped memory there is none, and payloads travel as before",
  { skip: NO_MAPPING },
  async (t) => {
    const { directory, writer, reader } = await pair(t);
    await rm(directory, { recursive: true });
    assert.equal(mappedOf(writer).allocate(LARGE), undefined);
    const seen = next(reader, "small");
    writer.publish("small", Uint8Array.of(5));
    assert.deepEqual(await seen, Uint8Array.of(5));
  },
);
