import assert from "node:assert/strict";
import { appendFile, readFile, readdir, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { DirectoryLocks } from "../../../coordinator/io/directory-locks.js";
import { realProcesses } from "../../../coordinator/io/process-mark.js";
import {
  SWEEP_JOURNAL_FILE,
  SweepJournal,
  newlyOutside,
  readSweep,
  readSweepSpec,
  writeSweepSpec,
} from "../../../coordinator/io/sweep-directory.js";
import type { Segment } from "../../../coordinator/sweeps/segment.js";
import { ClusterError } from "../../../shared/errors.js";
import { realClock } from "../../../shared/io/real-clock.js";
import { ASHA, BASE, CODE, Played, listOf, outcomeOf, spaceFrom } from "../sweeps/support.js";
import { temporaryDirectory } from "./storage-support.js";

const SPEC = { ...listOf(6), stopping: ASHA };
const byNumber = (segment: Segment) => outcomeOf(segment, { clean: segment.number / 100 });
const never = (error: Error): never => assert.fail(error);

function locksOf(t: TestContext): DirectoryLocks {
  const locks = new DirectoryLocks({
    clock: realClock,
    processes: realProcesses,
    wallClock: () => 0,
    onLost: never,
  });
  t.after(() => undefined);
  return locks;
}

/** A sweep that was played through, on the disk. */
async function sweepOnDisk(t: TestContext): Promise<{ directory: string; played: Played; journal: string }> {
  const directory = await temporaryDirectory(t);
  const space = spaceFrom(SPEC);
  await writeSweepSpec(directory, { ...space.spec, base: BASE });
  const played = new Played(space);
  played.toTheEnd(byNumber);
  const journal = await SweepJournal.open(directory, { locks: locksOf(t), clock: realClock, onError: never });
  journal.append(played.lines);
  await journal.close();
  return { directory, played, journal: join(directory, SWEEP_JOURNAL_FILE) };
}

test("a sweep that was written is read back with the same rows", async (t) => {
  const { directory, played } = await sweepOnDisk(t);
  const read = await readSweep(directory);
  assert.deepEqual(read.notes, []);
  assert.deepEqual(read.book.rows(), played.book.rows());
  assert.deepEqual(read.lines, played.lines);
  assert.deepEqual([read.opened.length, read.code, read.spec.name], [1, CODE, "test"]);
  assert.equal(read.book.take(9999).kind, "none", "nothing is left to do");
  assert.deepEqual(await readSweepSpec(directory), read.spec);
  assert.deepEqual(
    (await readdir(directory)).sort(),
    ["sweep.jsonl", "sweep.yaml"],
    "the lock is given back",
  );
});

test("a folder has a journal only when it has what the journal is about", async (t) => {
  const directory = await temporaryDirectory(t);
  const locks = locksOf(t);
  const refusal = new ClusterError("storage", "Cannot write sweep.yaml: ENOSPC");
  const edges = { locks, clock: realClock, onError: never };
  await assert.rejects(
    SweepJournal.openBehind(directory, edges, () => Promise.reject(refusal)),
    refusal,
  );
  assert.deepEqual(await readdir(directory), [], "no journal, and the lock is given back");
  const { spec } = spaceFrom(SPEC);
  const { journal, prepared } = await SweepJournal.openBehind(directory, edges, async () => {
    await writeSweepSpec(directory, { ...spec, base: BASE });
    return readdir(directory);
  });
  await journal.close();
  assert.deepEqual(
    prepared.sort(),
    ["lock.json", "sweep.yaml"],
    "it is prepared under the lock, before there is a journal",
  );
});

test("reading writes nothing, and takes a journal as far as it has got", async (t) => {
  const { directory, played, journal } = await sweepOnDisk(t);
  const whole = await readFile(journal);
  const ends = [...whole.keys()].filter((i) => whole[i] === 10);
  for (const cut of [0, 1, 40, ends[3] ?? 0, (ends[3] ?? 0) + 1, (ends[5] ?? 0) + 17, whole.length - 1]) {
    await writeFile(journal, whole.subarray(0, cut));
    const read = await readSweep(directory);
    const complete = ends.filter((end) => end < cut).length;
    assert.deepEqual(read.lines, played.lines.slice(0, complete));
    assert.deepEqual(read.notes, []);
    assert.equal((await readFile(journal)).length, cut, "the torn line is left to the writer");
  }
  await truncate(journal, 0);
  assert.deepEqual((await readSweep(directory)).book.rows(), []);
});

test("the writer drops a torn line and goes on behind the last whole one", async (t) => {
  const { directory, played, journal } = await sweepOnDisk(t);
  await appendFile(journal, '{"kind":"resu');
  const writer = await SweepJournal.open(directory, { locks: locksOf(t), clock: realClock, onError: never });
  const { book } = await readSweep(directory);
  writer.append(book.cancel(5000));
  await writer.flush();
  assert.equal(writer.heldBytes, 0);
  const read = await readSweep(directory);
  assert.deepEqual(
    [read.lines.length, read.lines.at(-1)?.kind, read.notes],
    [played.lines.length + 1, "cancelled", []],
  );
  await writer.close();
});

test("a sweep has one writer", async (t) => {
  const { directory } = await sweepOnDisk(t);
  const first = await SweepJournal.open(directory, { locks: locksOf(t), clock: realClock, onError: never });
  const second = SweepJournal.open(directory, { locks: locksOf(t), clock: realClock, onError: never });
  await assert.rejects(second, (error) => error instanceof ClusterError && error.code === "dependency");
  await first.close();
  const third = await SweepJournal.open(directory, { locks: locksOf(t), clock: realClock, onError: never });
  await third.close();
});

test("damaged lines and lines that do not fit are named, and the others count", async (t) => {
  const { directory, played, journal } = await sweepOnDisk(t);
  const lines = (await readFile(journal, "utf8")).trimEnd().split("\n");
  const results = lines.flatMap((line, i) => (line.includes('"kind":"result"') ? [i] : []));
  const [, second = 0, third = 0] = results;
  const damaged = lines.map((line, i) =>
    i === second ? "\0\0\0" : i === third ? line.replace('"rung":0', '"rung":"0"') : line,
  );
  await writeFile(journal, `${[...damaged, lines[results[0] ?? 0]].join("\n")}\n`);
  const { notes, book } = await readSweep(directory);
  assert.deepEqual(notes.slice(0, 2), [
    `${journal}: line ${second + 1} is damaged and left out`,
    `${journal}: line ${third + 1} is damaged and left out`,
  ]);
  assert.match(
    notes.at(-1) ?? "",
    new RegExp(`line ${lines.length + 1} does not count: trial [0-9a-f]{16} is \\w+, not running`),
  );
  assert.equal(book.rows().length, played.book.rows().length, "no trial is lost");
});

test("a journal of another version is refused by name, and changed by nobody", async (t) => {
  const { directory, journal } = await sweepOnDisk(t);
  const text = (await readFile(journal, "utf8")).replace('"version":1', '"version":2');
  await writeFile(journal, text);
  await assert.rejects(
    readSweep(directory),
    (error) =>
      error instanceof ClusterError &&
      error.code === "data" &&
      error.message.includes(journal) &&
      error.message.includes("version 2, expected 1"),
  );
  assert.equal(await readFile(journal, "utf8"), text);
});

test("a folder without a sweep, and a damaged spec, are told", async (t) => {
  const directory = await temporaryDirectory(t);
  const isData = (words: string) => (error: unknown) =>
    error instanceof ClusterError && error.code === "data" && error.message.includes(words);
  await assert.rejects(readSweep(directory), isData("There is no sweep in"));
  await writeFile(join(directory, "sweep.yaml"), "name: [");
  await assert.rejects(readSweep(directory), isData("sweep.yaml:1:8: "));
  for (const [text, words] of [
    ["name: a\nlimits: { trials: much }\n", "sweep.yaml:2:19: limits.trials: expected number"],
    ["name: a\nlimit: 3\n", "sweep.yaml:2:8: limit: unknown key"],
    ["- a\n", "sweep.yaml:1:1: expected object"],
    [
      "name: a\nlimits: { trials: 3 }\nbase:\n  train: { epochs: many }\n",
      "sweep.yaml:4:20: base.train.epochs",
    ],
    [
      "name: a\nlimits: { trials: 3 }\nparameters:\n  train.slot: { grid: [1] }\n",
      "sweep.yaml:4:15: parameters.train.slot",
    ],
  ] as const) {
    await writeFile(join(directory, "sweep.yaml"), text);
    await assert.rejects(readSweep(directory), isData(words), text);
  }
});

test("what the present base has otherwise is named, setting by setting, and so is another version", async (t) => {
  const { directory } = await sweepOnDisk(t);
  const changesFor = async (base: object, code = CODE): Promise<readonly string[]> =>
    (await readSweep(directory, { space: spaceFrom(SPEC, base), code })).changes;
  assert.deepEqual(await changesFor(BASE), []);
  assert.deepEqual(await changesFor({ ...BASE, name: "other" }), []);
  assert.deepEqual(
    await changesFor({ ...BASE, engine: "emulated", evaluate: { kinds: ["clean"], images: 60 } }),
    ['engine "emulated", was not set', "evaluate.images 60, was not set"],
  );
  assert.deepEqual(await changesFor({ ...BASE, seed: 9 }, "newer"), [
    "seed 9, was 0",
    `the version of saf's results newer, was ${CODE}`,
  ]);
});

test("trials that the spec leaves out are news once: not any more when somebody went on without them", async (t) => {
  const { directory } = await sweepOnDisk(t);
  const changed = { space: spaceFrom(SPEC, { ...BASE, seed: 9 }), code: CODE };
  assert.deepEqual(newlyOutside(await readSweep(directory)), []);
  const found = await readSweep(directory, changed);
  assert.equal(newlyOutside(found).length, 6);
  const writer = await SweepJournal.open(directory, { locks: locksOf(t), clock: realClock, onError: never });
  writer.append(found.book.open(6000));
  await writer.close();
  const again = await readSweep(directory, changed);
  assert.deepEqual([newlyOutside(again).length, again.book.outside().length], [0, 6]);
});
