/** A disk that can be filled without harm to anybody: a small file system in memory, where root may mount one. */
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { codeIn } from "../../shared/errors.js";
import { runCommand } from "../run-command.js";

const MOUNT_TIMEOUT_MS = 10_000;
const BLOCK_BYTES = 256 * 1024;

export class SmallDisk {
  readonly folder: string;
  readonly #bytes: number;

  private constructor(folder: string, bytes: number) {
    this.folder = folder;
    this.#bytes = bytes;
  }

  /** `folder`, which exists, becomes the disk; or why it cannot, in words. */
  static async mount(folder: string, bytes: number): Promise<SmallDisk | string> {
    if (process.platform !== "linux") return "only Linux has file systems in memory that a program can mount";
    const size = `size=${Math.ceil(bytes / 1024)}k,mode=0700`;
    const { code, stderr } = await runCommand("mount", ["-t", "tmpfs", "-o", size, "tmpfs", folder], {
      env: process.env,
      timeoutMs: MOUNT_TIMEOUT_MS,
    });
    const words = stderr.trim().split("\n")[0] ?? "";
    return code === 0
      ? new SmallDisk(folder, bytes)
      : `no small disk can be mounted here (${words || "mount failed"})`;
  }

  /** Takes all the room there is. */
  async fill(): Promise<void> {
    const file = await open(this.#filler, "w");
    try {
      for (let size = BLOCK_BYTES; size >= 1; size = Math.floor(size / 2))
        await fillWith(file, size, this.#bytes);
    } finally {
      await file.close();
    }
  }

  async free(): Promise<void> {
    await rm(this.#filler, { force: true });
  }

  /** Everything on it is gone. */
  async unmount(): Promise<void> {
    await runCommand("umount", ["--lazy", this.folder], { env: process.env, timeoutMs: MOUNT_TIMEOUT_MS });
  }

  get #filler(): string {
    return join(this.folder, "filler");
  }
}

/** Blocks of one size until no other fits. */
async function fillWith(file: Awaited<ReturnType<typeof open>>, size: number, most: number): Promise<void> {
  const block = Buffer.alloc(size);
  for (let written = 0; written < most; written += size) {
    try {
      await file.write(block);
    } catch (error) {
      if (codeIn(error) === "ENOSPC") return;
      throw error;
    }
  }
}
