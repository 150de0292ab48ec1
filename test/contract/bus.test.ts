import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";
import { connectNats } from "../../shared/io/nats-bus.js";
import { sharedMemoryBus } from "../../shared/io/shared-memory-bus.js";
import { MemoryBroker } from "../../shared/memory-bus.js";
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
