import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { ResultsDocument } from "../../../coordinator/main.js";
import { checkpointOf, ledgerOf, localWeightsSha256, testConfig } from "../../support/cluster.js";
import { saf } from "../../support/saf.js";

const STEPS = 40;
const CONFIG = { train: { max_steps: STEPS } };
const SETTINGS = [
  ...[
    "--set",
    `train.max_steps=${STEPS}`,
    "--set",
    "train.batch_size=32",
    "--set",
    "train.learning_rate=0.01",
  ],
  ...["--set", "train.evaluate_every_epochs=0", "--set", "evaluate.kinds=[clean]"],
  // A checkpoint has 3.5 MB.
  ...["--set", "train.checkpoint_every_steps=5", "--set", "train.keep_checkpoints=10"],
];

const mount = (...args: string[]): string | undefined => {
  const { status, stderr, error } = spawnSync("mount", args, { encoding: "utf8" });
  return status === 0 ? undefined : (error?.message ?? stderr.trim());
};

const home = mkdtempSync(join(tmpdir(), "saf-test-"));
const disk = join(home, "disk");
mkdirSync(disk);
const refusal =
  process.platform === "linux" ? mount("-t", "tmpfs", "-o", "size=12m", "tmpfs", disk) : "no Linux";
const skip = refusal === undefined ? false : `cannot make a small disk here: ${refusal}`;

test(
  "a disk that fills up costs checkpoints, not the run; the last good one resumes it",
  { skip, timeout: 180_000 },
  async (t) => {
    t.after(() => {
      spawnSync("umount", ["--lazy", disk]);
      rmSync(home, { recursive: true, force: true });
    });

    const run = await saf(["train", "--runs", join(disk, "runs"), "-w", "2", "--json", ...SETTINGS]);

    assert.equal(run.code, 0, run.stderr);
    const { directory, weights_sha256: weights } = JSON.parse(run.stdout) as ResultsDocument;
    const expected = await localWeightsSha256(testConfig(CONFIG));
    assert.deepEqual(weights, { "mrelu-r-m": expected });
    const told = run.stderr.match(
      /^error: Cannot write .*\/checkpoints\/step-\d+: ENOSPC: no space left on device.*free some space.*$/gm,
    );
    const last = checkpointOf(directory).step;
    assert.ok(last >= 5 && last < STEPS, `the last checkpoint is of step ${last}`);
    assert.equal(told?.length, (STEPS - last) / 5, run.stderr);
    // Nothing half written is left of those that failed.
    assert.deepEqual(readdirSync(join(directory, "checkpoints")).sort(), [
      "latest",
      ...Array.from({ length: last / 5 }, (_, i) => `step-${String(5 * (i + 1)).padStart(8, "0")}`),
    ]);

    assert.equal(mount("-o", "remount,size=64m", disk), undefined);
    const resumed = await saf(["train", "--resume", directory, "-w", "2", "--json"]);

    assert.equal(resumed.code, 0, resumed.stderr);
    assert.match(resumed.stderr, new RegExp(`Resuming at step ${last} of ${STEPS}`));
    assert.deepEqual(checkpointOf(directory), { step: STEPS, sha256: expected });
    assert.deepEqual(
      ledgerOf(directory).map(({ step }) => step),
      Array.from({ length: STEPS }, (_, step) => step),
    );
  },
);

if (refusal !== undefined) rmSync(home, { recursive: true, force: true });
