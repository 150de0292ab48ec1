import assert from "node:assert/strict";
import { mkdirSync, readdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { SweepLine } from "../../../shared/records/sweep-line.js";
import { linesOf } from "../../support/cluster.js";
import { type SafRun, saf } from "../../support/saf.js";
import { smallDisk } from "../../support/small-disk.js";

/** Weights of a trial have 1.7 MB. */
const SPEC = `name: kept
base:
  model: plain
  engine: emulated
  train: { batch_size: 32, slots: 1, max_steps: 4, evaluate_every_epochs: 0 }
  evaluate: { kinds: [clean] }
parameters:
  seed: { grid: [0, 1, 2, 3] }
keep_weights: all
`;

const { home, disk, skip, grow } = smallDisk(5);

test(
  "a sweep whose disk fills up stops, says so once and how to go on, and lacks nothing in the end",
  { skip, timeout: 180_000 },
  async () => {
    writeFileSync(join(home, "sweep.yaml"), SPEC);
    const out = join(disk, "kept");
    const sweep = (...args: string[]): Promise<SafRun> =>
      saf(["sweep", ...args, "-w", "1", "--compute-ms", "1"], { cwd: home });
    const done = (): string[] =>
      (linesOf(join(out, "sweep.jsonl")) as SweepLine[]).flatMap((line) =>
        line.kind === "result" ? [line.trial] : [],
      );
    const kept = (): string[] =>
      readdirSync(join(out, "weights")).map((name) => name.replace(".safetensors", ""));

    const full = await sweep("run", "sweep.yaml", "--out", out);
    assert.equal(full.code, 1, full.stderr);
    assert.equal(full.stderr.match(/ENOSPC/g)?.length, 1, full.stderr);
    assert.match(
      full.stderr,
      /^saf: Cannot write .*ENOSPC.*\n {5}.*free some space.*\n {5}go on with {3}npx saf sweep resume disk\/kept$/m,
    );
    assert.ok(done().length > 0 && done().length < 4, "some have come to their end");
    assert.deepEqual(kept().sort(), done().sort(), "the journal speaks of no weights that are not there");

    assert.ok(!readdirSync(disk).includes("latest"), "beside a folder that was named, nothing is ours");

    grow(64);
    // A folder in its place is refused as a full disk is.
    mkdirSync(join(out, "leaderboard.md"));
    const unwritten = await sweep("resume", out);
    assert.equal(unwritten.code, 1, unwritten.stderr);
    assert.match(unwritten.stderr, /^saf: The trials are safe in .*, but their results are not written: /m);
    assert.match(unwritten.stderr, /go on with {3}npx saf sweep resume disk\/kept/);
    assert.deepEqual(kept().sort(), done().sort());
    assert.equal(done().length, 4);

    rmdirSync(join(out, "leaderboard.md"));
    const whole = await sweep("resume", out);
    assert.equal(whole.code, 0, whole.stderr);
    assert.equal(whole.stderr.split("\n")[0], "nothing of it is missing but its results: writing them");
    for (const name of ["results.json", "trials.csv", "leaderboard.md", "report.html"])
      assert.ok(readdirSync(out).includes(name), name);
  },
);
