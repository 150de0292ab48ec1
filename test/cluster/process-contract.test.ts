/** What `saf worker` and `saf coordinator` owe whoever runs them: words, exit codes, and how fast they go. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import { startNatsServer } from "../../deploy/local/nats/server.js";
import { connectNats } from "../../shared/io/nats-bus.js";
import { readMessage, wire } from "../../shared/messages.js";
import { programs, startCluster, temporaryDirectory, testConfig } from "../support/cluster.js";
import { PROGRAM, saf } from "../support/saf.js";

const LIMIT = { timeout: 180_000 };
/** Promised: a worker's lease is back within this. */
const LEASE_BACK_MS = 1000;

describe("a process that cannot start says what is missing and ends with the documented code", () => {
  const NOWHERE = ["--nats-url", "nats://127.0.0.1:1", "--nats-timeout", "1"];

  test("NATS cannot be reached: 5, for the worker and the coordinator", LIMIT, async (t) => {
    const folder = await temporaryDirectory(t);
    const run = join(folder, "run.yaml");
    await writeFile(run, JSON.stringify(testConfig()));
    for (const process of [
      ["worker", "--engine", "wasm"],
      ["coordinator", "--run", run, "--out", join(folder, "out"), "--log-file", "-"],
    ]) {
      const { code, stderr } = await saf([...process, ...NOWHERE]);
      assert.equal(code, 5, stderr);
      assert.match(
        stderr,
        /"msg":"Cannot connect to NATS at nats:\/\/127\.0\.0\.1:1 .*trying again for 1 s"/,
      );
      assert.match(stderr, /^saf: Cannot connect to NATS at nats:\/\/127\.0\.0\.1:1 /m);
    }
  });

  test("the secret is not mounted: 2, at once, with the file's name", LIMIT, async (t) => {
    const file = join(await temporaryDirectory(t), "worker-0.creds");
    const { code, stderr } = await saf(["worker"], { env: { SAF_NATS_SEED_FILE: file } });
    assert.equal(code, 2, stderr);
    assert.ok(stderr.includes(`Cannot read the NATS credentials ${file}: the file is missing`), stderr);
  });

  test("a wrong value in the environment: 2, with the variable or the value", LIMIT, async () => {
    const wrong: [Record<string, string>, RegExp][] = [
      [{ SAF_WORKER_ID: "Worker 1" }, /Worker id "Worker 1"/],
      [{ SAF_ENGINE: "cuda" }, /Unknown engine "cuda"/],
      [{ SAF_HTTP_PORT: "http" }, /SAF_HTTP_PORT/],
      [{ SAF_NATS_TIMEOUT_S: "soon" }, /SAF_NATS_TIMEOUT_S/],
      [{ SAF_NATS_URL: "nats:4222" }, /"nats:4222" is no NATS URL/],
      [{ SAF_POOL: "Pool/1" }, /Pool\/1/],
    ];
    for (const [env, words] of wrong) {
      const { code, stderr } = await saf(["worker"], { env: { SAF_NATS_URL: "nats://127.0.0.1:1", ...env } });
      assert.equal(code, 2, `${JSON.stringify(env)}: ${stderr}`);
      assert.match(stderr, words);
    }
  });

  test("a mistyped variable is told", LIMIT, async () => {
    const { stderr } = await saf(["worker", ...NOWHERE], { env: { SAF_NATS_ULR: "nats://nats:4222" } });
    assert.match(stderr, /SAF_NATS_ULR is no setting and does nothing; did you mean SAF_NATS_URL\?/);
  });

  test("run.yaml is missing or wrong: 2, with file and line", LIMIT, async (t) => {
    const folder = await temporaryDirectory(t);
    const missing = await saf([
      "coordinator",
      "--run",
      join(folder, "run.yaml"),
      "--out",
      join(folder, "out"),
    ]);
    assert.equal(missing.code, 2, missing.stderr);
    assert.match(missing.stderr, /run\.yaml/);
    await writeFile(join(folder, "run.yaml"), "train:\n  batch_sise: 3\n");
    const wrong = await saf(["coordinator", "--run", join(folder, "run.yaml"), "--out", join(folder, "out")]);
    assert.equal(wrong.code, 2, wrong.stderr);
    assert.match(wrong.stderr, /run\.yaml:2:3[\s\S]*batch_size/);
  });
});

describe("a run that is told to stop while its cluster starts", () => {
  for (const [signal, exitCode] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const) {
    test(`ends at once after ${signal}, with ${exitCode}, and nothing of it is left`, LIMIT, async (t) => {
      const folder = await temporaryDirectory(t);
      const args = ["train", "-w", "1", "--runs", join(folder, "runs"), "--progress", "plain"];
      const run = start(t, args, { TMPDIR: folder });
      await run.said(/^run directory /m);
      const { code } = await run.kill(signal);
      assert.equal(code, exitCode, run.words());
      assert.match(
        run.words(),
        new RegExp(`^warning: ${signal}: stopping before anything is computed$`, "m"),
      );
      assert.doesNotMatch(run.words(), /training/);
      assert.deepEqual(
        readdirSync(folder).filter((name) => name.startsWith("saf-")),
        [],
      );
    });
  }
});

interface Started {
  process: ChildProcess;
  words: () => string;
  /** Exit code, and milliseconds from `kill` to the end. */
  kill: (signal: NodeJS.Signals) => Promise<{ code: number | null; ms: number }>;
  /** Resolves once it has said this. */
  said: (words: RegExp) => Promise<void>;
  exited: Promise<number | null>;
}

function start(t: TestContext, args: readonly string[], env: Record<string, string> = {}): Started {
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, ...env },
  });
  t.after(() => child.kill("SIGKILL"));
  let words = "";
  let look: () => void = () => undefined;
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    words += text;
    look();
  });
  const exited = new Promise<number | null>((resolve) => child.once("close", (code) => resolve(code)));
  return {
    process: child,
    words: () => words,
    exited,
    kill: async (signal) => {
      const began = performance.now();
      child.kill(signal);
      return { code: await exited, ms: performance.now() - began };
    },
    said: (pattern) =>
      new Promise((resolve, reject) => {
        look = () => {
          if (pattern.test(words)) resolve();
        };
        look();
        void exited.then((code) => reject(new Error(`it ended with ${code} and said: ${words}`)));
      }),
  };
}

describe("a process that is told to end before it serves ends with 143", () => {
  test("while NATS cannot be reached", LIMIT, async (t) => {
    const worker = start(t, ["worker", "--nats-url", "nats://127.0.0.1:1", "--engine", "wasm"]);
    await worker.said(/trying again/);
    const { code, ms } = await worker.kill("SIGTERM");
    assert.equal(code, 143, worker.words());
    assert.ok(ms < 5000, `it took ${ms} ms`);
  });

  test("a coordinator as well", LIMIT, async (t) => {
    const folder = await temporaryDirectory(t);
    const run = join(folder, "run.yaml");
    await writeFile(run, JSON.stringify(testConfig()));
    const args = ["--run", run, "--out", join(folder, "out"), "--log-file", "-"];
    const coordinator = start(t, ["coordinator", ...args, "--nats-url", "nats://127.0.0.1:1"]);
    await coordinator.said(/trying again/);
    const { code, ms } = await coordinator.kill("SIGTERM");
    assert.equal(code, 143, coordinator.words());
    assert.ok(ms < 5000, `it took ${ms} ms`);
  });

  test("while nothing answers at NATS's address", LIMIT, async (t) => {
    const silent = createServer();
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    t.after(() => silent.close());
    const { port } = silent.address() as { port: number };
    const worker = start(t, ["worker", "--nats-url", `nats://127.0.0.1:${port}`, "--engine", "wasm"]);
    await worker.said(/Engine /);
    const { code, ms } = await worker.kill("SIGTERM");
    assert.equal(code, 143, worker.words());
    assert.ok(ms < 15_000, `it took ${ms} ms`);
  });
});

describe("a worker whose coordinator is away", () => {
  async function server(t: TestContext): Promise<string[]> {
    const { nats } = await programs();
    const directory = await temporaryDirectory(t);
    const running = await startNatsServer({ binary: nats, directory, pool: "local", workers: ["worker-1"] });
    t.after(() => running.stop());
    const { seedFile } = running.credentials.worker("worker-1");
    return ["--id", "worker-1", "--nats-url", running.url, "--seed-file", seedFile, "--engine", "wasm"];
  }

  test("is ready, waits, and ends with 143 in less than a second when told to", LIMIT, async (t) => {
    const worker = start(t, ["worker", ...(await server(t)), "--http-port", "0"]);
    await worker.said(/Waiting for a coordinator/);
    const [, url] = /metrics at (\S+)\/metrics/.exec(worker.words()) ?? [];
    assert.equal((await fetch(`${url}/readyz`)).status, 200);
    assert.equal((await fetch(`${url}/healthz`)).status, 200);
    const { code, ms } = await worker.kill("SIGTERM");
    assert.equal(code, 143, worker.words());
    t.diagnostic(`ended ${ms.toFixed(0)} ms after SIGTERM`);
  });

  test("gives up with 5 where it may not wait for ever", LIMIT, async (t) => {
    const worker = start(t, ["worker", ...(await server(t)), "--coordinator-timeout", "2"]);
    assert.equal(await worker.exited, 5, worker.words());
    assert.match(worker.words(), /^saf: No coordinator was heard of for \d+ s$/m);
  });
});

test("SIGTERM to a worker at work: its lease is back in under a second, exit code 143", LIMIT, async (t) => {
  const cluster = await startCluster(t, {
    workers: 2,
    config: { train: { max_steps: 2000, batch_size: 256, checkpoint_every_steps: 100_000 } },
  });
  const tap = await connectNats({
    url: cluster.local.server.url,
    identity: "coordinator",
    seedFile: cluster.local.server.credentials.coordinator.seedFile,
    purpose: "test",
    connectTimeoutMs: 30_000,
  });
  t.after(() => tap.close());
  let backMs = Number.NaN;
  tap.subscribe(cluster.subjects.leasePattern, ({ data }) => {
    const back = readMessage(wire.LeaseReturn, data);
    if (back?.workerId === "worker-1" && back.leaving) backMs = performance.now();
  });
  await tap.flush();
  await cluster.until("both at work", () => cluster.step >= 5 && cluster.pushes.size === 2);
  const began = performance.now();
  const exit = await cluster.local.removeWorker("worker-1", "SIGTERM");
  const endedMs = performance.now() - began;
  assert.deepEqual(exit, { code: 143, signal: null });
  assert.ok(backMs - began < LEASE_BACK_MS, `the lease was back after ${backMs - began} ms`);
  const step = cluster.step;
  await cluster.until("the other goes on", () => cluster.step > step + 3);
  t.diagnostic(
    `lease back ${(backMs - began).toFixed(1)} ms after SIGTERM, process ended after ${endedMs.toFixed(0)} ms`,
  );
});

test(
  "SIGTERM to a coordinator: a checkpoint of the step, exit code 143, and the workers stay",
  LIMIT,
  async (t) => {
    const cluster = await startCluster(t, {
      ...{ workers: 2, isEmulated: true, pool: { compute_ms: 30 } },
      config: { train: { max_steps: 2000, checkpoint_every_steps: 100_000 } },
    });
    await cluster.until("training", () => cluster.step >= 5);
    const began = performance.now();
    process.kill(cluster.local.coordinatorPid as number, "SIGTERM");
    assert.equal(await cluster.finished(), 143);
    const ms = performance.now() - began;
    const checkpoints = readdirSync(join(cluster.out, "checkpoints")).filter((name) =>
      name.startsWith("step-"),
    );
    assert.equal(checkpoints.length, 1, String(checkpoints));
    assert.ok(existsSync(join(cluster.out, "checkpoints", checkpoints[0] as string, "model.safetensors")));
    for (const id of cluster.local.workerIds) process.kill(cluster.local.workerPid(id) as number, 0);
    t.diagnostic(`ended ${ms.toFixed(0)} ms after SIGTERM with ${checkpoints[0]}`);
  },
);
