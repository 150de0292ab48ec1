import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, statSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { connect, nkeyAuthenticator } from "nats";
import type { Msg } from "nats";
import { createUser } from "nkeys.js";
import { ClusterError } from "../../shared/errors.js";
import { subjectsOf } from "../../shared/subjects.js";
import { startNatsServer } from "../../deploy/local/nats/server.js";
import type { NatsExit } from "../../deploy/local/nats/server-process.js";
import type { RunningNatsServer } from "../../deploy/local/nats/server.js";
import { processIdentity } from "../../deploy/local/nats/store-lock.js";
import {
  anyServer,
  connectAs,
  connectWithAllRights,
  NO_SERVER,
  processEnd,
  serversOfBothAges,
  startServer,
  temporaryDirectory,
  within,
} from "./nats-support.js";

const any = await anyServer();
const s = subjectsOf("pool");

function nextExit(server: RunningNatsServer): Promise<NatsExit> {
  return within(10_000, "the server's end", new Promise((resolve) => server.onExit(resolve)));
}

for (const { name, binary } of await serversOfBothAges()) {
  const title = `${name} server`;

  test(`${title}: starts from the generated configuration, without JetStream, and stops at once`, async (t) => {
    if (binary === undefined) return t.skip(NO_SERVER);
    const directory = await temporaryDirectory(t);
    const server = await startServer(t, binary, { directory });
    const connection = await connectWithAllRights(t, server, directory);
    assert.equal(connection.info?.version, binary.version);
    assert.equal(connection.info?.max_payload, 2 * 1024 * 1024);
    await assert.rejects(connection.jetstreamManager(), "whatever the rights");

    const { pid } = server;
    await server.stop();
    assert.equal(processIdentity(pid), undefined);
    await server.stop(); // again does no harm
  });

  test(`${title}: a killed server is restarted on the same ports with its keys`, async (t) => {
    if (binary === undefined) return t.skip(NO_SERVER);
    const directory = await temporaryDirectory(t);
    const server = await startServer(t, binary, { directory });
    const { url, monitorUrl, pid } = server;
    const connection = await connectAs(t, url, server.credentials.coordinator);
    const reconnected = (async () => {
      for await (const status of connection.status()) if (status.type.toString() === "reconnect") return;
    })();

    const exit = nextExit(server);
    process.kill(pid, "SIGKILL");
    const { signal, logLines } = await exit;
    assert.equal(signal, "SIGKILL");
    assert.ok(logLines.length <= 50 && logLines.some((line) => line.includes("Server is ready")));
    await server.restart();

    assert.deepEqual([server.url, server.monitorUrl], [url, monitorUrl]);
    assert.notEqual(server.pid, pid);
    await within(10_000, "the client to connect again", reconnected);
    const back = await connectAs(t, url, server.credentials.observer);
    assert.equal(back.info?.version, binary.version);
  });

  test(`${title}: a worker that is added gets in, and nobody is disconnected for it`, async (t) => {
    if (binary === undefined) return t.skip(NO_SERVER);
    const server = await startServer(t, binary, { workers: ["w0"] });
    assert.throws(() => server.credentials.worker("w1"), /never added/);
    const coordinator = await connectAs(t, server.url, server.credentials.coordinator);
    const worker = await connectAs(t, server.url, server.credentials.worker("w0"));
    const statuses: string[] = [];
    for (const connection of [coordinator, worker]) {
      void (async () => {
        for await (const status of connection.status()) statuses.push(status.type.toString());
      })();
    }
    const clientIds = [coordinator.info?.client_id, worker.info?.client_id];
    const heartbeats: AsyncIterator<Msg> = coordinator.subscribe(s.heartbeatPattern)[Symbol.asyncIterator]();
    await coordinator.flush();

    await server.addWorkers(["w1", "w2"]);
    const added = await connectAs(t, server.url, server.credentials.worker("w1"));
    for (const [connection, id] of [
      [worker, "w0"],
      [added, "w1"],
    ] as const) {
      connection.publish(s.heartbeat(id));
      const next = await within(5_000, `the heartbeat of ${id}`, heartbeats.next());
      assert.equal((next.value as Msg).subject, s.heartbeat(id));
    }
    assert.deepEqual([coordinator.info?.client_id, worker.info?.client_id], clientIds);
    assert.deepEqual(
      statuses.filter((type) => type !== "pingTimer"),
      [],
    );

    await server.restart(); // the fixed ports of a restarted server do not prevent a further reload
    await server.addWorkers(["w3"]);
    await connectAs(t, server.url, server.credentials.worker("w3"));
    await connectAs(t, server.url, server.credentials.worker("w1"));
  });

  test(`${title}: a key that it does not know, or none, is refused`, async (t) => {
    if (binary === undefined) return t.skip(NO_SERVER);
    const server = await startServer(t, binary);
    const stranger = nkeyAuthenticator(createUser().getSeed());
    await assert.rejects(connect({ servers: server.url, authenticator: stranger, reconnect: false }), {
      code: "AUTHORIZATION_VIOLATION",
    });
    await assert.rejects(connect({ servers: server.url, reconnect: false }), {
      code: "AUTHORIZATION_VIOLATION",
    });
  });
}

test("directory, configuration and seeds can be read by their owner only", async (t) => {
  if (any === undefined) return t.skip(NO_SERVER);
  const directory = join(await temporaryDirectory(t), "nats");
  await mkdir(directory, { mode: 0o755 });
  const server = await startServer(t, any, { directory });
  const mode = (path: string): string => (statSync(path).mode & 0o777).toString(8);
  assert.equal(mode(directory), "700");
  assert.equal(mode(join(directory, "nats.json")), "600");
  for (const { seedFile } of [
    server.credentials.coordinator,
    server.credentials.observer,
    server.credentials.worker("w0"),
  ]) {
    assert.equal(mode(seedFile), "600");
    assert.match(readFileSync(seedFile, "utf8"), /^SU[A-Z2-7]+$/);
  }
  const seed = readFileSync(server.credentials.coordinator.seedFile, "utf8");
  assert.equal(readFileSync(join(directory, "nats.json"), "utf8").includes(seed), false);
});

test("a second server on the same store is refused while the first runs, and welcome afterwards", async (t) => {
  if (any === undefined) return t.skip(NO_SERVER);
  const directory = await temporaryDirectory(t);
  const first = await startServer(t, any, { directory });
  await assert.rejects(
    startNatsServer({ binary: any, directory, pool: "pool", workers: [] }),
    (error) =>
      error instanceof ClusterError &&
      error.code === "dependency" &&
      error.message.includes(
        `${directory}: process ${process.pid} has it in use (its nats-server is process ${first.pid})`,
      ),
  );
  assert.ok(processIdentity(first.pid), "the first one still runs");
  await first.stop();
  const second = await startServer(t, any, { directory });
  assert.ok(processIdentity(second.pid));
});

test("a lock whose owner is gone is taken over, even when its pid belongs to another process now", async (t) => {
  if (any === undefined) return t.skip(NO_SERVER);
  const otherStart = { pid: process.pid, startTime: "a start in another life" };
  for (const stale of [JSON.stringify({ owner: otherStart, server: otherStart }), "cut o"]) {
    const directory = await temporaryDirectory(t);
    await writeFile(join(directory, "lock"), stale);
    const server = await startServer(t, any, { directory });
    const lock = JSON.parse(await readFile(join(directory, "lock"), "utf8")) as { server: { pid: number } };
    assert.equal(lock.server.pid, server.pid);
    await server.stop();
    assert.equal(existsSync(join(directory, "lock")), false);
  }
});

/** Another process that starts a server on `directory` and says its pid. */
async function startInAnotherProcess(
  t: TestContext,
  binary: object,
  directory: string,
): Promise<{ parentPid: number; serverPid: number }> {
  const script = `
    import { startNatsServer } from ${JSON.stringify(new URL("../../deploy/local/nats/server.js", import.meta.url).href)};
    const [binary, directory] = JSON.parse(process.argv[1]);
    const server = await startNatsServer({ binary, directory, pool: "pool", workers: ["w0"] });
    console.log(server.pid);
  `;
  const parent = spawn(
    process.execPath,
    ["--input-type=module", "-e", script, JSON.stringify([binary, directory])],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  t.after(() => parent.kill("SIGKILL"));
  const [line] = (await within(
    20_000,
    "the other process",
    once(createInterface({ input: parent.stdout }), "line"),
  )) as [string];
  return { parentPid: parent.pid ?? 0, serverPid: Number(line) };
}

test("a SIGKILL of the process that started it leaves no nats-server behind", async (t) => {
  if (any === undefined) return t.skip(NO_SERVER);
  const { parentPid, serverPid } = await startInAnotherProcess(t, any, await temporaryDirectory(t));
  assert.ok(processIdentity(serverPid), "it runs");
  process.kill(parentPid, "SIGKILL");
  await within(10_000, "the orphan's end", processEnd(serverPid));
});

test("after a SIGKILL the next start takes the store over at once, with the same keys", async (t) => {
  if (any === undefined) return t.skip(NO_SERVER);
  const directory = await temporaryDirectory(t);
  const { parentPid, serverPid } = await startInAnotherProcess(t, any, directory);
  const seed = await readFile(join(directory, "keys/w0.seed"), "utf8");
  process.kill(parentPid, "SIGKILL");
  await within(5_000, "the other process's end", processEnd(parentPid));
  const server = await startServer(t, any, { directory });
  assert.equal(processIdentity(serverPid), undefined);
  assert.equal(await readFile(server.credentials.worker("w0").seedFile, "utf8"), seed);
});

test("a server that does not listen to SIGTERM is killed, and the stop still returns", async (t) => {
  if (any === undefined) return t.skip(NO_SERVER);
  const server = await startServer(t, any);
  process.kill(server.pid, "SIGSTOP"); // holds SIGTERM back, but not SIGKILL
  await within(9_000, "the stop", server.stop());
  assert.equal(processIdentity(server.pid), undefined);
});

test("fixed ports are used, and one that is taken is an error with the server's own words", async (t) => {
  if (any === undefined) return t.skip(NO_SERVER);
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as AddressInfo;
  const directory = await temporaryDirectory(t);
  await assert.rejects(
    startNatsServer({ binary: any, directory, pool: "pool", workers: [], port }),
    (error) =>
      error instanceof ClusterError &&
      error.code === "dependency" &&
      /address already in use/.test(error.message),
  );
  listener.close();
  await once(listener, "close");
  const server = await startServer(t, any, { directory, port }); // the failed start left no lock
  assert.equal(server.url, `nats://127.0.0.1:${port}`);
});

test("stopping and restarting on purpose is no exit to report, and what is stopped stays so", async (t) => {
  if (any === undefined) return t.skip(NO_SERVER);
  const server = await startServer(t, any);
  const exits: NatsExit[] = [];
  server.onExit((exit) => exits.push(exit));
  await server.restart();
  await server.stop();
  assert.deepEqual(exits, []);
  await assert.rejects(server.restart(), /was stopped/);
});
