import assert from "node:assert/strict";
import { mkdir, mkdtemp, realpath, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { DirectoryLocks } from "../../../coordinator/io/directory-locks.js";
import { realProcesses } from "../../../coordinator/io/process-mark.js";
import { cancelSweep } from "../../../deploy/cli/sweep-changes.js";
import { realClock } from "../../../shared/io/real-clock.js";
import { orSweepIn, sweepFolder, sweepNamed, trialNamed } from "../../../deploy/cli/sweep-place.js";
import { ClusterError } from "../../../shared/errors.js";
import type { TrialRow } from "../../../shared/records/sweep-line.js";

async function runsOf(t: TestContext, sweeps: readonly string[]): Promise<string> {
  const runs = await realpath(await mkdtemp(join(tmpdir(), "saf-place-")));
  t.after(() => rm(runs, { recursive: true, force: true }));
  for (const [i, name] of sweeps.entries()) {
    await mkdir(join(runs, name));
    await writeFile(join(runs, name, "sweep.yaml"), "");
    await writeFile(join(runs, name, "sweep.jsonl"), "");
    await utimes(join(runs, name, "sweep.jsonl"), 1000 + i, 1000 + i);
  }
  return runs;
}

test("without a folder, latest is meant where it is a sweep, else the one that was written last", async (t) => {
  const runs = await runsOf(t, ["first", "second"]);
  assert.equal(await sweepFolder(undefined, runs), join(runs, "second"));
  await mkdir(join(runs, "training"));
  await symlink("training", join(runs, "latest"));
  assert.equal(await sweepFolder(undefined, runs), join(runs, "second"));
  await rm(join(runs, "latest"));
  await symlink("first", join(runs, "latest"));
  assert.equal(await sweepFolder(undefined, runs), join(runs, "first"));
});

test("a folder without a journal is refused", async (t) => {
  const runs = await runsOf(t, []);
  for (const given of [undefined, runs]) {
    const error = await sweepFolder(given, runs).then(
      () => assert.fail("it was taken"),
      (thrown: unknown) => thrown,
    );
    assert.ok(error instanceof ClusterError);
    assert.equal(error.exitCode, 2);
    assert.match(error.message, /no sweep/);
  }
});

test("a sweep is named by its folder or by its name, as an argument or by --sweep", async (t) => {
  const runs = await runsOf(t, ["first", "second"]);
  assert.equal(await sweepFolder("first", runs), join(runs, "first"));
  assert.equal(await sweepFolder(join(runs, "first"), "elsewhere"), join(runs, "first"));
  assert.equal(sweepNamed("first", {}), "first");
  assert.equal(sweepNamed(undefined, { sweep: "first" }), "first");
  assert.equal(sweepNamed("first", { sweep: "first" }), "first");
  assert.equal(sweepNamed(undefined, {}), undefined);
  assert.throws(() => sweepNamed("first", { sweep: "second" }), /Which sweep is meant, "first" or "second"/);
});

test("a sweep that was submitted is cancelled by its pool: the process that works on it has other work too", async (t) => {
  const pool = await runsOf(t, ["rates-1"]);
  await writeFile(join(pool, "queue.jsonl"), "");
  const locks = new DirectoryLocks({
    ...{ clock: realClock, wallClock: () => Date.now(), processes: realProcesses },
    onLost: (error) => assert.fail(error),
  });
  await locks.take(pool);
  t.after(() => locks.release(pool));
  const error = await cancelSweep(join(pool, "rates-1"), { runs: pool }).then(
    () => assert.fail("it was cancelled"),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof ClusterError);
  assert.equal(error.exitCode, 2);
  assert.match(error.hint ?? "", /npx saf cancel rates-1$/);
});

test("commands that take runs too take a sweep's name where no such path is", async (t) => {
  const runs = await runsOf(t, ["first"]);
  assert.equal(orSweepIn(runs, "first"), join(runs, "first"));
  assert.equal(orSweepIn(runs, runs), runs, "a path that is there");
  assert.equal(orSweepIn(runs, "second"), "second", "nothing of that name");
});

test("a sweep that was cut off before its spec was written is none that can be gone on with", async (t) => {
  const runs = await runsOf(t, ["whole", "cut"]);
  await rm(join(runs, "cut", "sweep.yaml"));
  assert.equal(await sweepFolder(undefined, runs), join(runs, "whole"), "though the other is newer");
  const error = await sweepFolder("cut", runs).catch((thrown: unknown) => thrown);
  assert.ok(error instanceof ClusterError);
  const named = await sweepFolder(join(runs, "cut"), runs).catch((thrown: unknown) => thrown);
  assert.ok(named instanceof ClusterError);
  assert.match(named.message, /holds no sweep: it has no sweep.yaml/);
  assert.match(named.hint ?? "", /saf sweep run FILE/);
});

const row = (trial: string, number: number): TrialRow => ({
  ...{ trial, number, group: trial, values: {}, state: "done", attempt: 1 },
  ...{ rungs: [], metrics: {}, samples: 0, seconds: 0 },
});
const ROWS = [row("3fa91c0211223344", 0), row("3fb00c0211223344", 1)];

test("a trial is named by the beginning of its id, or by its number", () => {
  assert.equal(trialNamed("3fa", ROWS).number, 0);
  assert.equal(trialNamed("3FB", ROWS).number, 1);
  assert.equal(trialNamed("#1", ROWS).trial, "3fb00c0211223344");
  assert.equal(trialNamed("0", ROWS).number, 0);
  assert.throws(() => trialNamed("3f", ROWS), /2 trials are meant by "3f": 3fa91c02, 3fb00c02/);
  const both = [...ROWS, row("1234000000000000", 2), row("ffff000000000000", 1234)];
  assert.throws(() => trialNamed("1234", both), /2 trials are meant by "1234"/);
  assert.equal(trialNamed("#1234", both).number, 1234);
  assert.equal(trialNamed("12340", both).number, 2);
  assert.throws(() => trialNamed("#2", ROWS), /There is no trial "#2" in this sweep of 2/);
  assert.throws(() => trialNamed("77", ROWS), /There is no trial/);
});
