import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, type Socket, connect, createServer } from "node:net";
import { type TestContext, test } from "node:test";
import { LinkProxy } from "../../../deploy/chaos/link-proxy.js";

const LIMIT = { timeout: 20_000 };

/** A server that says back what it hears, and a proxy before it. */
async function echo(t: TestContext): Promise<{ proxy: LinkProxy; dial: () => Promise<Socket> }> {
  const server = createServer((socket) => socket.on("error", () => undefined).pipe(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const proxy = await LinkProxy.to((server.address() as AddressInfo).port);
  const clients: Socket[] = [];
  t.after(async () => {
    for (const client of clients) client.destroy();
    await proxy.close();
    server.close();
  });
  const dial = async (): Promise<Socket> => {
    const client = connect(Number(new URL(proxy.url).port), "127.0.0.1");
    client.on("error", () => undefined);
    clients.push(client);
    await once(client, "connect");
    return client;
  };
  return { proxy, dial };
}

async function heard(client: Socket): Promise<string> {
  const [bytes] = (await once(client, "data")) as [Uint8Array];
  return new TextDecoder().decode(bytes);
}

test(
  "bytes pass; on a cut link they wait, also of those that dial meanwhile, and go on when it is mended",
  LIMIT,
  async (t) => {
    const { proxy, dial } = await echo(t);
    const client = await dial();
    client.write("PING\r\n");
    assert.equal(await heard(client), "PING\r\n");

    proxy.cut();
    client.write("PUB a 2\r\nhi\r\n");
    const late = await dial();
    late.write("PONG\r\n");
    const early = { heard: false };
    client.once("data", () => (early.heard = true));
    // What was on its way before the cut has come by now: the dial took a round.
    assert.equal(early.heard, false);

    const both = [heard(client), heard(late)];
    proxy.mend();
    assert.deepEqual(await Promise.all(both), ["PUB a 2\r\nhi\r\n", "PONG\r\n"]);
  },
);

test("a broken link ends its connections, and the next dial passes", LIMIT, async (t) => {
  const { proxy, dial } = await echo(t);
  const client = await dial();
  client.write("PING\r\n");
  await heard(client);
  const closed = new Promise((resolve) => client.once("close", resolve));
  proxy.break();
  await closed;
  const next = await dial();
  next.write("PING\r\n");
  assert.equal(await heard(next), "PING\r\n");
});

test("a message that is dropped does not come, one that is doubled comes twice", LIMIT, async (t) => {
  const { proxy, dial } = await echo(t);
  const client = await dial();
  const never = new AbortController();
  // On its way there; the way back is the same link.
  const dropped = proxy.take("drop", 1, never.signal);
  client.write("PUB a 2\r\nhi\r\nPING\r\n");
  assert.equal(await heard(client), "PING\r\n");
  await dropped;
  const doubled = proxy.take("duplicate", 1, never.signal);
  client.write("PUB a 2\r\nho\r\n");
  await doubled;
  let text = "";
  while (text.length < 2 * "PUB a 2\r\nho\r\n".length) text += await heard(client);
  assert.equal(text, "PUB a 2\r\nho\r\n".repeat(2));
});

test("whoever gives up waiting for messages takes the rest back", LIMIT, async (t) => {
  const { proxy, dial } = await echo(t);
  const client = await dial();
  const over = new AbortController();
  const taking = proxy.take("drop", 5, over.signal);
  over.abort();
  await taking;
  client.write("PUB a 2\r\nhi\r\n");
  assert.equal(await heard(client), "PUB a 2\r\nhi\r\n");
});
