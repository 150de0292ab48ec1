import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { decodeChunk } from "../../../shared/core/chunk.js";
import { sharedMemoryBus } from "../../../shared/io/shared-memory-bus.js";
import type { saf } from "../../../shared/messages.js";
import { hostIdIn } from "../../../worker/io/host-id.js";
import { ParameterFeed } from "../../../worker/mates/parameter-feed.js";
import { MemoryBroker } from "../../support/memory-bus.js";
import { settle } from "../../support/virtual-clock.js";
import { TERM, subjects, vectorChunk } from "../../support/worker-desk.js";

function folder(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "saf-mates-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** Two workers of one host that read each other's files; what each of them takes in. */
function twoFeeds(t: TestContext) {
  const directory = folder(t);
  const broker = new MemoryBroker();
  const frames = new Map<string, { text: string; inPlace: boolean | undefined }[]>();
  const feeds = ["one", "two"].map((id) => {
    const bulk = broker.connect();
    const mates = sharedMemoryBus(bulk, { directory, identity: id });
    t.after(() => mates.close());
    frames.set(id, []);
    return new ParameterFeed(id, { bulk, mates, subjects, isFar: true }, (frame, inPlace) => {
      const decoded = decodeChunk(frame, inPlace);
      const text = decoded.ok ? `${decoded.header.step}.${decoded.header.chunk}` : decoded.reason;
      frames.get(id)?.push({ text, inPlace });
    });
  });
  const coordinator = broker.connect();
  const broadcast = (version: number, chunk: number, change = (frame: Uint8Array) => frame): void => {
    const frame = vectorChunk({ version, chunk, velocity: false } as saf.v1.ParamRequest, TERM);
    coordinator.publish(subjects.parameters(0), change(frame));
  };
  const taken = (id: string): string[] => (frames.get(id) ?? []).map(({ text }) => text);
  return { feeds: feeds as [ParameterFeed, ParameterFeed], broker, frames, taken, broadcast };
}

test("what one hears its mate reads where it lies, and nothing else", async (t) => {
  const { feeds, taken, broadcast, frames } = twoFeeds(t);
  for (const feed of feeds) feed.listen();
  broadcast(1, 0);
  await settle();
  for (const feed of feeds) feed.follow("one");
  for (let version = 2; version <= 5; version++) {
    for (const chunk of [0, 1]) broadcast(version, chunk);
    await settle();
  }
  const all = ["1.0", "2.0", "2.1", "3.0", "3.1", "4.0", "4.1", "5.0", "5.1"];
  assert.deepEqual([taken("one"), taken("two")], [all, all]);
  // In files that cannot be mapped they come as copies.
  const ways = new Set((frames.get("two") ?? []).slice(1).map(({ inPlace }) => inPlace === true));
  t.diagnostic(`mapped: ${[...ways].join()}`);
  assert.equal(ways.size, 1);
});

test("a relay that is gone passes nothing on, and the next one does", async (t) => {
  const { feeds, taken, broadcast } = twoFeeds(t);
  const [one, two] = feeds;
  for (const feed of feeds) feed.listen();
  for (const feed of feeds) feed.follow("one");
  one.close();
  broadcast(1, 0);
  await settle();
  assert.deepEqual(taken("two"), []);
  two.follow("two");
  broadcast(2, 0);
  await settle();
  assert.deepEqual(taken("two"), ["2.0"]);
  two.follow("");
  broadcast(3, 0);
  await settle();
  two.close();
  broadcast(4, 0);
  await settle();
  assert.deepEqual(taken("two"), ["2.0", "3.0"]);
});

test("what is damaged on the way to the relay is damaged for its mate, and a reference is not passed on", async (t) => {
  const { feeds, taken, broadcast } = twoFeeds(t);
  for (const feed of feeds) feed.listen();
  for (const feed of feeds) feed.follow("one");
  broadcast(1, 0, (frame) => frame.fill(7, 100, 101));
  broadcast(1, 1, (frame) => frame.subarray(0, 40));
  broadcast(1, 1);
  await settle();
  assert.deepEqual(taken("one"), ["checksum", "truncated", "1.1"]);
  assert.deepEqual(taken("two"), ["checksum", "1.1"]);
});

test("workers that find the same folder have one word, those of another one another", (t) => {
  const [here, there] = [folder(t), folder(t)];
  const word = hostIdIn(here);
  assert.match(word ?? "", /^[0-9a-f]{32}$/);
  assert.equal(hostIdIn(here), word);
  assert.notEqual(hostIdIn(there), word);
  assert.equal(hostIdIn(join(here, "nowhere")), undefined);
});
