import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ledgerOf, startCluster, temporaryDirectory } from "../support/cluster.js";
import { saf } from "../support/saf.js";

const LIMIT = { timeout: 180_000 };

test("a worker process that is killed is missed at once, not after three heartbeats", LIMIT, async (t) => {
  // Neither heartbeats nor deadlines could tell within this test.
  const pool = { heartbeat_ms: 20_000, lease_floor_ms: 60_000, compute_ms: 20 };
  const cluster = await startCluster(t, { workers: 2, pool, isEmulated: true });
  await cluster.untilPush("worker-2", 5, 1);
  const { step } = cluster;
  const killedMs = performance.now();
  cluster.signalWorker("worker-2", "SIGKILL");

  await cluster.untilStep(step + 3);

  const ms = performance.now() - killedMs;
  t.diagnostic(`three more steps ${Math.round(ms)} ms after the kill`);
  assert.ok(ms < 20_000, `the next steps came only after ${ms} ms`);
  const reasons = cluster.log().map(({ msg }) => msg);
  assert.ok(
    reasons.some((line) => /^Worker worker-2 is lost: its process \d+ has ended$/.test(line)),
    reasons.join("\n"),
  );
  await cluster.trainedAndStopped();
  assert.deepEqual(
    ledgerOf(cluster.out).map((line) => line.step),
    Array.from({ length: 30 }, (_, i) => i),
  );
});

test(
  "a run whose workers all fail again and again ends with exit code 5, and says how the last one ended",
  LIMIT,
  async (t) => {
    const folder = await temporaryDirectory(t);
    const broken = join(folder, "broken.cjs");
    writeFileSync(
      broken,
      `if (process.argv[2] === "worker") { console.error("broken for a test"); process.exit(9); }`,
    );
    const beganMs = performance.now();
    const run = await saf(["train", "-w", "2", "--runs", join(folder, "runs"), "--progress", "plain"], {
      env: { NODE_OPTIONS: `--require ${broken}`, TMPDIR: folder },
    });

    t.diagnostic(`ended after ${Math.round(performance.now() - beganMs)} ms`);
    assert.equal(run.code, 5, run.stderr);
    assert.match(
      run.stderr,
      /worker-\d ended \(exit code 9\) and is given up for now: broken for a test; 1 of 2 workers go on without it/,
    );
    assert.match(run.stderr, /No worker is left: worker-\d ended last \(exit code 9\): broken for a test/);
    assert.match(run.stderr, /its log is in .*worker-\d\.stderr\.log/);
  },
);
