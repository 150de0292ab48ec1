import assert from "node:assert/strict";
import { test } from "node:test";
import { LocalCluster } from "../../../deploy/local/cluster.js";
import { observe } from "../../../deploy/local/kept-server.js";
import type { RunningNatsServer } from "../../../deploy/local/nats/server.js";
import type { Bus } from "../../../shared/bus.js";
import { connectNats } from "../../../shared/io/nats-bus.js";
import { poolSchema } from "../../../shared/config/pool.js";
import { realClock } from "../../../shared/io/real-clock.js";
import { NO_SERVER, anyServer, startServer, temporaryDirectory } from "../nats-support.js";

const LIMIT = { timeout: 60_000 };
const any = await anyServer();

const connectTo =
  ({ url, credentials }: RunningNatsServer) =>
  (signal: AbortSignal): Promise<Bus> =>
    connectNats({ ...credentials.observer, url, signal, purpose: "events", connectTimeoutMs: 10_000 });

test("a server that is killed before anybody has connected is started again", LIMIT, async (t) => {
  if (any === undefined) return t.skip(NO_SERVER);
  const server = await startServer(t, any);
  const { pid } = server;
  const notes: string[] = [];

  const onNote = (message: string): void => void notes.push(message);
  const observing = observe(server, connectTo(server), { clock: realClock, onNote, signal: undefined });
  process.kill(pid, "SIGKILL");
  const { events, stopping, hopeless } = await observing;

  assert.equal(events.connected, true);
  assert.notEqual(server.pid, pid);
  assert.match(notes.join("\n"), /^nats-server ended \(SIGKILL\).*starting it again$/m);
  assert.equal(hopeless.signal.aborted, false);
  stopping.abort();
  await events.close();
});

test("whoever gives up the start gets the reason back, and the server is stopped", LIMIT, async (t) => {
  if (any === undefined) return t.skip(NO_SERVER);
  const server = await startServer(t, any);
  const reason = new Error("SIGINT");
  const given = new AbortController();

  const observing = observe(server, connectTo(server), {
    ...{ clock: realClock, onNote: assert.fail, signal: given.signal },
  });
  given.abort(reason);

  await assert.rejects(observing, reason);
  await assert.rejects(server.restart(), /was stopped/);
});

test("a cluster whose start is given up starts no process", LIMIT, async (t) => {
  if (any === undefined) return t.skip(NO_SERVER);
  const notes: string[] = [];
  const starting = LocalCluster.start({
    ...{ nats: any, engine: "wasm", workerEnvironment: {}, workers: 1, coordinatorArguments: [] },
    ...{ out: await temporaryDirectory(t), cacheDir: await temporaryDirectory(t), clock: realClock },
    ...{ pool: poolSchema.parse({}), restartCoordinator: true, signal: AbortSignal.abort(new Error("now")) },
    onEvent: () => assert.fail("nobody tells anything"),
    onNote: (message) => notes.push(message),
  });
  await assert.rejects(starting, /now/);
});
