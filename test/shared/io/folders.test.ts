import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { makeFolder, makeFolderSync } from "../../../shared/io/folders.js";
import { temporaryDirectory } from "../../coordinator/io/storage-support.js";

const root = fileURLToPath(new URL("../../../../", import.meta.url));
const MODULE = new URL("../../../shared/io/folders.js", import.meta.url).href;

test("a folder is made with those above it, with the rights asked for, and again without harm", async (t) => {
  const top = await temporaryDirectory(t);
  const path = join(top, "a", "b", "c");
  await makeFolder(path, { mode: 0o700 });
  await makeFolder(path);
  makeFolderSync(path);
  makeFolderSync(join(top, "d", "e"));
  assert.equal(statSync(join(top, "a")).mode & 0o777, 0o700);
  assert.ok(statSync(join(top, "d", "e")).isDirectory());
  await Promise.all(Array.from({ length: 8 }, () => makeFolder(join(top, "many", "at", "once"))));
});

test("a file in its place, or above it, is the system's error", async (t) => {
  const top = await temporaryDirectory(t);
  await writeFile(join(top, "file"), "");
  await assert.rejects(makeFolder(join(top, "file")), { code: "EEXIST" });
  await assert.rejects(makeFolder(join(top, "file", "inside", "it")), { code: "ENOTDIR" });
  assert.throws(() => makeFolderSync(join(top, "file")), { code: "EEXIST" });
});

const skip = existsSync("/proc/self") ? false : "no folder here in which nothing can be made";

test(
  "where the parent is there and nothing can be made in it, that is an error and no endless loop",
  { skip },
  () => {
    for (const make of ["makeFolder", "makeFolderSync"]) {
      const script = `import { ${make} } from ${JSON.stringify(MODULE)};
      try { await ${make}("/proc/saf/inside"); } catch (error) { console.log(error.code); }`;
      const { stdout, signal } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
        encoding: "utf8",
        timeout: 20_000,
        killSignal: "SIGKILL",
      });
      assert.deepEqual([stdout.trim(), signal], ["ENOENT", null], make);
    }
  },
);

test("folders are made in one place", async () => {
  const tracked = execFileSync("git", ["ls-files", "shared", "coordinator", "worker", "deploy"], {
    cwd: root,
    encoding: "utf8",
  });
  const sources = tracked.split("\n").filter((file) => file.endsWith(".ts") && existsSync(join(root, file)));
  assert.ok(sources.length > 100);
  for (const file of sources) {
    const text = await readFile(join(root, file), "utf8");
    assert.doesNotMatch(text, /mkdir(Sync)?\([^;]*recursive: true/, file);
  }
  assert.ok((await readdir(root)).includes("shared"));
});
