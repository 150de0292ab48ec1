/** The product's own files on a simulated disk: what was promised is there after a crash, whatever moment it comes at. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../../shared/clock.js";
import { writeDirectoryAtomic, writeFileAtomic } from "../../shared/io/atomic-file.js";
import { Journal } from "../../coordinator/io/journal.js";
import { readJsonLines } from "../../shared/io/json-lines.js";
import { DiskFiles } from "./disk-files.js";
import { SimulatedDisk } from "./disk.js";
import { Draws } from "./draws.js";
import { ProcessClock, Scheduler } from "./scheduler.js";
import { DISK_ROOT, type Surroundings, surround } from "./surroundings.js";

/** Runs `work` in a process that dies after so many events; then `look` in one that finds what is left. */
async function crashAfter<Found>(
  seed: number,
  events: number,
  work: (clock: Clock) => Promise<void>,
  look: () => Promise<Found>,
): Promise<Found> {
  const scheduler = new Scheduler(new Draws(seed, "schedule"));
  const disk = new SimulatedDisk(new Draws(seed, "disk"));
  const processNamed = (name: string): Surroundings => {
    const owner = { name, alive: true, frozenUntilMs: 0 };
    return Object.assign(owner, {
      clock: new ProcessClock(scheduler, owner, 0, () => 0),
      files: new DiskFiles(disk, scheduler, new Draws(seed, "disk", 1), 6),
    });
  };
  const undo = surround(scheduler);
  try {
    const first = processNamed("first");
    scheduler.at(0, first, "start", () => void work(first.clock));
    let left = events;
    await scheduler.run(Infinity, () => left-- <= 0);
    first.alive = false;
    disk.crash();
    const second = processNamed("second");
    let found: { value: Found } | undefined;
    scheduler.at(scheduler.nowMs, second, "start", () => void look().then((value) => (found = { value })));
    await scheduler.run(Infinity, () => false);
    assert.ok(found !== undefined, "the second process did not come to its end");
    return found.value;
  } finally {
    undo();
  }
}

const FOLDER = `${DISK_ROOT}/disk`;

test("a journal keeps what was flushed, and at most one torn line that reading drops", async () => {
  for (let events = 0; events < 60; events++) {
    let flushed = 0;
    const lines = await crashAfter(
      events,
      events,
      async (clock) => {
        const { mkdir } = await import("node:fs/promises");
        await mkdir(FOLDER, { recursive: true });
        const journal = await Journal.open(`${FOLDER}/ledger.jsonl`, clock, assert.fail);
        for (let line = 0; line < 8; line++) {
          journal.append({ line, text: "x".repeat(40) });
          if (line % 2 === 0) continue;
          await journal.flush();
          flushed = line + 1;
        }
        await journal.close();
      },
      () => readJsonLines<{ line: number }>(`${FOLDER}/ledger.jsonl`),
    );
    assert.ok(lines.length >= flushed, `after ${events} events: ${lines.length} of ${flushed} flushed lines`);
    assert.deepEqual(
      lines.map(({ line }) => line),
      lines.map((_, i) => i),
    );
  }
});

test("files and folders that are written aside are whole or absent, old or new", async () => {
  const seen = new Set<string>();
  for (let events = 0; events < 120; events++) {
    let done = 0;
    const found = await crashAfter(
      events,
      events,
      async () => {
        const { mkdir } = await import("node:fs/promises");
        await mkdir(FOLDER, { recursive: true });
        for (let version = 1; version <= 3; version++) {
          await writeFileAtomic(`${FOLDER}/status.json`, `version ${version}`.repeat(20));
          await writeDirectoryAtomic(`${FOLDER}/step-${version}`, {
            "a.bin": new Uint8Array(99).fill(version),
          });
          done = version;
        }
      },
      async () => {
        const { readFile, readdir } = await import("node:fs/promises");
        const status = await readFile(`${FOLDER}/status.json`, "utf8").catch(() => "");
        const names = (await readdir(FOLDER).catch(() => [])).filter((name) => /^step-\d$/.test(name));
        const bodies = await Promise.all(names.map((name) => readFile(`${FOLDER}/${name}/a.bin`)));
        return { status, names, bodies };
      },
    );
    const version = Number(found.status.at(8) ?? 0);
    assert.ok(version >= done, `after ${events} events: version ${version}, written ${done}`);
    assert.equal(found.status, version === 0 ? "" : `version ${version}`.repeat(20));
    assert.ok(found.names.length >= done);
    found.bodies.forEach((body, i) => assert.deepEqual([...body], new Array(99).fill(i + 1)));
    seen.add(`${version} ${found.names.length}`);
  }
  assert.ok(seen.size >= 5, [...seen].join(", "));
});
