/** Which commit this code is of: from its git checkout, else from what the build wrote beside it. */
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** The repository's root, from dist/coordinator/io. */
const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
/** Written by deploy/build.mjs when it is told a commit: images have no .git. */
export const COMMIT_FILE = "dist/commit";
const COMMIT = /^[0-9a-f]{40}(-changed)?$/;
const PATIENCE_MS = 5000;

/** 40 hexadecimal digits, with "-changed" behind them where tracked files differ from the commit; null where nobody knows. */
export async function codeCommit(root: string = ROOT): Promise<string | null> {
  return (await commitOfCheckout(root)) ?? (await commitOfBuild(root));
}

/** Undefined where the root is no checkout of its own: as a package it may lie inside another project's. */
async function commitOfCheckout(root: string): Promise<string | undefined> {
  const git = async (...args: string[]): Promise<string> => {
    const options = { cwd: root, timeout: PATIENCE_MS, env: { ...process.env, GIT_OPTIONAL_LOCKS: "0" } };
    return (await promisify(execFile)("git", args, options)).stdout.trim();
  };
  try {
    const prefix = await git("rev-parse", "--show-prefix");
    if (prefix !== "") return undefined;
    const commit = await git("rev-parse", "HEAD");
    const changes = await git("status", "--porcelain", "--untracked-files=no");
    const told = changes === "" ? commit : `${commit}-changed`;
    return COMMIT.test(told) ? told : undefined;
  } catch {
    return undefined;
  }
}

async function commitOfBuild(root: string): Promise<string | null> {
  const text = await readFile(join(root, COMMIT_FILE), "utf8").catch(() => "");
  return COMMIT.test(text.trim()) ? text.trim() : null;
}
