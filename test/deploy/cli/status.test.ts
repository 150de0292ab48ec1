/** How `saf status` finds what runs, without a cluster: a live page that is fed by hand. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { processIdentity } from "../../../deploy/local/nats/store-lock.js";
import { PAGE, opened, startLive } from "../../coordinator/live/live-support.js";
import { saf } from "../../support/saf.js";

async function home(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "saf-test-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function runDirectory(folder: string, name: string, live: object): Promise<void> {
  await mkdir(join(folder, "runs", name, "inner"), { recursive: true });
  await writeFile(join(folder, "runs", name, "live.json"), JSON.stringify(live));
}

test("it finds the runs that go on, and tells them from those that have ended", async (t) => {
  const cwd = await home(t);
  const live = await startLive(t);
  live.tell(opened());
  await runDirectory(cwd, "one", { url: `${live.url}/`, started: PAGE.started });
  await symlink("one", join(cwd, "runs", "latest"));
  // A port that another coordinator has by now, one where nobody listens, and a file that says nothing.
  await runDirectory(cwd, "old", { url: `${live.url}/`, started: 1 });
  await runDirectory(cwd, "gone", { url: "http://127.0.0.1:1/", started: 1 });
  await runDirectory(cwd, "odd", { url: 7 });
  const all = await saf(["status", "--json"], { cwd });
  assert.equal(all.code, 0, all.stderr);
  const { coordinators } = JSON.parse(all.stdout) as { coordinators: { directory: string }[] };
  assert.deepEqual(
    coordinators.map(({ directory }) => directory),
    ["runs/one"],
  );
  const [inner, old] = await Promise.all([
    saf(["status", "runs/latest/inner"], { cwd }),
    saf(["status", "runs/old"], { cwd }),
  ]);
  assert.match(inner.stdout, /^runs\/latest +http/);
  assert.deepEqual([old.code, old.stdout], [5, ""]);
  assert.match(old.stderr, /^saf: runs\/old does not run$/m);
});

test("a run whose process was killed was cut off, and goes on by --resume", async (t) => {
  const cwd = await home(t);
  await runDirectory(cwd, "cut", { url: "http://127.0.0.1:1/", started: 1 });
  const status = { state: "training", step: 40, steps: 200 };
  await writeFile(join(cwd, "runs", "cut", "status.json"), JSON.stringify(status));
  const { code, stderr } = await saf(["status", "runs/cut"], { cwd });
  assert.equal(code, 5);
  assert.match(stderr, /^saf: runs\/cut does not run: it was cut off while training, step 40 of 200$/m);
  assert.match(stderr, /^ +saf train --resume runs\/cut goes on$/m);
});

test("a pool that waits for work is named, and a sweep's folder says who tells of it", async (t) => {
  const cwd = await home(t);
  const own = processIdentity(process.pid);
  assert.ok(own !== undefined);
  const state = join(cwd, "state");
  await mkdir(join(state, "pool"), { recursive: true });
  const running = { pid: own.pid, start_time: own.startTime, url: "tls://127.0.0.1:4222" };
  await writeFile(join(state, "pool", "running.json"), JSON.stringify(running));
  await mkdir(join(cwd, "runs", "small"), { recursive: true });
  for (const name of ["sweep.yaml", "sweep.jsonl"]) await writeFile(join(cwd, "runs", "small", name), "");
  const env = { SAF_STATE_DIR: state };
  const [idle, sweep] = await Promise.all([
    saf(["status"], { cwd, env }),
    saf(["status", "runs/small"], { cwd, env }),
  ]);
  assert.deepEqual([idle.code, sweep.code], [5, 5]);
  assert.match(
    idle.stderr,
    /^ {5}A pool waits for work: process \d+, nats-server at tls:\/\/127.0.0.1:4222; npx saf train/m,
  );
  assert.match(sweep.stderr, /saf sweep status runs\/small says how far the sweep is/);
});

test("where nothing runs, exit code 5 and what to give", async (t) => {
  const cwd = await home(t);
  const [none, url] = await Promise.all([
    saf(["status"], { cwd }),
    saf(["status", "--url", "http://127.0.0.1:1/", "--json"], { cwd }),
  ]);
  assert.equal(none.code, 5);
  assert.match(none.stderr, /^saf: Nothing runs: no run in runs goes on\n +give a run directory/);
  assert.equal(url.code, 5);
  assert.match(url.stdout, /"message": "No coordinator answers at http:\/\/127\.0\.0\.1:1\/"/);
});

test("a page that asks for a token gets it from a file, and says so without one", async (t) => {
  const cwd = await home(t);
  const tokenFile = join(cwd, "token");
  await writeFile(tokenFile, "a-token-of-enough-length\n");
  const live = await startLive(t, { tokenFile });
  const [without, withToken] = await Promise.all([
    saf(["status", "--url", live.url], { cwd }),
    saf(["status", "--url", live.url], { cwd, env: { SAF_HTTP_TOKEN_FILE: tokenFile } }),
  ]);
  assert.equal(without.code, 2);
  assert.match(without.stderr, /asks for a token\n +give the file that holds it: --http-token-file/);
  assert.equal(withToken.code, 0, withToken.stderr);
  assert.match(withToken.stdout, /no worker has joined yet/);
});
