import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { COMMIT_FILE, codeCommit } from "../../../coordinator/io/code-commit.js";
import { temporaryDirectory } from "../../support/cluster.js";

const hasGit = ((): boolean => {
  try {
    execFileSync("git", ["--version"]);
    return true;
  } catch {
    return false;
  }
})();
const skip = hasGit ? false : "there is no git";

function git(folder: string, ...args: string[]): string {
  const who = ["-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false"];
  return execFileSync("git", [...who, ...args], { cwd: folder, encoding: "utf8" }).trim();
}

test("a checkout says its commit, and whether a tracked file differs from it", { skip }, async (t) => {
  const folder = await temporaryDirectory(t);
  git(folder, "init", "--quiet");
  await writeFile(join(folder, "code"), "one");
  git(folder, "add", "code");
  git(folder, "commit", "--quiet", "-m", "first");
  const commit = git(folder, "rev-parse", "HEAD");
  assert.match(commit, /^[0-9a-f]{40}$/);

  assert.equal(await codeCommit(folder), commit);
  await writeFile(join(folder, "not tracked"), "");
  assert.equal(await codeCommit(folder), commit);
  await writeFile(join(folder, "code"), "two");
  assert.equal(await codeCommit(folder), `${commit}-changed`);
});

test(
  "a package inside somebody's checkout does not pass that one's commit off as its own",
  { skip },
  async (t) => {
    const folder = await temporaryDirectory(t);
    git(folder, "init", "--quiet");
    git(folder, "commit", "--quiet", "--allow-empty", "-m", "theirs");
    const inside = join(folder, "node_modules", "saf");
    await mkdir(inside, { recursive: true });
    assert.equal(await codeCommit(inside), null);
  },
);

test("without git the build says it, if it was told one", async (t) => {
  const folder = await temporaryDirectory(t);
  assert.equal(await codeCommit(folder), null);
  await mkdir(join(folder, "dist"));
  const commit = "0123456789abcdef0123456789abcdef01234567";
  await writeFile(join(folder, COMMIT_FILE), `${commit}\n`);
  assert.equal(await codeCommit(folder), commit);
  await writeFile(join(folder, COMMIT_FILE), "not a commit");
  assert.equal(await codeCommit(folder), null);
});
