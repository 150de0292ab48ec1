/** Connections that die without a word, and servers that are not there yet. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, after, before, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { type RunningNatsServer, startNatsServer } from "../../../deploy/local/nats/server.js";
import type { Bus } from "../../../shared/bus.js";
import { connectNats } from "../../../shared/io/nats-bus.js";
import { NO_SERVER, anyServer } from "../../deploy/nats-support.js";
import { TcpProxy } from "../../support/tcp-proxy.js";

const TIMEOUT = { timeout: 60_000 };
const ECHO = "saf.v1.pool.data.w0";
const SINK = "saf.v1.pool.grad.0.w0";

const binary = await anyServer();
const skip = binary === undefined ? NO_SERVER : false;
let server: RunningNatsServer | undefined;
let directory: string | undefined;

before(async () => {
  if (binary === undefined) return;
  directory = await mkdtemp(join(tmpdir(), "saf-nats-silence-"));
  server = await startNatsServer({ binary, directory, pool: "pool", workers: ["w0"] });
});

after(async () => {
  await server?.stop();
  if (directory !== undefined) await rm(directory, { recursive: true, force: true });
});

function running(): RunningNatsServer {
  assert.ok(server !== undefined);
  return server;
}

function proxyOf(t: TestContext): TcpProxy {
  const proxy = new TcpProxy(Number(new URL(running().url).port));
  t.after(() => proxy.stop());
  return proxy;
}

async function dial(t: TestContext, url: string, as: "coordinator" | "worker" = "worker"): Promise<Bus> {
  const { coordinator, worker } = running().credentials;
  const credentials = as === "coordinator" ? coordinator : worker("w0");
  const bus = await connectNats({ url, ...credentials, purpose: "bulk", connectTimeoutMs: 10_000 });
  t.after(() => bus.close());
  return bus;
}

/** Answers what is asked, on a connection that nothing cuts. */
async function startEcho(t: TestContext): Promise<void> {
  const bus = await dial(t, running().url, "coordinator");
  bus.subscribe(ECHO, ({ data, respond }) => respond(data));
  bus.subscribe(SINK, () => undefined);
  await bus.flush();
}

/** Asks until there is an answer. Returns milliseconds. */
async function untilAnswered(bus: Bus): Promise<number> {
  const began = performance.now();
  for (;;) {
    const answer = await bus.request(ECHO, new Uint8Array(9), 500).catch(() => undefined);
    if (answer?.byteLength === 9) return performance.now() - began;
    await delay(50);
  }
}

function lost(bus: Bus): Promise<void> {
  return new Promise((resolve) => {
    bus.onConnection((connected) => {
      if (!connected) resolve();
    });
  });
}

/** Far more than the system takes from us. */
async function publishMuch(bus: Bus): Promise<void> {
  for (let i = 0; i < 64; i++) {
    bus.publish(SINK, new Uint8Array(512 * 1024));
    await Promise.resolve();
  }
  assert.ok((bus.pendingBytes ?? 0) > 1024 * 1024, `${bus.pendingBytes}`);
}

test(
  "a link that is cut silently with unsent bytes is noticed, and answers within 5 s of mending",
  {
    ...TIMEOUT,
    skip,
  },
  async (t) => {
    await startEcho(t);
    const proxy = await proxyOf(t).start();
    const bus = await dial(t, proxy.url);
    await untilAnswered(bus);

    const noticed = lost(bus);
    const cut = performance.now();
    proxy.silence();
    await publishMuch(bus);
    await noticed;
    const seconds = (performance.now() - cut) / 1000;
    assert.ok(seconds < 7, `noticed after ${seconds} s`);
    assert.equal(bus.connected, false);

    await delay(4000);
    proxy.mend();
    const answeredMs = await untilAnswered(bus);
    t.diagnostic(
      `noticed after ${seconds.toFixed(1)} s, answered ${Math.round(answeredMs)} ms after mending`,
    );
    assert.ok(answeredMs < 5000, `${answeredMs} ms`);
  },
);

test(
  "with a second server in the list a silent loss is over within 10 s",
  { ...TIMEOUT, skip },
  async (t) => {
    await startEcho(t);
    const [first, second] = [await proxyOf(t).start(), await proxyOf(t).start()];
    const bus = await dial(t, `${first.url},${second.url}`);
    await untilAnswered(bus);
    const used = first.dials > 0 ? first : second;
    const { dials } = used;
    used.silence();
    await publishMuch(bus);
    const answeredMs = await untilAnswered(bus);
    t.diagnostic(`answered ${Math.round(answeredMs)} ms after the loss`);
    assert.ok(answeredMs < 10_000, `${answeredMs} ms`);
    assert.equal(used.dials, dials, "the one that was lost was dialled before the other");
  },
);

test(
  "a server that is down at the start is dialled again when the other one goes",
  {
    ...TIMEOUT,
    skip,
  },
  async (t) => {
    await startEcho(t);
    const [late, early] = [await proxyOf(t).start(), await proxyOf(t).start()];
    await late.stop();
    // Which of them is dialled first is drawn: one of these connections meets the one that is down.
    for (let i = 0; i < 4; i++) {
      const bus = await dial(t, `${late.url},${early.url}`);
      await untilAnswered(bus);
      await late.start();
      const dials = late.dials;
      await early.stop();
      assert.ok((await untilAnswered(bus)) < 5000);
      assert.ok(late.dials > dials);
      await bus.close();
      await late.stop();
      await early.start();
    }
  },
);

test(
  "a slow link on which bytes move is left alone, however long a ping waits behind them",
  {
    ...TIMEOUT,
    skip,
  },
  async (t) => {
    const proxy = await proxyOf(t).start();
    const bus = await dial(t, proxy.url);
    let losses = 0;
    bus.onConnection(() => losses++);
    proxy.slow(1_000_000);
    for (let i = 0; i < 48; i++) {
      bus.publish(SINK, new Uint8Array(512 * 1024));
      await Promise.resolve();
    }
    await delay(8000);
    assert.equal(losses, 0);
    assert.ok(bus.connected && (bus.pendingBytes ?? 0) > 0, `${bus.pendingBytes}`);
  },
);
