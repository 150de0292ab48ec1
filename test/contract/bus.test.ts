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
