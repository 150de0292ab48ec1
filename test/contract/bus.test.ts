import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { LEAST_PAYLOAD_BYTES } from "../../shared/core/chunk.js";
import { ClusterError } from "../../shared/errors.js";
import { connectNats } from "../../shared/io/nats-bus.js";
import { sharedMemoryBus } from "../../shared/io/shared-memory-bus.js";
import { MemoryBroker } from "../support/memory-bus.js";
import { anyServer, NO_SERVER } from "../deploy/nats-support.js";
import { OpenNats } from "../support/open-nats.js";
import { busContract, type World } from "./bus.contract.js";

const broker = new MemoryBroker();
const memory: World = {
  connect: () => Promise.resolve(broker.connect()),
  interrupt: () => Promise.resolve(broker.interrupt()),
  restore: () => Promise.resolve(broker.restore()),
};
busContract("memory", () => memory, "");

const ringBroker = new MemoryBroker();
const rings = await mkdtemp(join(tmpdir(), "saf-bus-test-rings-"));
const sharedMemory: World = {
  connect: () => Promise.resolve(sharedMemoryBus(ringBroker.connect(), { directory: rings, identity: "w0" })),
  interrupt: () => Promise.resolve(ringBroker.interrupt()),
  restore: () => Promise.resolve(ringBroker.restore()),
};
busContract("shared memory", () => sharedMemory, "");

const binary = await anyServer();
let nats: World | undefined;
busContract("nats", () => nats, NO_SERVER);

let server: OpenNats | undefined;

test("what a handler fails over is told, and costs that message alone", async (t) => {
  if (binary === undefined) return t.skip(NO_SERVER);
  const open = await OpenNats.start(binary);
  t.after(() => open.stop());
  const failed: string[] = [];
  const bus = await connectNats({
    ...{ url: open.url, identity: "w0", purpose: "control", connectTimeoutMs: 5000 },
    onFailedMessage: (subject, error) => failed.push(`${subject}: ${String(error)}`),
  });
  t.after(() => bus.close());
  const heard: string[] = [];
  const last = new Promise<void>((resolve) => {
    bus.subscribe("a.*", ({ subject, data }) => {
      if (data[0] === 1) throw new RangeError("a bug");
      heard.push(subject);
      if (heard.length === 2) resolve();
    });
  });
  for (const [subject, byte] of [
    ["a.one", 0],
    ["a.two", 1],
    ["a.three", 0],
  ] as const)
    bus.publish(subject, Uint8Array.of(byte));
  await last;
  assert.deepEqual(heard, ["a.one", "a.three"]);
  assert.deepEqual(failed, ["a.two: RangeError: a bug"]);
});

test("a server that takes no chunk in one piece is refused at the start, with both numbers and the setting", async (t) => {
  if (binary === undefined) return t.skip(NO_SERVER);
  for (const [maxPayload, isEnough] of [
    [64 * 1024, false],
    [LEAST_PAYLOAD_BYTES - 1, false],
    [LEAST_PAYLOAD_BYTES, true],
  ] as const) {
    const small = await OpenNats.start(binary, maxPayload);
    t.after(() => small.stop());
    const access = { url: small.url, identity: "w0", purpose: "bulk", connectTimeoutMs: 5000 };
    if (isEnough) {
      await (await connectNats(access)).close();
      continue;
    }
    await assert.rejects(connectNats(access), (error) => {
      assert.ok(error instanceof ClusterError && error.code === "config", String(error));
      assert.match(error.message, new RegExp(`${maxPayload} bytes.*${LEAST_PAYLOAD_BYTES}`));
      assert.match(error.hint ?? "", /max_payload/);
      return true;
    });
  }
});

before(async () => {
  if (binary === undefined) return;
  const running = await OpenNats.start(binary);
  server = running;
  nats = {
    connect: () =>
      connectNats({
        url: running.url,
        identity: "coordinator",
        purpose: "contract",
        connectTimeoutMs: 10_000,
      }),
    interrupt: () => running.kill(),
    restore: () => running.run(),
  };
});

after(async () => {
  await rm(rings, { recursive: true, force: true });
  await server?.stop();
});
