import assert from "node:assert/strict";
import { once } from "node:events";
import { copyFile, readFile, rename, writeFile } from "node:fs/promises";
import { get as httpsGet } from "node:https";
import { join } from "node:path";
import { test } from "node:test";
import { connect as tlsConnect } from "node:tls";
import { WebSocket } from "ws";
import { Access } from "../../../coordinator/live/io/access.js";
import { ClusterError } from "../../../shared/errors.js";
import { makeCertificate } from "../../support/certificates.js";
import { temporaryDirectory } from "../../support/cluster.js";
import { eventually, opened, startLive } from "./live-support.js";

const TOKEN = "correct-horse-battery-staple";

async function fileWith(t: Parameters<typeof temporaryDirectory>[0], content: string): Promise<string> {
  const file = join(await temporaryDirectory(t), "token");
  await writeFile(file, content);
  return file;
}

/** Whether a socket opens, or the status with which it is refused. */
function knock(url: string, headers: Record<string, string>): Promise<number> {
  const socket = new WebSocket(`${url.replace("http", "ws")}/ws`, { headers });
  return new Promise((resolve) => {
    socket.on("error", () => undefined);
    socket.once("open", () => {
      socket.close();
      resolve(101);
    });
    socket.once("unexpected-response", (_, response) => resolve(response.statusCode ?? 0));
  });
}

test("with a token, page, API and push ask for it, and metrics and probes do not", async (t) => {
  const live = await startLive(t, { tokenFile: await fileWith(t, `${TOKEN}\n`) });
  live.tell(opened());
  const status = async (path: string, headers: Record<string, string> = {}): Promise<number> =>
    (await fetch(`${live.url}${path}`, { headers, redirect: "manual" })).status;
  for (const path of ["/healthz", "/readyz", "/metrics"]) assert.equal(await status(path), 200, path);
  const guarded = ["/", "/app.mjs", "/api/v1/health", "/api/v1/runs", "/api/v1/openapi.json", "/secret"];
  for (const path of guarded) assert.equal(await status(path), 401, path);
  const wrong = [
    `Bearer ${TOKEN}x`,
    `Bearer ${TOKEN.slice(0, -1)}`,
    `Bearer ${TOKEN.toUpperCase()}`,
    "Bearer",
    `Basic ${Buffer.from(`saf:${TOKEN}`).toString("base64")}`,
    TOKEN,
  ];
  for (const authorization of wrong) {
    assert.equal(await status("/api/v1/runs", { authorization }), 401, authorization);
    assert.equal(await knock(live.url, { authorization }), 401, authorization);
  }
  assert.equal(await status(`/api/v1/runs?token=${TOKEN}`), 401, "a token in an address counts for nothing");
  assert.equal(await knock(live.url, {}), 401);
  const right = { authorization: `Bearer ${TOKEN}` };
  for (const path of ["/", "/app.mjs", "/api/v1/runs"]) assert.equal(await status(path, right), 200, path);
  assert.equal(await knock(live.url, right), 101);
  assert.ok(!live.log.join().includes(TOKEN));
});

test("a login with the token gives a cookie that is not the token and opens everything", async (t) => {
  const tokenFile = await fileWith(t, TOKEN);
  const live = await startLive(t, { tokenFile });
  const login = (token: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${live.url}/login`, {
      method: "POST",
      body: new URLSearchParams({ token }),
      redirect: "manual",
      headers,
    });
  const refused = await login("wrong");
  assert.equal(refused.status, 401);
  assert.equal(refused.headers.get("set-cookie"), null);
  assert.match(await refused.text(), /not the token/);
  assert.equal((await login(TOKEN, { origin: "https://evil.example" })).status, 403);
  const accepted = await login(TOKEN);
  assert.deepEqual([accepted.status, accepted.headers.get("location")], [303, "/"]);
  const set = accepted.headers.get("set-cookie") ?? "";
  assert.match(set, /; Path=\/; Max-Age=43200; HttpOnly; SameSite=Strict$/);
  assert.ok(!set.includes(TOKEN));
  const [cookie = ""] = set.split(";");
  const status = async (sent: string): Promise<number> =>
    (await fetch(`${live.url}/api/v1/runs`, { headers: { cookie: sent } })).status;
  assert.equal(await status(`other=1; ${cookie}; more=2`), 200);
  assert.equal(await knock(live.url, { cookie }), 101);
  const [name, value = ""] = cookie.split("=");
  const [until, signed] = value.split(".");
  const forged = [
    `${name}=${Number(until) + 1}.${signed}`,
    `${name}=${until}.${signed?.slice(1)}`,
    `${name}=${until}.`,
    `${name}=${TOKEN}`,
    `x${cookie}`,
  ];
  for (const each of forged) assert.equal(await status(each), 401, each);

  // Replaced while the server runs: the old token and its cookies are worth nothing any more.
  await writeFile(tokenFile, "another-token-of-good-length");
  await eventually(async () => assert.equal(await status(cookie), 401));
  assert.equal((await login(TOKEN)).status, 401);
  assert.equal((await login("another-token-of-good-length")).status, 303);
});

test("a token file that is missing, or holds too little, is an error that names it", async (t) => {
  const short = await fileWith(t, "short\n");
  for (const tokenFile of [short, `${short}-missing`]) {
    await assert.rejects(startLive(t, { tokenFile }), (error) => {
      assert.ok(error instanceof ClusterError && error.code === "config");
      return error.message.includes(tokenFile);
    });
  }
});

test("off loopback the log says what is missing", async (t) => {
  const words = async (tokenFile?: string): Promise<string> => {
    const log: string[] = [];
    await Access.of({ host: "0.0.0.0", port: 0, tokenFile }, (level, message) =>
      log.push(`${level}: ${message}`),
    );
    return log.join();
  };
  assert.match(
    await words(),
    /^warn: The live page is open to whoever reaches 0\.0\.0\.0: set SAF_HTTP_TOKEN_FILE$/,
  );
  assert.match(
    await words(await fileWith(t, TOKEN)),
    /^warn: .* token travels unencrypted: set SAF_HTTP_CERT_FILE/,
  );
});

test("a port that is taken is an error, or another one is taken where that is allowed", async (t) => {
  const first = await startLive(t);
  const port = Number(new URL(first.url).port);
  await assert.rejects(startLive(t, { port }), (error) => {
    assert.ok(error instanceof ClusterError && error.code === "dependency");
    return /Cannot serve HTTP on 127\.0\.0\.1:\d+: .*EADDRINUSE/.test(error.message);
  });
  const other = await startLive(t, { port, anyPort: true });
  assert.notEqual(other.url, first.url);
});

/** Who the server says it is, over a new connection. */
async function subjectOf(url: string): Promise<string> {
  const { port } = new URL(url);
  const socket = tlsConnect({ host: "127.0.0.1", port: Number(port), rejectUnauthorized: false });
  await once(socket, "secureConnect");
  const { subject } = socket.getPeerCertificate();
  socket.destroy();
  return subject.CN as string;
}

test(
  "HTTPS: a new certificate is taken while the server runs, and open connections stay",
  { timeout: 120_000 },
  async (t) => {
    const folder = await temporaryDirectory(t);
    const first = makeCertificate(folder, "first");
    const second = makeCertificate(folder, "second");
    if (first === undefined || second === undefined) return t.skip("openssl is not on PATH");
    const [certFile, keyFile] = [join(folder, "tls.crt"), join(folder, "tls.key")];
    await copyFile(first.certFile, certFile);
    await copyFile(first.keyFile, keyFile);
    const live = await startLive(t, { certFile, keyFile, tokenFile: await fileWith(t, TOKEN) });
    assert.match(live.url, /^https:/);
    assert.equal(await subjectOf(live.url), "first");

    // A client that trusts the certificate gets through.
    const ca = await readFile(certFile);
    const body = await new Promise<string>((resolve, reject) => {
      httpsGet(`${live.url}/healthz`, { ca }, (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (more: string) => (text += more));
        response.on("end", () => resolve(text));
      }).once("error", reject);
    });
    assert.equal(body, "ok\n");
    const viewer = new WebSocket(`${live.url.replace("https", "wss")}/ws`, {
      ca,
      headers: { authorization: `Bearer ${TOKEN}` },
    });
    t.after(() => viewer.terminate());
    await once(viewer, "open");

    // Half of a rotation: certificate and key do not fit, and the old pair stays in force.
    await copyFile(second.certFile, `${certFile}.new`);
    await rename(`${certFile}.new`, certFile);
    await eventually(() => assert.match(live.log.join("\n"), /warn: The new contents of .* are of no use/));
    assert.equal(await subjectOf(live.url), "first");
    await copyFile(second.keyFile, keyFile);
    await eventually(async () => assert.equal(await subjectOf(live.url), "second"));
    const told = once(viewer, "message");
    live.tell({ note: { level: "info", message: "after the rotation" } });
    assert.match(String((await told)[0]), /after the rotation/);
  },
);

test("HTTPS with half of what it needs, or with rubbish, is an error that names the file", async (t) => {
  const rubbish = await fileWith(t, "rubbish");
  const isConfig = (error: unknown): boolean => error instanceof ClusterError && error.code === "config";
  await assert.rejects(startLive(t, { certFile: rubbish }), isConfig);
  await assert.rejects(startLive(t, { certFile: rubbish, keyFile: rubbish }), (error) => {
    return isConfig(error) && (error as Error).message.includes(rubbish);
  });
});
