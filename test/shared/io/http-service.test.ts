import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { type Answer, Probes, type Question } from "../../../shared/io/http-probes.js";
import { serveHttp } from "../../../shared/io/http-service.js";
import { eventually } from "../../coordinator/live/live-support.js";

test("a server whose thread dies is started again on its port, and the process lives on", async (t) => {
  const log: string[] = [];
  const service = await serveHttp({
    script: new URL("./dying-thread.js", import.meta.url),
    http: { host: "127.0.0.1", port: 0 },
    metrics: (accept) => Promise.resolve({ type: "text/plain", text: `for ${accept}\n` }),
    ready: () => "not yet",
    log: (level, message) => log.push(`${level}: ${message}`),
  });
  t.after(() => service.close());
  const { url } = service;
  for (let round = 0; round < 2; round++) {
    await assert.rejects(fetch(`${url}/die`));
    const ready = await eventually(() => fetch(`${url}/readyz`));
    assert.deepEqual([ready.status, await ready.text()], [503, "not yet\n"]);
  }
  assert.equal(service.url, url);
  assert.deepEqual(log, Array(2).fill("error: The HTTP server ended: its thread is gone"));
  const scraped = await fetch(`${url}/metrics`, {
    headers: { accept: "application/openmetrics-text;version=1.0.0" },
  });
  assert.equal(await scraped.text(), "for application/openmetrics-text\n");
});

test("a main thread that hangs is not ready at once, and not alive after half a minute", async (t) => {
  let nowMs = 0;
  let answer: ((answer: Answer) => void) | undefined;
  let isHung = true;
  const ask = (question: Question): Promise<Answer> =>
    isHung
      ? new Promise((resolve) => (answer = resolve))
      : Promise.resolve({ status: 200, type: "text/plain", body: `${question}\n` });
  const probes = new Probes(ask, () => nowMs);
  const server = createServer((request, response) => probes.answer(request.url ?? "", request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const get = async (path: string): Promise<[number, string]> => {
    const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`);
    return [response.status, await response.text()];
  };
  assert.deepEqual(await get("/readyz"), [503, "the main thread is busy\n"]);
  assert.deepEqual(await get("/healthz"), [200, "ok\n"]);
  nowMs = 29_000;
  assert.deepEqual(await get("/healthz"), [200, "ok\n"]);
  nowMs = 31_000;
  assert.deepEqual(await get("/healthz"), [503, "the main thread has not answered for 31 s\n"]);
  isHung = false;
  answer?.({ status: 200, type: "text/plain", body: "late\n" });
  assert.deepEqual(await get("/healthz"), [200, "ok\n"]);
  nowMs = 40_000;
  assert.deepEqual(await get("/readyz"), [200, "ready\n"]);
});

test("a process that answers, but says that it hangs, is not alive", async (t) => {
  const said: { hangs?: string } = {};
  const service = await serveHttp({
    script: new URL("../../../shared/io/probe-thread.js", import.meta.url),
    http: { host: "127.0.0.1", port: 0 },
    metrics: () => Promise.resolve({ type: "text/plain", text: "" }),
    ready: () => said.hangs,
    hangs: () => said.hangs,
    log: () => undefined,
  });
  t.after(() => service.close());
  const alive = async (): Promise<[number, string]> => {
    const response = await fetch(`${service.url}/healthz`);
    return [response.status, await response.text()];
  };
  assert.deepEqual(await alive(), [200, "ok\n"]);
  said.hangs = "the engine has not answered to block 7 for 20 s";
  await eventually(async () => assert.deepEqual(await alive(), [503, `${said.hangs}\n`]));
});
