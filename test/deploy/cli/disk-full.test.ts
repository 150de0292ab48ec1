import assert from "node:assert/strict";
import { readdirSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { MADE_UP, MADE_UP_FLAGS, checkpointOf, ledgerOf, testConfig } from "../../support/cluster.js";
import { localWeightsSha256 } from "../../support/reference-weights.js";
import { saf } from "../../support/saf.js";
import { smallDisk } from "../../support/small-disk.js";

const STEPS = 40;
const CONFIG = { ...MADE_UP, train: { max_steps: STEPS } };
const SETTINGS = [
  ...MADE_UP_FLAGS,
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

const { disk, skip, grow } = smallDisk(12);

test(
  "a disk that fills up costs checkpoints, not the training; without the last one the run fails, and can go on",
  { skip, timeout: 180_000 },
  async () => {
    const run = await saf(["train", "--runs", join(disk, "runs"), "-w", "2", "--json", ...SETTINGS]);

    const directory = realpathSync(join(disk, "runs", "latest"));
    const last = checkpointOf(directory).step;
    assert.ok(last >= 5 && last < STEPS, `the last checkpoint is of step ${last}`);
    // Every checkpoint on the way that failed cost itself and was told; the last one is the run's.
    const told = run.stderr.match(
      /^error: Cannot write .*\/checkpoints\/step-\d+: ENOSPC: no space left on device.*free some space.*$/gm,
    );
    assert.equal(told?.length, (STEPS - last) / 5 - 1, run.stderr);
    assert.equal(run.code, 1, run.stderr);
    assert.doesNotMatch(run.stderr, /starting it again/);
    const { error } = JSON.parse(run.stdout) as { error: Record<string, unknown> };
    assert.deepEqual([error["code"], error["exit_code"]], ["storage", 1]);
    assert.match(
      String(error["message"]),
      /^Cannot save the final weights: Cannot write .*step-00000040: ENOSPC: no space left on device.*$/,
    );
    assert.match(String(error["hint"]), /free some space.*saf train --resume/);
    // Nothing half written is left of those that failed.
    assert.deepEqual(readdirSync(join(directory, "checkpoints")).sort(), [
      "latest",
      ...Array.from({ length: last / 5 }, (_, i) => `step-${String(5 * (i + 1)).padStart(8, "0")}`),
    ]);

    grow(64);
    const resumed = await saf(["train", "--resume", directory, "-w", "2", "--json", ...MADE_UP_FLAGS]);

    assert.equal(resumed.code, 0, resumed.stderr);
    assert.match(resumed.stderr, new RegExp(`Resuming at step ${last} of ${STEPS}`));
    const sha256 = await localWeightsSha256(testConfig(CONFIG));
    assert.deepEqual(checkpointOf(directory), { step: STEPS, sha256 });
    assert.deepEqual(
      ledgerOf(directory).map(({ step }) => step),
      Array.from({ length: STEPS }, (_, step) => step),
    );
  },
);
