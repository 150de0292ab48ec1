import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { MADE_UP_FLAGS, temporaryDirectory } from "../support/cluster.js";
import { saf } from "../support/saf.js";

const LIMIT_MS = 30_000;
const SETTINGS = [...MADE_UP_FLAGS, "--set", "train.batch_size=32", "--set", "train.max_steps=100000"];

/** Command lines of the processes that name the folder. */
function processesOf(folder: string): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8");
      } catch {
        return "";
      }
    })
    .filter((line) => line.includes(folder))
    .map((line) => line.replaceAll("\0", " "));
}

async function until(isThere: () => boolean): Promise<boolean> {
  for (const end = Date.now() + LIMIT_MS; Date.now() < end; await delay(20)) {
    if (isThere()) return true;
  }
  return isThere();
}

const skip = existsSync("/proc/self/cmdline") ? false : "processes are looked up in /proc";

test(
  "when `saf` is killed nothing of it is left: no process, no shared memory, no keys",
  { skip, timeout: 180_000 },
  async (t) => {
    const folder = await temporaryDirectory(t);
    const train = ["train", "-w", "2", "--runs", join(folder, "runs"), "--progress", "plain", ...SETTINGS];
    let running: string[] = [];
    await saf(train, {
      env: { TMPDIR: folder },
      onWords: (words, child) => {
        if (!words.includes("training mrelu-r-m") || child.killed) return;
        running = processesOf(folder);
        child.kill("SIGKILL");
      },
    });
    const memory = /--shared-memory (\S+)/.exec(running.join("\n"))?.[1];

    assert.ok(await until(() => processesOf(folder).length === 0), processesOf(folder).join("\n"));

    const scratch = (): string[] => readdirSync(folder).filter((name) => name.startsWith("saf-"));
    assert.ok(await until(() => scratch().length === 0), scratch().join("\n"));
    // saf, coordinator, two workers, nats-server.
    assert.ok(running.length >= 5, running.join("\n"));
    assert.equal(memory !== undefined && existsSync(memory), false, `${memory} is left behind`);
  },
);
