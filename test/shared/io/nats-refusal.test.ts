/** When a server's refusal of credentials is believed. */
import assert from "node:assert/strict";
import { type Socket, createServer } from "node:net";
import { type TestContext, test } from "node:test";
import type { ClusterError } from "../../../shared/errors.js";
import { connectNats } from "../../../shared/io/nats-bus.js";

const INFO = `INFO ${JSON.stringify({ server_id: "fake", version: "2.15.1", proto: 1, headers: true, max_payload: 2097152 })}\r\n`;

/** Greets, and refuses each connection in these words until `served` have come. Returns its URL. */
async function refusing(t: TestContext, words: string, served: number): Promise<string> {
  const sockets = new Set<Socket>();
  let dials = 0;
  const server = createServer((socket) => {
    const isRefused = ++dials <= served;
    sockets.add(socket.on("error", () => undefined));
    socket.write(INFO);
    socket.on("data", (data) => {
      if (isRefused) socket.end(`-ERR '${words}'\r\n`);
      else if (data.includes("PING")) socket.write("PONG\r\n");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  return `nats://127.0.0.1:${address.port}`;
}

const dial = (url: string): ReturnType<typeof connectNats> =>
  connectNats({ url, identity: "w0", purpose: "test", connectTimeoutMs: 20_000 });

test("a server that takes a new configuration in refuses everybody: dialled again, it is right", async (t) => {
  const bus = await dial(await refusing(t, "Authorization Violation", 3));
  assert.ok(bus.connected);
  await bus.close();
});

test("a server that was too busy to hear the credentials has refused nothing", async (t) => {
  const bus = await dial(await refusing(t, "Authentication Timeout", 2));
  assert.ok(bus.connected);
  await bus.close();
});

test("a refusal that lasts is one, long before the time for dialling is over", async (t) => {
  const began = performance.now();
  await assert.rejects(
    dial(await refusing(t, "Authorization Violation", Infinity)),
    (error: ClusterError) => error.exitCode === 5 && /refused the credentials/.test(error.hint ?? ""),
  );
  assert.ok(performance.now() - began < 15_000, "it went on dialling");
});
