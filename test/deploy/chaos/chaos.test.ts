import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { ChaosDocument } from "../../../deploy/cli/chaos-view.js";
import { saf } from "../../support/saf.js";

test(
  "a training under kills, cuts and lost messages comes to the calm one's weights",
  { timeout: 90_000 },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "saf-test-"));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const file = join(folder, "run.yaml");
    writeFileSync(
      file,
      "{ model: plain, engine: emulated, train: { batch_size: 32, slots: 4, max_steps: 80, learning_rate: 0.01 } }",
    );

    const run = await saf([
      ...["chaos", "-c", file, "--seed", "5", "--workers", "2", "--compute-ms", "3", "--json"],
      ...["--faults", "3", "--only", "kill,cut,drop", "--longest", "400"],
    ]);

    assert.equal(run.code, 0, run.stderr);
    const found = JSON.parse(run.stdout) as ChaosDocument;
    const [round] = found.rounds;
    assert.ok(found.holds && round !== undefined);
    assert.deepEqual([found.engine, found.workers, found.steps], ["emulated", 2, 80]);
    assert.match(found.calm.sha256, /^[0-9a-f]{64}$/);
    assert.equal(round.sha256, found.calm.sha256);
    assert.deepEqual(round.faults.map(({ fault }) => fault).sort(), ["cut", "drop", "kill"]);
    assert.ok(
      round.faults.every(({ commit_after_s }) => commit_after_s !== null),
      run.stdout,
    );
    assert.deepEqual(found.recovery.map(({ fault }) => fault).sort(), ["cut", "drop", "kill"]);
  },
);

test("no seed, and a fault that there is not, are wrong usage", { timeout: 30_000 }, async () => {
  const unseeded = await saf(["chaos"]);
  assert.equal(unseeded.code, 2, unseeded.stderr);
  const unknown = await saf(["chaos", "--seed", "1", "--only", "kill,flood"]);
  assert.equal(unknown.code, 2, unknown.stderr);
  assert.match(unknown.stderr, /"flood" is no fault; expected some of kill, stall/);
});
