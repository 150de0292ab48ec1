/** What the tests of storage share: folders, a disk that is full, a writer that is killed, a small layout. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import type { TrainingState } from "../../../shared/records/checkpoint.js";
import { type Layout, placeTensors } from "../../../shared/core/layout.js";
import { ClusterError } from "../../../shared/errors.js";

export async function temporaryDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "saf-storage-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

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

export const isStorageError = (file: string) => (error: unknown) =>
  error instanceof ClusterError && error.code === "storage" && error.message.includes(file);

export const LAYOUT: Layout = placeTensors([
  {
    name: "conv/weight",
    shape: [3, 3, 20],
    role: "weight",
    initial: { kind: "constant", value: 0 },
    rateMultiplier: 1,
    decays: true,
  },
  {
    name: "conv/bias",
    shape: [20],
    role: "weight",
    initial: { kind: "constant", value: 0 },
    rateMultiplier: 1,
    decays: true,
  },
  {
    name: "bn/mean",
    shape: [20],
    role: "moment",
    initial: { kind: "constant", value: 0 },
    rateMultiplier: 1,
    decays: false,
  },
]);

/** A state that says itself which step it is of. */
export function stateOf(step: number, layout = LAYOUT): TrainingState {
  return {
    step,
    parameters: Float32Array.from({ length: layout.size }, (_, i) => step + i / 1024),
    velocity: Float32Array.from({ length: layout.size }, (_, i) => -step - i / 1024),
  };
}

const CHILD = fileURLToPath(new URL("./storage-child.js", import.meta.url));

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
