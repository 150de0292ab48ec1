import assert from "node:assert/strict";
import { test } from "node:test";
import { saf } from "../../support/saf.js";

interface Summary {
  median: number;
  min: number;
  max: number;
}

const SMALL = ["--model", "plain", "--batch", "16", "--steps", "20", "--rounds", "1"];

test(
  "`bench` measures cluster and bare loops side by side, and gives ratios",
  { timeout: 180_000 },
  async () => {
    const run = await saf(["bench", ...SMALL, "--json"], { limitMs: 170_000 });
    assert.equal(run.code, 0, run.stderr);
    const report = JSON.parse(run.stdout) as Record<string, Summary> & {
      setting: Record<string, unknown>;
      cluster_over_ddp: Summary | { skipped: string };
    };
    const { model, batch, slots, workers } = report.setting;
    assert.deepEqual({ model, batch, slots, workers }, { model: "plain", batch: 16, slots: 2, workers: 2 });
    const {
      cluster_over_bare: ratio,
      cluster_samples_per_second: speed,
      bare_samples_per_second: bare,
    } = report;
    assert.ok(speed !== undefined && bare !== undefined && ratio !== undefined);
    assert.ok(Math.abs(ratio.median - speed.median / (2 * bare.median)) < 1e-6, JSON.stringify(report));
    // Two workers are hardly faster than two loops that each have the machine alone; a twentieth of them is a bug.
    assert.ok(ratio.median > 0.05 && ratio.median < 2, `${ratio.median}`);
    const share = report["coordinator_and_nats_cpu_share"]?.median ?? 0;
    assert.ok(share > 0 && share < 1, `${share}`);
    for (const process of ["worker", "coordinator", "nats", "bare"])
      assert.ok((report[`${process}_rss_bytes`]?.median ?? 0) > 1e6, process);
    const peer = report.cluster_over_ddp;
    assert.ok("skipped" in peer ? peer.skipped.length > 0 : peer.median > 0, JSON.stringify(peer));
  },
);

test("`bench` refuses sizes that mean nothing", async () => {
  const run = await saf(["bench", "--rounds", "0"]);
  assert.equal(run.code, 2);
  assert.match(run.stderr, /"0" is not a whole number above zero/);
});
