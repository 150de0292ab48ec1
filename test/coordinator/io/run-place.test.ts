import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { type PlaceKind, checkRunDirectory, keptAt } from "../../../coordinator/io/run-place.js";
import { ClusterError } from "../../../shared/errors.js";
import { temporaryDirectory } from "./storage-support.js";

function refusalOf(path: string): string {
  try {
    checkRunDirectory(path, "run");
  } catch (error) {
    assert.ok(error instanceof ClusterError && error.code === "storage", String(error));
    assert.match(error.hint ?? "", /choose another/);
    return error.message;
  }
  return "";
}

test("a place is looked at, not changed: a fresh one, one that is there, and one that has been begun", async (t) => {
  const top = await temporaryDirectory(t);
  assert.equal(refusalOf(join(top, "runs", "a", "b")), "");
  assert.deepEqual(await readdir(top), []);
  assert.equal(refusalOf(top), "");
  for (const name of ["checkpoints", "eval", "logs"]) await mkdir(join(top, name));
  await writeFile(join(top, "config.yaml"), "");
  assert.equal(refusalOf(top), "");
});

test("a file in the place of a folder is named, wherever it is; so is a folder in the place of a file", async (t) => {
  const top = await temporaryDirectory(t);
  const file = join(top, "file");
  await writeFile(file, "");
  for (const path of [file, join(file, "run"), join(file, "a", "b")])
    assert.equal(refusalOf(path), `Cannot use ${file} as a folder: it is a file`);
  for (const name of ["checkpoints", "eval", "logs", "runs.d"]) {
    const run = join(top, `with-${name}`);
    await mkdir(run);
    await writeFile(join(run, name), "");
    assert.equal(refusalOf(run), `Cannot use ${join(run, name)} as a folder: it is a file`);
  }
  const run = join(top, "run");
  await mkdir(join(run, "ledger.jsonl"), { recursive: true });
  assert.equal(refusalOf(run), `Cannot write ${join(run, "ledger.jsonl")}: it is a folder`);
});

const readOnly = ["/sys/kernel", "/proc/sys"].find((path) => existsSync(path));

test(
  "a folder that cannot be written is refused before anything is begun",
  { skip: readOnly === undefined },
  (t) => {
    const refused = refusalOf(readOnly ?? "");
    if (refused === "") return t.skip("this user may write everywhere here");
    assert.match(refused, /^Cannot write the run directory .*: (EROFS|EACCES)/);
    assert.match(
      refusalOf(join(readOnly ?? "", "run")),
      /^Cannot create the run directory .*: (EROFS|EACCES)/,
    );
  },
);

test("a run, a sweep and a queue never share a folder, and a sweep takes nobody's files for its own", async (t) => {
  const top = await temporaryDirectory(t);
  const folder = async (name: string, files: readonly string[]): Promise<string> => {
    for (const file of files) {
      await mkdir(dirname(join(top, name, file)), { recursive: true });
      await writeFile(join(top, name, file), "");
    }
    return join(top, name);
  };
  const folders = {
    run: ["config.yaml", "results.json", "report.html"],
    runs: ["runs.d/01-plain.yaml", "results.json"],
    sweep: ["sweep.yaml", "sweep.jsonl", "results.json"],
    begun: ["runs.d/sweep.yaml", "logs/coordinator.log"],
    queue: ["queue.jsonl"],
    started: ["lock.json", "log.jsonl", ".nfs"],
    other: ["thesis.tex"],
    nowhere: [],
  };
  const takes: Readonly<Record<keyof typeof folders, readonly PlaceKind[]>> = {
    ...{ run: ["run"], runs: ["run"], sweep: ["sweep"], begun: ["sweep"], queue: ["queue"] },
    ...{ started: ["run", "sweep", "queue"], other: ["run", "queue"], nowhere: ["run", "sweep", "queue"] },
  };
  for (const [name, files] of Object.entries(folders)) {
    const path = await folder(name, files);
    const taken = (["run", "sweep", "queue"] as const).filter((kind) => {
      try {
        checkRunDirectory(path, kind);
        return true;
      } catch (error) {
        assert.ok(error instanceof ClusterError && error.exitCode === 2, String(error));
        assert.match(error.message, /^Cannot keep .* the folder holds /);
        return false;
      }
    });
    assert.deepEqual(taken, takes[name as keyof typeof folders], name);
  }
  assert.equal(keptAt(join(top, "nowhere")), "nothing");
});
