import assert from "node:assert/strict";
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { writeDirectoryAtomic, writeFileAtomic } from "../../../shared/io/atomic-file.js";
import { ClusterError } from "../../../shared/errors.js";
import { RandomStream } from "../../../shared/random.js";
import { killedWriter, NO_DISK, smallDisk } from "../../coordinator/io/storage-processes.js";
import { isStorageError, temporaryDirectory } from "../../coordinator/io/storage-support.js";

const TIMEOUT = { timeout: 60_000 };

test("a file is written, replaced, and nothing else is left beside it", async (t) => {
  const directory = await temporaryDirectory(t);
  const file = join(directory, "status.json");
  await writeFileAtomic(file, "one");
  await writeFileAtomic(file, new TextEncoder().encode("two"));
  assert.equal(await readFile(file, "utf8"), "two");
  assert.deepEqual(await readdir(directory), ["status.json"]);
});

test("writes of one file at the same time leave one of them whole", async (t) => {
  const directory = await temporaryDirectory(t);
  const file = join(directory, "status.json");
  const contents = Array.from({ length: 20 }, (_, i) =>
    String.fromCharCode(97 + i).repeat(1000 + 40_000 * (i % 3)),
  );
  await Promise.all(contents.map((content) => writeFileAtomic(file, content)));
  assert.ok(contents.includes(await readFile(file, "utf8")));
  assert.deepEqual(await readdir(directory), ["status.json"]);
});

test("a folder is written with its files, and replaced as a whole", async (t) => {
  const directory = await temporaryDirectory(t);
  const folder = join(directory, "step-1");
  await writeDirectoryAtomic(folder, { a: "1", old: "2" });
  await writeDirectoryAtomic(folder, { a: "3" });
  assert.deepEqual(await readdir(folder), ["a"]);
  assert.equal(await readFile(join(folder, "a"), "utf8"), "3");
  assert.deepEqual(await readdir(directory), ["step-1"]);
});

test("a writer killed at any instant leaves the old file or the new one, whole", TIMEOUT, async (t) => {
  const seed = Date.now() % 1_000_000;
  t.diagnostic(`seed ${seed}`);
  const stream = new RandomStream(seed, "attack");
  const file = join(await temporaryDirectory(t), "status.json");
  for (let round = 0; round < 12; round++) {
    const reported = await killedWriter("file", file, 1 + stream.below(6), stream.uniform() * 15);
    const text = await readFile(file, "utf8");
    const { i, filler } = JSON.parse(text) as { i: number; filler: string };
    assert.ok(i >= reported, `seed ${seed}: ${reported} was on the disk, then ${i}`);
    assert.equal(filler.length, (i * 7919) % 300_000);
  }
});

test("a file that cannot be written is an error that names it, with the old content in place", async (t) => {
  const directory = await temporaryDirectory(t);
  const missing = join(directory, "nowhere", "x.json");
  await assert.rejects(writeFileAtomic(missing, "x"), isStorageError(missing));
  await writeFile(join(directory, "plain"), "");
  const below = join(directory, "plain", "folder");
  await assert.rejects(writeDirectoryAtomic(below, { a: "" }), isStorageError(below));

  // A folder where the file should be: renaming onto it fails.
  const taken = join(directory, "taken");
  await mkdir(taken);
  await writeFile(join(taken, "inside"), "kept");
  await assert.rejects(writeFileAtomic(taken, "x"), isStorageError(taken));
  assert.equal(await readFile(join(taken, "inside"), "utf8"), "kept");
  assert.deepEqual(
    (await readdir(directory)).filter((name) => name.startsWith(".")),
    [],
  );
});

test("on a full disk the old file stays, the error names the file and the hint the reason", async (t) => {
  const disk = await smallDisk(t);
  if (disk === undefined) return t.skip(NO_DISK);
  const file = join(disk, "status.json");
  await writeFileAtomic(file, "old");
  const tooMuch = new Uint8Array(2_000_000);
  for (const attempt of [
    () => writeFileAtomic(file, tooMuch),
    () => writeDirectoryAtomic(join(disk, "folder"), { a: "1", b: tooMuch }),
  ]) {
    await assert.rejects(attempt(), (error: unknown) => {
      assert.ok(error instanceof ClusterError && error.code === "storage");
      assert.ok(error.message.includes(disk) && error.message.includes("ENOSPC"), error.message);
      assert.match(error.hint ?? "", /disk is full/);
      return true;
    });
  }
  assert.equal(await readFile(file, "utf8"), "old");
  assert.deepEqual(await readdir(disk), ["status.json"]); // what had been begun takes no space
  await writeFileAtomic(file, "new");
  assert.equal(await readFile(file, "utf8"), "new");
});
