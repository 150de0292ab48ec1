/** Disks that are full and writers that are killed, for the tests of storage: both need processes of their own. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";

const CHILD = fileURLToPath(new URL("./storage-child.js", import.meta.url));

/** A file system of one megabyte of its own, or undefined where this user may not mount one (or knows no tmpfs). */
export async function smallDisk(t: TestContext): Promise<string | undefined> {
  const directory = await mkdtemp(join(tmpdir(), "saf-disk-"));
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", directory]).status === 0;
  t.after(async () => {
    if (mounted) spawnSync("umount", ["--lazy", directory]);
    await rm(directory, { recursive: true, force: true });
  });
  return mounted ? directory : undefined;
}

export const NO_DISK = "only root may mount a small disk";

/**
 * Runs the child on a task until it has reported `reports` numbers, then kills it with SIGKILL `delayMs` later.
 * Returns the last number it reported.
 */
export async function killedWriter(
  task: string,
  path: string,
  reports: number,
  delayMs: number,
): Promise<number> {
  const child = spawn(process.execPath, [CHILD, task, path], {
    stdio: ["ignore", "pipe", "inherit"],
    timeout: 30_000,
  });
  const closed = once(child, "close");
  let last = -1;
  let count = 0;
  const lines = createInterface({ input: child.stdout });
  lines.on("line", (line) => {
    last = Number(line);
    count++;
    if (count === reports) setTimeout(() => child.kill("SIGKILL"), delayMs);
  });
  const [, signal] = (await closed) as [number | null, NodeJS.Signals | null];
  assert.equal(signal, "SIGKILL");
  return last;
}
