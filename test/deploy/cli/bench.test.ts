import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TraceDocument } from "../../../shared/trace-events.js";
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

test(
  "`bench --trace` writes who waits for whom: every process, every part, on one clock",
  { timeout: 180_000 },
  async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "saf-trace-"));
    t.after(() => rm(folder, { recursive: true }));
    const file = join(folder, "trace.json");
    const run = await saf(["bench", ...SMALL, "--trace", file], { limitMs: 170_000 });
    assert.equal(run.code, 0, run.stderr);
    for (const words of ["its engine computes", "sum and encode", "waits for a core", "reduce"])
      assert.match(run.stdout, new RegExp(words));

    const { traceEvents } = JSON.parse(await readFile(file, "utf8")) as TraceDocument;
    const processes = traceEvents.flatMap((event) => (event.name === "process_name" ? [event.args] : []));
    assert.deepEqual(
      new Set(processes.map((args) => args?.["name"])),
      new Set(["coordinator", "worker-1", "worker-2"]),
    );
    const parts = traceEvents.flatMap((event) => (event.ph === "X" ? [event] : []));
    const names = new Set(parts.map(({ name }) => name));
    for (const name of ["step", "lease", "take gradient", "reduce", "update", "publish", "commit"])
      assert.ok(names.has(name), `${name} of the coordinator`);
    for (const name of [
      "take control",
      "take parameters",
      "send gradient",
      "wait",
      "push",
      "block",
      "inputs",
    ])
      assert.ok(names.has(name), `${name} of a worker`);
    assert.ok(parts.every(({ ts, dur }) => ts >= 0 && dur >= 0));
    // A block is computed while its step is in work: else the clocks are not one.
    const steps = parts.filter(({ name }) => name === "step");
    const blocks = parts.filter(({ name }) => name === "block");
    const isInside = (ts: number): boolean => steps.some((step) => step.ts <= ts && ts <= step.ts + step.dur);
    // One worker may have both slots of a step, and a copy of a block may come too late.
    const inside = blocks.filter(({ ts }) => isInside(ts)).length;
    assert.ok(blocks.length >= steps.length - 1, `${blocks.length} blocks of ${steps.length} steps`);
    assert.ok(inside >= 0.9 * blocks.length, `${inside} of ${blocks.length} blocks`);
  },
);

test("`bench` refuses what cannot be compared", async () => {
  for (const [args, why] of [
    [["--hosts", "3"], /2 workers cannot be spread over 3 hosts/],
    [["compiled", "--trace", "x.json"], /name no comparison beside it/],
    [["nothing"], /Allowed choices are compiled/],
  ] as const) {
    const run = await saf(["bench", ...args]);
    assert.equal(run.code, 2, run.stderr);
    assert.match(run.stderr, why);
  }
});

test("`bench` refuses sizes that mean nothing", async () => {
  const run = await saf(["bench", "--rounds", "0"]);
  assert.equal(run.code, 2);
  assert.match(run.stderr, /"0" is not a whole number above zero/);
});
