/** A queue's journal and what submissions tell, on the disk. */
import assert from "node:assert/strict";
import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { QUEUE_FILE, ToldLog, openQueueDisk, readToldLines } from "../../../coordinator/io/queue-disk.js";
import type { QueueDisk } from "../../../coordinator/io/queue-disk.js";
import { ClusterError } from "../../../shared/errors.js";
import type { SubmittedLine } from "../../../shared/records/queue-line.js";
import { VirtualClock } from "../../support/virtual-clock.js";

async function folder(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "saf-queue-"));
  t.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

const clock = new VirtualClock();

async function opened(directory: string): Promise<QueueDisk & { notes: string[] }> {
  const notes: string[] = [];
  const disk = await openQueueDisk(directory, {
    clock,
    wallMs: 7000,
    note: (message) => notes.push(message),
  });
  return { ...disk, notes };
}

const line = (id: string): SubmittedLine => ({
  ...{ kind: "submitted", id, key: `key-${id}`, user: "submitter", work: "run", time: 8 },
  spec: { model: "plain", train: { epochs: 2 } },
});

test("what was flushed is there at the next start, torn and damaged lines apart", async (t) => {
  const directory = await folder(t);
  const first = await opened(directory);
  first.journal.append(line("a"));
  first.journal.append(line("b"));
  await first.journal.flush();
  await first.journal.close();
  const file = join(directory, QUEUE_FILE);
  await appendFile(file, '{"kind":"ended","id":"a","outcome":"splendid"}\n{"kind":"cancelled","id":"b"');

  const again = await opened(directory);
  t.after(() => again.journal.close());
  assert.deepEqual(
    again.book.next().map((submission) => submission.line),
    [line("a"), line("b")],
  );
  assert.equal(again.notes.length, 1);
  assert.match(again.notes[0] ?? "", /Record 4 of .*queue\.jsonl is none that is known/);
  assert.deepEqual(JSON.parse((await readFile(file, "utf8")).split("\n")[0] ?? ""), {
    kind: "opened",
    version: 1,
    time: 7,
  });
});

test("a journal of another version is refused, and stays as it is", async (t) => {
  const directory = await folder(t);
  const text = '{"kind":"opened","version":2,"time":1}\n';
  await writeFile(join(directory, QUEUE_FILE), text);
  await assert.rejects(
    opened(directory),
    (error) =>
      error instanceof ClusterError &&
      error.code === "data" &&
      /has version 2, and this saf writes 1/.test(error.message),
  );
  assert.equal(await readFile(join(directory, QUEUE_FILE), "utf8"), text);
});

test("the numbers of what a submission tells go on after a restart", async (t) => {
  const directory = await folder(t);
  const note = (message: string): void => assert.fail(message);
  const first = await ToldLog.open(directory, clock, note);
  first.add("info", "one", 1000);
  first.add("warning", "two", 2000);
  assert.deepEqual(
    first.after(1, 10).map(({ message }) => message),
    ["two"],
  );
  await first.close();
  const second = await ToldLog.open(directory, clock, note);
  second.add("error", "three", 3000);
  assert.deepEqual(
    second.after(0, 2).map(({ number }) => number),
    [1, 2],
  );
  await second.close();
  assert.deepEqual((await readToldLines(directory)).at(-1), {
    ...{ number: 3, time: 3, level: "error", message: "three" },
  });
});
