/** What a full disk costs a training: the checkpoint that could not be written, and nothing else. */
import assert from "node:assert/strict";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { Checkpoints } from "../../../coordinator/io/checkpoints.js";
import { pointLink } from "../../../coordinator/io/links.js";
import { RunDirectory, realDirectory } from "../../../coordinator/io/run-directory.js";
import { Checkpointing } from "../../../coordinator/runs/checkpointing.js";
import type { RunSetup } from "../../../coordinator/runs/setup.js";
import type { StepBooks } from "../../../coordinator/runs/step-books.js";
import { ClusterError } from "../../../shared/errors.js";
import { LAYOUT, stateOf, temporaryDirectory } from "../io/storage-support.js";
import { MemoryStorage } from "./memory-storage.js";

interface Disk {
  checkpointing: Checkpointing;
  books: { heldBytes: number; isFull: boolean };
  storage: MemoryStorage;
  notes: string[];
  outcomes: string[];
  /** Steps whose weights the books name. */
  named: number[];
}

function training(notesOfWrite: readonly string[] = []): Disk {
  const storage = new MemoryStorage("/run");
  const inMemory = storage.openCheckpoints();
  const notes: string[] = [];
  const outcomes: string[] = [];
  const named: number[] = [];
  const books = {
    heldBytes: 0,
    isFull: false,
    named: ({ step }: { step: number }) => named.push(step),
    flush: async () => {
      if (books.isFull) throw new ClusterError("storage", "Cannot append to ledger.jsonl");
    },
  };
  const run = {
    clock: { now: () => 0 },
    wallClock: () => 0,
    plan: { images: 8, batchSize: 8, slots: 2, epochs: 1 },
    totalSteps: 9,
    resolved: { network: { name: "m" } },
    identity: "i",
    storage,
    checkpoints: {
      ...inMemory,
      write: async (...args: Parameters<typeof inMemory.write>) => ({
        ...(await inMemory.write(...args)),
        notes: notesOfWrite,
      }),
    },
    observer: {
      note: (level: string, message: string) => notes.push(`${level}: ${message}`),
      checkpoint: (outcome: string) => outcomes.push(outcome),
    },
  } as unknown as RunSetup;
  const checkpointing = new Checkpointing(run, books as unknown as StepBooks, -1);
  return { checkpointing, books, storage, notes, outcomes, named };
}

test("a ledger that cannot be written costs the checkpoint on the way, and training goes on", async () => {
  const { checkpointing, books, storage, notes, outcomes } = training();
  await checkpointing.save(stateOf(1), null, false);
  books.isFull = true;
  await checkpointing.save(stateOf(2), null, false);
  assert.deepEqual(outcomes, ["written", "failed"]);
  assert.deepEqual(
    storage.kept.map(({ state }) => state.step),
    [1],
    "no checkpoint stands without its ledger",
  );
  assert.deepEqual(notes, ["error: Cannot append to ledger.jsonl"]);
  books.isFull = false;
  await checkpointing.save(stateOf(3), null, true);
  assert.equal(storage.kept.at(-1)?.state.step, 3);
});

test("what a full disk holds back is bounded, and the last weights must be written", async () => {
  const { checkpointing, books } = training();
  books.isFull = true;
  books.heldBytes = 65 * 1024 * 1024;
  await assert.rejects(checkpointing.save(stateOf(2), null, false), { code: "storage" });
  books.heldBytes = 0;
  await assert.rejects(checkpointing.save(stateOf(9), null, true), /Cannot save the final weights/);
});

test("a link that cannot be made is said once, and the checkpoint counts as written", async () => {
  const { checkpointing, notes, outcomes, named } = training(["no links here"]);
  for (const step of [1, 2, 3]) await checkpointing.save(stateOf(step), null, step === 3);
  assert.deepEqual(named, [1, 2, 3], "each saved state stands in weights.jsonl");
  assert.deepEqual(outcomes, ["written", "written", "written"]);
  assert.deepEqual(notes, ["warning: no links here"]);
});

test("where a copy has made folders of the links, checkpoints are written, found, and the best is kept", async (t) => {
  const directory = await temporaryDirectory(t);
  const checkpoints = new Checkpoints(directory, LAYOUT, 1);
  const info = { model: "m", identity: "i" };
  await checkpoints.write(stateOf(1), { ...info, cleanAccuracy: 0.5, best: true });
  for (const link of ["latest", "best"]) {
    await rm(join(directory, link));
    await mkdir(join(directory, link));
    await writeFile(join(directory, link, "model.safetensors"), "a copy");
  }
  const { notes } = await checkpoints.write(stateOf(2), { ...info, cleanAccuracy: 0.9, best: true });
  assert.equal(notes.length, 2);
  await checkpoints.write(stateOf(3), { ...info, cleanAccuracy: 0.7, best: false });
  assert.equal((await checkpoints.read("best")).state.step, 2);
  assert.equal((await checkpoints.read("latest")).state.step, 3);
  assert.equal(await readFile(join(directory, "best", "model.safetensors"), "utf8"), "a copy");
});

test("a run directory that is named by its link stays what the link leads to", async (t) => {
  const runs = await realDirectory(await temporaryDirectory(t));
  await mkdir(join(runs, "one"));
  await new RunDirectory(join(runs, "one")).linkLatest();
  const named = await realDirectory(join(runs, "latest"));
  assert.equal(named, join(runs, "one"));
  await new RunDirectory(named).linkLatest();
  assert.equal(await realDirectory(join(runs, "latest")), join(runs, "one"));
  // Whoever comes by the link after all does not break it.
  await new RunDirectory(join(runs, "latest")).linkLatest();
  await pointLink(join(runs, "latest"), "latest");
  assert.equal(await realDirectory(join(runs, "latest")), join(runs, "one"));
});
