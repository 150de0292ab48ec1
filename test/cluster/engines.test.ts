/** Engines as real processes: two kinds in one pool, one that is started by hand, one that hangs. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { EngineRecord } from "../../coordinator/runs/engines.js";
import {
  type TestCluster,
  programs,
  startCluster,
  temporaryDirectory,
  testConfig,
} from "../support/cluster.js";
import { localWeightsSha256 } from "../support/reference-weights.js";
import { PROGRAM, saf } from "../support/saf.js";

const LIMIT = { timeout: 180_000 };
const { choice } = await programs();
const NEEDS_TENSORFLOW = { ...LIMIT, skip: choice.engine === "tensorflow" ? false : "needs TensorFlow" };

/** What a person types, without any variable of the launcher's. */
function byHand(
  cluster: TestCluster,
  id: string,
): { args: string[]; env: Record<string, string | undefined> } {
  const { url, credentials } = cluster.local.server;
  const engineVariables = Object.keys(process.env).filter((name) =>
    /^(TF_|OMP_|ONEDNN_|SAF_ENGINE)/.test(name),
  );
  return {
    args: ["worker", "--id", id, "--nats-url", url, "--creds-file", credentials.worker(id).seedFile],
    env: { ...Object.fromEntries(engineVariables.map((name) => [name, undefined])), SAF_HTTP_PORT: "0" },
  };
}

function start(t: TestContext, cluster: TestCluster, id: string, env: Record<string, string>): ChildProcess {
  const hand = byHand(cluster, id);
  const child = spawn(process.execPath, [PROGRAM, ...hand.args], {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, ...hand.env, ...env },
  });
  t.after(() => child.kill("SIGKILL"));
  return child;
}

test(
  "a worker by hand computes the launcher's bits, and one with another engine is refused",
  NEEDS_TENSORFLOW,
  async (t) => {
    const pool = { min_workers: 2, shared_memory: false };
    const cluster = await startCluster(t, { workers: 1, pool });
    await cluster.until("the launcher's worker", () => cluster.table.length === 1);

    const other = byHand(cluster, "worker-2");
    const refused = await saf([...other.args, "--engine", "wasm"], { env: other.env });
    assert.equal(refused.code, 5, refused.stderr);
    assert.match(
      refused.stderr,
      /^saf: The coordinator refused worker worker-2: its engine computes other bits than the pool's: engine wasm \(tfjs-backend-wasm [\d.]+\), not tensorflow \(TensorFlow [^)]+\)$/m,
    );

    start(t, cluster, "worker-3", { SAF_ENGINE: "tensorflow", SAF_LOG_LEVEL: "error" });
    await cluster.trainedAndStopped();

    assert.deepEqual(cluster.checkpoint(), { step: 30, sha256: await localWeightsSha256(testConfig()) });
    const records = cluster.json<EngineRecord[]>("engines.json");
    const workers = new Set(cluster.ledger().flatMap(({ blocks }) => blocks.map(({ worker }) => worker)));
    assert.deepEqual(
      records.map((record) => [record.engine, record.workers]),
      [["tensorflow", [...workers].sort()]],
    );
    assert.ok(workers.has("worker-3"), "the worker by hand computed nothing");
    const named = new Set(cluster.ledger().flatMap(({ blocks }) => blocks.map(({ engine }) => engine)));
    assert.deepEqual(named, new Set([records[0]?.id]));

    // Nobody is there who remembers: the run's own record refuses another engine.
    const resumed = await saf(["train", "--resume", cluster.out, "--workers", "1", "--progress", "plain"], {
      env: {
        ...{ SAF_ENGINE: "wasm", SAF_NATS_SERVER: (await programs()).nats.path },
        SAF_CACHE_DIR: await temporaryDirectory(t),
      },
    });
    assert.equal(resumed.code, 5, resumed.stderr);
    assert.match(
      resumed.stderr,
      /^saf: No worker is left: worker-1 ended last .*computes other bits than the pool's: engine wasm/m,
    );
  },
);

/** A copy of TensorFlow's package that once, in the middle of the training, never comes back from a native call. */
async function hangingPackage(t: TestContext): Promise<string> {
  const folder = await temporaryDirectory(t);
  const [pipe, mark] = [join(folder, "pipe"), join(folder, "hang-once")];
  assert.equal(spawnSync("mkfifo", [pipe]).status, 0);
  await writeFile(mark, "");
  const real = createRequire(import.meta.url).resolve("@tensorflow/tfjs-node");
  const place = join(folder, "tfjs-node");
  await mkdir(place);
  await writeFile(join(place, "package.json"), JSON.stringify({ name: "tfjs-node", main: "index.js" }));
  await writeFile(
    join(place, "index.js"),
    `const { openSync, rmSync } = require("node:fs");
     module.exports = require(${JSON.stringify(real)});
     const backend = module.exports.backend();
     const run = backend.runSavedModel.bind(backend);
     let left = 20;
     backend.runSavedModel = (session, inputs, infos, outputs) => {
       // Slots of this run: no other calls have eight images.
       if (inputs.some(({ shape }) => shape.length === 4 && shape[0] === 8) && --left === 0) {
         try { rmSync(${JSON.stringify(mark)}); openSync(${JSON.stringify(pipe)}, "r"); } catch {}
       }
       return run(session, inputs, infos, outputs);
     };`,
  );
  return place;
}

test(
  "a worker whose engine hangs in a native call ends, is started again, and the weights are the same",
  NEEDS_TENSORFLOW,
  async (t) => {
    const cluster = await startCluster(t, {
      workers: 1,
      pool: { hung_after: 2, lease_floor_ms: 1000 },
      workerEnvironment: { SAF_TFJS_NODE_PACKAGE: await hangingPackage(t) },
    });

    await cluster.trainedAndStopped();

    assert.deepEqual(cluster.checkpoint(), { step: 30, sha256: await localWeightsSha256(testConfig()) });
    const ends = cluster.notes.filter((note) => note.startsWith("worker-1 ended"));
    assert.deepEqual(ends, ["worker-1 ended (SIGKILL); starting it again"]);
    const hung = /Taken for hung: the engine has not answered to block \d+ for \d+ s/;
    assert.ok(
      cluster.log().some(({ msg }) => hung.test(msg)),
      cluster.words(),
    );
    assert.match(readFileSync(cluster.file("logs", "worker-1.stderr.log"), "utf8"), hung);
  },
);
