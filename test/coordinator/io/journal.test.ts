import assert from "node:assert/strict";
import { appendFile, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { Journal, trimJournal } from "../../../coordinator/io/journal.js";
import { ClusterError } from "../../../shared/errors.js";
import { RandomStream } from "../../../shared/random.js";
import { killedWriter, NO_DISK, smallDisk } from "./storage-processes.js";
import { isStorageError, temporaryDirectory } from "./storage-support.js";
import { readJsonLines } from "../../../shared/io/json-lines.js";
import { realClock } from "../../../shared/io/real-clock.js";

interface Line {
  step: number;
}
const never = (error: Error): never => assert.fail(error);

test("what was appended is read back, in order, after a flush and after closing", async (t) => {
  const file = join(await temporaryDirectory(t), "ledger.jsonl");
  const journal = await Journal.open(file, realClock, never);
  journal.append({ step: 0 });
  journal.append({ step: 1 });
  await journal.flush();
  assert.deepEqual(await readJsonLines(file), [{ step: 0 }, { step: 1 }]);
  journal.append({ step: 2, text: "with\nnewline and ü" });
  await journal.close();
  assert.deepEqual(await readJsonLines(file), [
    { step: 0 },
    { step: 1 },
    { step: 2, text: "with\nnewline and ü" },
  ]);
});

test("lines are written without being asked for, soon", async (t) => {
  const file = join(await temporaryDirectory(t), "ledger.jsonl");
  const journal = await Journal.open(file, realClock, never);
  journal.append({ step: 0 });
  const deadline = Date.now() + 10_000;
  while ((await readJsonLines(file)).length === 0) {
    assert.ok(Date.now() < deadline, "nothing was written within ten seconds");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await journal.close();
});

test("flushes at the same time write every line once", async (t) => {
  const file = join(await temporaryDirectory(t), "ledger.jsonl");
  const journal = await Journal.open(file, realClock, never);
  const flushes: Promise<void>[] = [];
  for (let step = 0; step < 200; step++) {
    journal.append({ step });
    if (step % 3 === 0) flushes.push(journal.flush());
  }
  await Promise.all([...flushes, journal.close()]);
  assert.deepEqual(
    (await readJsonLines<Line>(file)).map(({ step }) => step),
    Array.from({ length: 200 }, (_, step) => step),
  );
});

test("a missing journal has no records, and trimming it makes none", async (t) => {
  const file = join(await temporaryDirectory(t), "ledger.jsonl");
  assert.deepEqual(await readJsonLines(file), []);
  assert.deepEqual(await trimJournal(file, () => true), []);
  await assert.rejects(readFile(file), { code: "ENOENT" });
});

test("wherever a journal is torn off, the whole lines before are read and the next ones are not lost", async (t) => {
  const file = join(await temporaryDirectory(t), "ledger.jsonl");
  const lines = [{ step: 0, name: "ä" }, { step: 1 }, { step: 22, list: [1, 2] }].map(
    (line) => `${JSON.stringify(line)}\n`,
  );
  const whole = Buffer.from(lines.join(""));
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: whole.length }), async (length) => {
      await writeFile(file, whole.subarray(0, length));
      const complete = whole.subarray(0, length).filter((byte) => byte === 10).length;
      assert.equal((await readJsonLines(file)).length, complete);
      const journal = await Journal.open(file, realClock, never);
      journal.append({ step: 99 });
      await journal.close();
      const records = await readJsonLines<Line>(file);
      assert.equal(records.length, complete + 1);
      assert.equal(records.at(-1)?.step, 99);
    }),
    { numRuns: 60 },
  );
});

test("a damaged line hides only itself, and is told of with its place", async (t) => {
  const file = join(await temporaryDirectory(t), "ledger.jsonl");
  await writeFile(file, '{"step":0}\n{"step":\u0000}\n{"step":2}\n');
  const messages: string[] = [];
  const tell = (message: string): void => void messages.push(message);
  assert.deepEqual(await readJsonLines(file, tell), [{ step: 0 }, { step: 2 }]);
  assert.deepEqual(messages, [`Line 2 of ${file} is damaged and left out`]);

  await appendFile(file, 'null\n7\n{"step":3}\n');
  const kept = await trimJournal<Line>(file, ({ step }) => step < 3, tell);
  assert.deepEqual(kept, [{ step: 0 }, { step: 2 }]);
  assert.equal(messages[1], `3 lines of ${file} are damaged and left out, the first is line 2`);
  assert.deepEqual(
    await readJsonLines(file, tell),
    kept,
    "what is cut is what lies behind the last kept line",
  );
});

test("trimming keeps the records from the start on for which the question holds, and only those bytes", async (t) => {
  const file = join(await temporaryDirectory(t), "ledger.jsonl");
  await writeFile(file, '{"step":0,"name":"ü"}\n{"step":1}\n{"step":2}\n{"step":1}\n{"st');
  const kept = await trimJournal<Line>(file, ({ step }) => step < 2);
  assert.deepEqual(
    kept.map(({ step }) => step),
    [0, 1],
  );
  assert.equal(await readFile(file, "utf8"), '{"step":0,"name":"ü"}\n{"step":1}\n');
  assert.deepEqual(await trimJournal(file, () => true), kept);
  assert.deepEqual(await trimJournal(file, () => false), []);
  assert.equal(await readFile(file, "utf8"), "");
});

test("trimming alone drops a torn line", async (t) => {
  const file = join(await temporaryDirectory(t), "ledger.jsonl");
  await writeFile(file, '{"step":0}\n{"step"');
  await trimJournal(file, () => true);
  assert.equal(await readFile(file, "utf8"), '{"step":0}\n');
});

test("a journal that cannot be read is an error, not an empty one that trimming then empties", async (t) => {
  const file = join(await temporaryDirectory(t), "ledger.jsonl");
  await writeFile(file, '{"step":0}\n');
  await truncate(file, 2 ** 31 + 1); // more than readFile takes; the rest is a hole and needs no disk
  await assert.rejects(readJsonLines(file), isStorageError(file));
  await assert.rejects(
    trimJournal(file, () => true),
    isStorageError(file),
  );
  await truncate(file, 11);
  assert.deepEqual(await readJsonLines(file), [{ step: 0 }]);
});

test("a journal that cannot be opened is an error that names it", async (t) => {
  const file = join(await temporaryDirectory(t), "nowhere", "ledger.jsonl");
  await assert.rejects(Journal.open(file, realClock, never), isStorageError(file));
});

test("lines that did not fit on the disk are kept, told of, and written once when there is room", async (t) => {
  const disk = await smallDisk(t);
  if (disk === undefined) return t.skip(NO_DISK);
  const file = join(disk, "ledger.jsonl");
  const ballast = join(disk, "ballast");
  const journal = await Journal.open(file, realClock, () => undefined);
  journal.append({ step: 0 });
  await journal.flush();
  await appendFile(ballast, new Uint8Array(2_000_000)).catch(() => undefined); // what fits of it stays
  const filler = "x".repeat(10_000); // more than the rest of the journal's own page
  journal.append({ step: 1, filler });
  await assert.rejects(journal.flush(), (error: unknown) => {
    assert.ok(error instanceof ClusterError && isStorageError(file)(error));
    assert.match(error.hint ?? "", /disk is full/);
    return true;
  });
  journal.append({ step: 2 });
  await assert.rejects(journal.flush(), isStorageError(file));
  assert.deepEqual(await readJsonLines(file), [{ step: 0 }]); // and no half line
  assert.equal(await readFile(file, "utf8"), '{"step":0}\n');

  await truncate(ballast, 0);
  await journal.flush();
  await journal.close();
  assert.deepEqual(
    (await readJsonLines<Line>(file)).map(({ step }) => step),
    [0, 1, 2],
  );
});

test("what did not fit on the disk is tried again without being asked for, and told of once", async (t) => {
  const disk = await smallDisk(t);
  if (disk === undefined) return t.skip(NO_DISK);
  const file = join(disk, "ledger.jsonl");
  const timers: (() => void)[] = [];
  const clock = {
    now: () => 0,
    after: (_delayMs: number, run: () => void) => {
      timers.push(run);
      return () => undefined;
    },
    every: () => () => undefined,
  };
  const errors: Error[] = [];
  const journal = await Journal.open(file, clock, (error) => errors.push(error));
  await appendFile(join(disk, "ballast"), new Uint8Array(2_000_000)).catch(() => undefined);
  const fire = async (): Promise<void> => {
    timers.shift()?.();
    while (timers.length === 0 && journal.heldBytes > 0) await new Promise((done) => setTimeout(done, 5));
  };
  journal.append({ step: 1, filler: "x".repeat(10_000) });
  for (let i = 0; i < 4; i++) await fire();
  assert.equal(errors.length, 1);
  await truncate(join(disk, "ballast"), 0);
  await fire();
  assert.equal(journal.heldBytes, 0);
  assert.deepEqual(
    (await readJsonLines<Line>(file)).map(({ step }) => step),
    [1],
  );
  await journal.close();
});

test(
  "a writer killed at any instant loses nothing that it had flushed, and the next one goes on behind it",
  { timeout: 60_000 },
  async (t) => {
    const seed = Date.now() % 1_000_000;
    t.diagnostic(`seed ${seed}`);
    const stream = new RandomStream(seed, "attack");
    const file = join(await temporaryDirectory(t), "ledger.jsonl");
    for (let round = 0; round < 6; round++) {
      const reported = await killedWriter("journal", file, 1 + stream.below(6), stream.uniform() * 10);
      const records = await readJsonLines<{ i: number; filler: string }>(file);
      assert.ok(
        records.length > reported,
        `seed ${seed}: ${reported} was flushed, ${records.length} records are left`,
      );
      records.forEach(({ i, filler }, place) => {
        assert.equal(i, place, `seed ${seed}`);
        assert.equal(filler.length, (i * 7919) % 100_000);
      });
      if (round % 2 === 0) await appendFile(file, '{"i":'); // a tear in any case
    }
  },
);
