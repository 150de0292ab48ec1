/**
 * Two machines: network namespaces with a cable between them. One leads a pool and trains; the other joins in the middle
 * of the run, over TLS, and carries it on while the first one's worker stands still.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { checkpointOf, ledgerOf, temporaryDirectory, testConfig } from "../support/cluster.js";
import { type Machine, machines } from "../../deploy/bench/namespaces.js";
import { joinsOf, noMachines, saf, workersOf } from "../support/machines.js";
import { localWeightsSha256 } from "../support/reference-weights.js";

const LIMIT = { timeout: 180_000 };
const CONFIG = testConfig({ train: { max_steps: 60 }, evaluate: { images: 100 } });
const skip = noMachines ?? false;

test(
  "a second machine joins a running training over TLS: the same weights; then it waits for the next run",
  { ...LIMIT, skip },
  async (t) => {
    const folder = await temporaryDirectory(t);
    const reference = localWeightsSha256(CONFIG);
    const [leader, other] = (await machines(t, folder, 2)) as [Machine, Machine];
    await writeFile(join(folder, "run.yaml"), JSON.stringify(CONFIG));
    const up = saf(t, leader, folder, "up", "--listen", leader.address, "--json");
    const { token } = await up.result<{ token: string }>();
    await reference;

    const pool = ["--set", "pool.heartbeat_ms=250", "-w", "1", "--progress", "json", "--json"];
    const train = saf(t, leader, folder, "train", "-c", "run.yaml", ...pool);
    await train.said(/"name":"training"/);
    const [local] = workersOf(train.child.pid ?? 0);
    assert.ok(local, train.words());
    process.kill(local, "SIGSTOP");
    t.after(() => {
      try {
        process.kill(local, "SIGCONT");
      } catch {
        // Ended with its run.
      }
    });
    // The pool serves one run; whoever comes second leaves no folder.
    const second = saf(t, leader, folder, "train", "-c", "run.yaml", "--runs", "second", "-w", "1");
    assert.equal(await second.exit, 5, second.words());
    assert.match(second.words(), /serves another run: process \d+/);
    assert.ok(!existsSync(join(folder, "second")));
    const joined = saf(t, other, folder, "join", token, "-w", "1");
    await joined.said(/^in the pool at 10\.99\.0\.1:/);
    const { directory } = await train.result<{ directory: string }>();
    assert.equal(await train.exit, 0, train.words());
    const out = directory;
    assert.deepEqual(checkpointOf(out), { step: 60, sha256: await reference });
    const ledger = ledgerOf(out);
    assert.deepEqual(
      ledger.map(({ step, samples }) => [step, samples]),
      Array.from({ length: 60 }, (_, step) => [step, 32]),
    );
    const workers = new Set(ledger.flatMap(({ blocks }) => blocks.map(({ worker }) => worker)));
    assert.ok(
      [...workers].some((worker) => worker !== "worker-1"),
      [...workers].join(),
    );

    const measured = saf(
      t,
      leader,
      folder,
      "evaluate",
      directory,
      "--images",
      "200",
      ...pool,
      "--set",
      "pool.min_workers=2",
    );
    await measured.result();
    assert.equal(await measured.exit, 0, measured.words());
    assert.equal(await joinsOf(other), 2);

    joined.child.kill("SIGINT");
    assert.equal(await joined.exit, 130, joined.words());
    up.child.kill("SIGINT");
    assert.equal(await up.exit, 130, up.words());
  },
);
