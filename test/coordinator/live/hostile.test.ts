import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { Agent, get as httpGet } from "node:http";
import { type Socket, connect } from "node:net";
import { type TestContext, test } from "node:test";
import { WebSocket } from "ws";
import { MOST_VIEWERS } from "../../../coordinator/live/io/viewers.js";
import { MOST_CONNECTIONS } from "../../../shared/io/http-connections.js";
import { type Live, eventually, opened, startLive, trained } from "./live-support.js";

/** Whatever a client did before: the others are served. */
async function assertServes(live: Live): Promise<void> {
  const began = performance.now();
  const [health, metrics, page] = await Promise.all(
    ["/healthz", "/metrics", "/"].map((path) => fetch(`${live.url}${path}`)),
  );
  assert.deepEqual([health?.status, metrics?.status, page?.status], [200, 200, 200]);
  assert.ok(performance.now() - began < 5000);
}

function portOf(live: Live): number {
  return Number(new URL(live.url).port);
}

/** Sends bytes as they are; resolves with what came back when the other side closed. */
async function raw(live: Live, ...pieces: (string | Buffer)[]): Promise<string> {
  const socket = connect(portOf(live), "127.0.0.1");
  let answer = "";
  socket.setEncoding("latin1").on("data", (text: string) => (answer += text));
  socket.on("error", () => undefined);
  for (const piece of pieces) socket.write(piece);
  await once(socket, "close");
  return answer;
}

const statusIn = (answer: string): number => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? 0);

async function viewer(t: TestContext, live: Live, options: object = {}): Promise<WebSocket> {
  const socket = new WebSocket(`${live.url.replace("http", "ws")}/ws`, options);
  t.after(() => socket.terminate());
  await once(socket, "open");
  return socket;
}

/** The status with which an upgrade is refused. */
async function refusal(live: Live, path: string, headers: Record<string, string> = {}): Promise<number> {
  const lines = Object.entries({
    Host: new URL(live.url).host,
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  return statusIn(await raw(live, `GET ${path} HTTP/1.1\r\n${lines.join("")}\r\n`));
}

test("headers, addresses and bodies that are too large are refused, and others are served", async (t) => {
  const live = await startLive(t);
  const host = `Host: ${new URL(live.url).host}\r\n`;
  const cases: [string, string, number][] = [
    ["one huge header", `GET / HTTP/1.1\r\n${host}X: ${"x".repeat(100_000)}\r\n\r\n`, 431],
    ["a huge address", `GET /${"a".repeat(100_000)} HTTP/1.1\r\n${host}\r\n`, 431],
    [
      "a body with a GET",
      `GET / HTTP/1.1\r\n${host}Content-Length: 9000000\r\n\r\n${"x".repeat(70_000)}`,
      413,
    ],
    [
      "a body without end",
      `GET /metrics HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`,
      413,
    ],
    [
      "a body that is promised",
      `POST /login HTTP/1.1\r\n${host}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 9000000\r\n\r\n`,
      413,
    ],
    [
      "an expectation",
      `POST /login HTTP/1.1\r\n${host}Expect: 100-continue\r\nContent-Length: 9\r\n\r\n`,
      417,
    ],
    ["two lengths", `GET / HTTP/1.1\r\n${host}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`, 400],
  ];
  for (const [what, request, status] of cases) {
    assert.equal(statusIn(await raw(live, request)), status, what);
    await assertServes(live);
  }
});

test("what is no HTTP is hung up on", async (t) => {
  const live = await startLive(t);
  const seed = Number(process.env["SAF_TEST_SEED"] ?? randomInt(2 ** 31));
  t.diagnostic(`seed ${seed}`);
  let state = seed;
  const byte = (): number => (state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff) >>> 16;
  const noise = (length: number): Buffer => Buffer.from(Array.from({ length }, () => byte() & 255));
  const requests: (string | Buffer)[] = [
    "\r\n\r\n\r\nHELLO\r\n\r\n",
    "GET / HTTP/9.9\r\n\r\n",
    "GET  /  HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nHost : b\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03]),
    ...Array.from({ length: 10 }, (_, i) => Buffer.concat([noise(50 + i), Buffer.from("\r\n\r\n")])),
  ];
  for (const request of requests) {
    const answer = await raw(live, request);
    assert.ok(statusIn(answer) >= 400, `${JSON.stringify(request.toString("latin1"))}: ${answer}`);
  }
  await assertServes(live);
});

test("paths that climb lead nowhere, however they are written", async (t) => {
  const live = await startLive(t);
  const host = `Host: ${new URL(live.url).host}\r\nConnection: close\r\n`;
  const climbs = [
    "/../../package.json",
    "/..%2f..%2fpackage.json",
    "/%2e%2e/%2e%2e/package.json",
    "/..\\..\\package.json",
    "/page/../../../package.json",
    "//etc/passwd",
    "/%00/etc/passwd",
    "/style.css/../../live-thread.js",
    "/live-thread.js",
    "/__proto__",
    "/constructor",
    "/api/v1/runs/..%2f..%2f..%2fetc%2fpasswd",
    "/api/v1/runs/__proto__",
    "/api/v1/../../../etc/passwd",
    "/./page/./../app.mjs/",
  ];
  for (const path of climbs) {
    const answer = await raw(live, `GET ${path} HTTP/1.1\r\n${host}\r\n`);
    assert.equal(statusIn(answer), 404, `${path}: ${answer.slice(0, 300)}`);
    assert.ok(!/root:|"name": "saf"/.test(answer), path);
  }
  const absolute = await raw(live, `GET http://example.org/ HTTP/1.1\r\n${host}\r\n`);
  assert.equal(statusIn(absolute), 400);
});

test("a client that sends its request too slowly is shown out", async (t) => {
  const live = await startLive(t);
  const slow = connect(portOf(live), "127.0.0.1");
  slow.on("error", () => undefined);
  slow.write("GET / HTTP/1.1\r\n");
  const drip = setInterval(() => slow.writable && slow.write("X-a: b\r\n"), 500);
  t.after(() => {
    clearInterval(drip);
    slow.destroy();
  });
  const began = performance.now();
  await once(slow.resume(), "close");
  // 5 s for the headers, looked at every second; the rest is a busy machine's.
  assert.ok(performance.now() - began < 30_000);
  await assertServes(live);
});

test("1,000 idle sockets keep nobody out, and are gone soon", { timeout: 120_000 }, async (t) => {
  const live = await startLive(t);
  const look = await viewer(t, live);
  const sockets: Socket[] = [];
  t.after(() => sockets.forEach((socket) => socket.destroy()));
  let closed = 0;
  for (let i = 0; i < 1000; i++) {
    const socket = connect(portOf(live), "127.0.0.1");
    socket.on("error", () => undefined).on("close", () => closed++);
    socket.resume();
    sockets.push(socket);
  }
  await eventually(() => assert.ok(closed >= 1000 - MOST_CONNECTIONS, `${closed} closed`));
  await assertServes(live);
  await eventually(() => assert.equal(closed, 1000));
  assert.equal(look.readyState, WebSocket.OPEN, "a viewer is no idle socket");
});

test("a storm of scrapes asks the main thread a few times only", { timeout: 120_000 }, async (t) => {
  const live = await startLive(t);
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  t.after(() => agent.destroy());
  const scrape = (): Promise<number> =>
    new Promise((resolve, reject) => {
      httpGet(`${live.url}/metrics`, { agent }, (response) => {
        response.resume().once("end", () => resolve(response.statusCode ?? 0));
      }).once("error", reject);
    });
  const began = performance.now();
  const statuses = await Promise.all(Array.from({ length: 2000 }, scrape));
  const seconds = (performance.now() - began) / 1000;
  assert.ok(statuses.every((status) => status === 200));
  // Once in 200 ms, and one at each end.
  assert.ok(live.scrapes() <= seconds * 5 + 2, `${live.scrapes()} scrapes in ${seconds} s`);
});

test("a page elsewhere cannot connect, nor can a name that points here", async (t) => {
  const live = await startLive(t, { origins: ["https://saf.example"] });
  const { host } = new URL(live.url);
  const upgrade = (headers: Record<string, string>, path = "/ws"): Promise<number> =>
    refusal(live, path, headers);
  assert.equal(await upgrade({ Origin: "https://evil.example" }), 403);
  assert.equal(await upgrade({ Origin: "null" }), 403);
  assert.equal(await upgrade({ Origin: `http://${host}.evil.example` }), 403);
  assert.equal(await upgrade({ Host: "evil.example" }), 421);
  assert.equal(await upgrade({}, "/"), 404);
  assert.equal(await upgrade({}, "/ws/../secret"), 404);
  assert.equal(await upgrade({ "Sec-WebSocket-Version": "7" }), 400);
  assert.equal(await upgrade({ "Sec-WebSocket-Key": "short" }), 400);
  await viewer(t, live, { origin: `http://${host}` });
  await viewer(t, live, { origin: "https://saf.example" });
  const elsewhere = await raw(live, "GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
  assert.equal(statusIn(elsewhere), 421);
  const probe = await raw(live, "GET /healthz HTTP/1.1\r\nHost: pod-7\r\nConnection: close\r\n\r\n");
  assert.equal(statusIn(probe), 200);
});

test("a viewer who talks, in words or in broken frames, is shown out alone", async (t) => {
  const live = await startLive(t);
  const good = await viewer(t, live);
  const talker = await viewer(t, live);
  talker.send("hello");
  const [code] = (await once(talker, "close")) as [number];
  assert.equal(code, 1008);
  const shouter = await viewer(t, live);
  shouter.on("error", () => undefined);
  shouter.send("x".repeat(100_000));
  const [why] = (await once(shouter, "close")) as [number];
  assert.equal(why, 1009);
  const upgrade = `GET /ws HTTP/1.1\r\nHost: ${new URL(live.url).host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n`;
  const frames = [
    [0x81, 0x05, 1, 2, 3, 4, 5], // not masked
    [0xf1, 0x80, 0, 0, 0, 0], // reserved bits
    [0x83, 0x80, 0, 0, 0, 0], // no such kind
    [0x09, 0x80, 0, 0, 0, 0], // a ping in pieces
    [0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0], // endless
  ];
  for (const frame of frames) assert.match(await raw(live, upgrade, Buffer.from(frame)), /^HTTP\/1\.1 101/);
  const told = once(good, "message");
  live.tell({ note: { level: "info", message: "still there" } });
  assert.match(String((await told)[0]), /still there/);
});

test(
  "there is room for so many viewers, and for the next when one leaves",
  { timeout: 120_000 },
  async (t) => {
    const live = await startLive(t);
    const all = await Promise.all(Array.from({ length: MOST_VIEWERS }, () => viewer(t, live)));
    assert.equal(await refusal(live, "/ws"), 503);
    await assertServes(live);
    all[0]?.close();
    await eventually(() => viewer(t, live));
  },
);

test(
  "a viewer who does not read gets no more than one message, then a new snapshot",
  { timeout: 120_000 },
  async (t) => {
    const live = await startLive(t);
    for (let run = 0; run < 30; run++) {
      live.tell(opened(`run-${run}`, `net-${run}`));
      for (let step = 1; step < 390; step++)
        live.tell(trained(step, 1 + 1 / step, `run-${run}`, `net-${run}`));
      await new Promise((resolve) => setImmediate(resolve));
    }
    const lazy = await viewer(t, live);
    const messages: { type: string }[] = [];
    lazy.on("message", (data: Buffer) => messages.push(JSON.parse(data.toString()) as { type: string }));
    await eventually(() => assert.equal(messages[0]?.type, "snapshot"));
    lazy.pause();
    const quick = await viewer(t, live);
    let heard = 0;
    quick.on("message", () => heard++);
    // Far more than the few megabytes that the sockets between the two hold: notes of half a kilobyte, 200 at a time.
    for (let i = 0; heard < 90; i++) {
      for (let j = 0; j < 200; j++)
        live.tell({ note: { level: "info", message: `${i} ${j} ${"x".repeat(480)}` } });
      for (let run = 0; run < 30; run++) live.tell(trained(391 + i, 1, `run-${run}`, `net-${run}`));
      const before = heard;
      await eventually(() => assert.ok(heard > before));
    }
    const missed = messages.length;
    lazy.resume();
    await eventually(() => {
      live.tell({ note: { level: "info", message: "the last word" } });
      assert.ok(messages.slice(missed).some(({ type }) => type === "snapshot"));
    });
    // What was on its way, not what was missed.
    assert.ok(messages.length < heard - 10, `${messages.length} messages of ${heard}`);
  },
);
