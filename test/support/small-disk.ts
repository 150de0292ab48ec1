/** A disk of a few megabytes, to be filled: it wants the right to mount one. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";

interface SmallDisk {
  /** The folder that the disk lies in, with room. */
  home: string;
  disk: string;
  /** Why there is none. */
  skip: string | false;
  /** Throws where that fails. */
  grow(megabytes: number): void;
}

/** Of a test file, and gone when that ends. */
export function smallDisk(megabytes: number): SmallDisk {
  const home = mkdtempSync(join(tmpdir(), "saf-test-"));
  const disk = join(home, "disk");
  mkdirSync(disk);
  const refusal =
    process.platform === "linux"
      ? mount("-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", disk)
      : "no Linux";
  after(() => {
    spawnSync("umount", ["--lazy", disk]);
    rmSync(home, { recursive: true, force: true });
  });
  return {
    home,
    disk,
    skip: refusal === undefined ? false : `cannot make a small disk here: ${refusal}`,
    grow: (larger) => {
      const failure = mount("-o", `remount,size=${larger}m`, disk);
      if (failure !== undefined) throw new Error(failure);
    },
  };
}

function mount(...args: string[]): string | undefined {
  const { status, stderr, error } = spawnSync("mount", args, { encoding: "utf8" });
  return status === 0 ? undefined : (error?.message ?? stderr.trim());
}
