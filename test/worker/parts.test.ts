import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { ClusterError } from "../../shared/errors.js";
import { realClock } from "../../shared/io/real-clock.js";
import { MemoryBroker } from "../support/memory-bus.js";
import { readMessage, wire, writeMessage } from "../../shared/messages.js";
import { partFiles } from "../../worker/io/part-files.js";
import { DataParts } from "../../worker/parts.js";

const part = Buffer.from("the bytes of a part");
const sha256 = createHash("sha256").update(part).digest("hex");

/** A coordinator that serves `part` under every name, and the folder of a worker. */
async function world(t: TestContext): Promise<{
  home: string;
  directory: string;
  fetch: (sha256: string, byteLength: number) => Promise<Uint8Array>;
}> {
  const home = await mkdtemp(join(tmpdir(), "saf-parts-"));
  t.after(() => rm(home, { recursive: true, force: true }));
  const broker = new MemoryBroker();
  const coordinator = broker.connect();
  coordinator.subscribe("data", ({ data, respond }) => {
    const request = readMessage(wire.DataRequest, data);
    const body = part.subarray(request?.offset ?? 0, (request?.offset ?? 0) + (request?.length ?? 0));
    respond(writeMessage(wire.DataRange, { body }));
  });
  const directory = join(home, "cache", "parts");
  const parts = new DataParts({
    bulk: broker.connect(),
    subject: "data",
    store: partFiles(directory),
    clock: realClock,
    signal: new AbortController().signal,
  });
  return {
    home,
    directory,
    fetch: (hash, byteLength) => parts.fetch({ sha256: hash, byteLength }),
  };
}

test("a part is fetched, verified and kept under its hash", async (t) => {
  const { directory, fetch } = await world(t);
  assert.deepEqual(Buffer.from(await fetch(sha256, part.length)), part);
  assert.deepEqual(await readdir(directory), [sha256]);
});

test("what is kept but damaged is fetched again", async (t) => {
  const { directory, fetch } = await world(t);
  await fetch(sha256, part.length);
  await writeFile(join(directory, sha256), "damaged");
  assert.deepEqual(Buffer.from(await fetch(sha256, part.length)), part);
});

test("a coordinator's hash that is a path, and a length that is no part's, are refused before anything is done", async (t) => {
  const { home, fetch } = await world(t);
  for (const [hash, length] of [
    ["../../../etc/passwd", part.length],
    [`../${sha256}`, part.length],
    [`/${sha256.slice(1)}`, part.length],
    [sha256.toUpperCase(), part.length],
    ["", part.length],
    [sha256, 1e15],
    [sha256, -1],
    [sha256, Number.NaN],
  ] as const) {
    await assert.rejects(
      fetch(hash, length),
      (error) => error instanceof ClusterError && error.code === "data",
      `${hash} ${length}`,
    );
  }
  assert.deepEqual(await readdir(home), []);
});

test("bytes that are not what the hash says are refused, and not kept", async (t) => {
  const { home, fetch } = await world(t);
  const other = createHash("sha256").update("something else").digest("hex");
  await assert.rejects(fetch(other, part.length), /corrupt/);
  assert.deepEqual(await readdir(home), []);
});
