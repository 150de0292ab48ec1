import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { stringify } from "yaml";
import { loadConfig } from "../../../deploy/cli/config-file.js";
import { type PoolFlags, loadPool, ofRun, refuseRunSettings } from "../../../deploy/cli/pool-options.js";
import { type PoolConfig, poolSchema } from "../../../shared/config/pool.js";
import { configSchema } from "../../../shared/config/run.js";
import { ClusterError } from "../../../shared/errors.js";
import { temporaryDirectory } from "../../support/cluster.js";

async function refusal(loading: Promise<unknown>, code = "config"): Promise<string[]> {
  const error: unknown = await loading.then(
    () => assert.fail("it was taken"),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof ClusterError && error.code === code, String(error));
  // The folder is nobody's business.
  return error.message.split("\n").map((line) => line.replace(/^\S*\//, ""));
}

async function fileOf(t: TestContext, name: string, text: string): Promise<string> {
  const file = join(await temporaryDirectory(t), name);
  await writeFile(file, text);
  return file;
}

const pool = async (flags: Partial<PoolFlags>, env: NodeJS.ProcessEnv = {}): Promise<PoolConfig> =>
  (await loadPool({ set: [], ...flags }, env)).value;

test("a pool has defaults; a file, then variables, then flags win over them, each with its source", async (t) => {
  assert.deepEqual(await pool({}), poolSchema.parse({}));
  const poolFile = await fileOf(
    t,
    "pool.yaml",
    "heartbeat_ms: 100\nlease_floor_ms: 100\nmin_workers: 2\nworkers: 2\n",
  );
  const env = { SAF_POOL_LEASE_FLOOR_MS: "200", SAF_POOL_MIN_WORKERS: "3", SAF_POOL_QUARANTINE_MS: "" };
  const set = ["train.epochs=1", "pool.min_workers=4"];
  const { value, sources } = await loadPool({ poolFile, set, workers: 3 }, env);
  const expected = { heartbeat_ms: 100, lease_floor_ms: 200, min_workers: 4, workers: 3 };
  assert.deepEqual(value, poolSchema.parse(expected));
  assert.match(sources.get("heartbeat_ms") ?? "", /pool\.yaml:1:15$/);
  assert.equal(sources.get("lease_floor_ms"), "SAF_POOL_LEASE_FLOOR_MS");
  assert.equal(sources.get("min_workers"), "--set");
  assert.equal(sources.get("quarantine_ms"), "default");
});

test("what is wrong with a pool's setting is said where it stands", async (t) => {
  const poolFile = await fileOf(t, "pool.yaml", "heartbeat_ms: 1\nheartbeet_ms: 2\n");
  assert.deepEqual(await refusal(pool({ poolFile })), [
    "pool.yaml:1:15: heartbeat_ms: expected a whole number from 50 to 60000, got 1",
    'pool.yaml:2:1: unknown key "heartbeet_ms" — did you mean "heartbeat_ms"?',
  ]);
  assert.deepEqual(await refusal(pool({ set: ["pool.heartbeat_ms=1"] })), [
    "--set pool.heartbeat_ms: expected a whole number from 50 to 60000, got 1",
  ]);
  assert.deepEqual(await refusal(pool({ set: ["pool.heartbeat=100"] })), [
    '--set pool.heartbeat: unknown key "heartbeat" — did you mean "heartbeat_ms"?',
  ]);
  assert.deepEqual(await refusal(pool({}, { SAF_POOL_WORKERS: "many" })), [
    'SAF_POOL_WORKERS: workers: expected "auto", or a whole number from 1 to 256, got "many"',
  ]);
});

test("a run's settings in a pool's file, and a pool's below a heading, are told where to go", async (t) => {
  const poolFile = await fileOf(t, "pool.yaml", "train: { epochs: 1 }\npool: { workers: 2 }\n");
  assert.deepEqual(await refusal(pool({ poolFile })), [
    'pool.yaml:1:1: "train" is a setting of a run, not of the pool: write it into the run\'s file',
    'pool.yaml:2:1: the pool\'s settings stand at the top of this file, not below "pool"',
  ]);
});

test("a pool's settings in a run's file are told where to go, each where it stands", async (t) => {
  const refused = async (text: string): Promise<string[]> =>
    refusal(loadConfig({ files: [await fileOf(t, "run.yaml", text)], set: [] }));
  assert.deepEqual(await refused("seed: 1\ncluster:\n  workers: auto\n  heartbeat_ms: 500\n"), [
    'run.yaml:3:3: cluster.workers is a setting of the pool, not of a run: write "workers: auto" into a file for --pool-file, or use --set pool.workers=auto',
    'run.yaml:4:3: cluster.heartbeat_ms is a setting of the pool, not of a run: write "heartbeat_ms: 500" into a file for --pool-file, or use --set pool.heartbeat_ms=500',
  ]);
  assert.deepEqual(await refused("train:\n  min_workers: 2\n"), [
    'run.yaml:2:3: train.min_workers is a setting of the pool, not of a run: write "min_workers: 2" into a file for --pool-file, or use --set pool.min_workers=2',
  ]);
  for (const text of ["pool:\n", "cluster: 3\n", "cluster: { hart_beat: 2 }\n"]) {
    const [line = ""] = await refused(text);
    assert.match(
      line,
      /^run\.yaml:1:1: "(pool|cluster)" is no part of a run: the pool's settings \(workers, .*--pool-file/,
    );
  }
  assert.deepEqual(await refusal(loadConfig({ files: [], set: ["cluster.workers=2"] })), [
    '--set cluster.workers: cluster.workers is a setting of the pool, not of a run: write "workers: 2" into a file for --pool-file, or use --set pool.workers=2',
  ]);
});

test("the file of a run directory of before is read past its pool's settings; one laid over it is not", async (t) => {
  const stored = await fileOf(t, "config.yaml", stringify({ seed: 4, cluster: { heartbeat_ms: 250 } }));
  const { value } = await loadConfig({ stored, files: [], set: [] });
  assert.deepEqual(value, configSchema.parse({ seed: 4 }));
  const over = await fileOf(t, "over.yaml", "cluster: { heartbeat_ms: 250 }\n");
  assert.match(
    (await refusal(loadConfig({ stored, files: [over], set: [] })))[0] ?? "",
    /^over\.yaml:1:12: cluster/,
  );
});

test("--set is divided between the run and the pool; a coordinator takes the pool's only", () => {
  const set = ["train.epochs=1", "pool.workers=2", " pool.min_workers=2", "poolside=1"];
  assert.deepEqual(ofRun(set), ["train.epochs=1", "poolside=1"]);
  refuseRunSettings(["pool.workers=2"]);
  assert.throws(
    () => refuseRunSettings(set),
    (error) =>
      error instanceof ClusterError && error.code === "usage" && /train\.epochs=1/.test(error.message),
  );
});
