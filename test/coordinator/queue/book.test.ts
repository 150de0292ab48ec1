/** What a coordinator was given to do: names, what is conducted next, after a restart too, and what is refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  MOST_AT_ONCE,
  MOST_OPEN,
  MOST_SETTINGS,
  QueueBook,
  RESERVED_FOLDERS,
  stateOf,
} from "../../../coordinator/queue/book.js";
import type { QueueLine, SubmittedLine } from "../../../shared/records/queue-line.js";

const nothing = (): boolean => false;

function submitted(id: string, key = `key-of-${id}`, user = "submitter"): SubmittedLine {
  return { kind: "submitted", id, key, user, work: "run", spec: {}, time: 1 };
}

function ended(id: string, outcome: "done" | "failed" | "cancelled"): QueueLine {
  return { kind: "ended", id, outcome, exit_code: outcome === "done" ? 0 : 1, message: outcome, time: 2 };
}

function bookOf(...lines: QueueLine[]): QueueBook {
  const book = new QueueBook();
  for (const line of lines) assert.equal(book.apply(line), undefined);
  return book;
}

const idsOf = (submissions: readonly { line: SubmittedLine }[]): string[] =>
  submissions.map(({ line }) => line.id);

test("a restart conducts what had not ended, in its order, and nothing that has", () => {
  const book = bookOf(
    { kind: "opened", version: 1, time: 0 },
    ...["a", "b", "c", "d", "e"].map((id) => submitted(id)),
    ended("a", "done"),
    ended("b", "failed"),
    { kind: "cancelled", id: "c", user: "submitter", time: 2 },
  );
  assert.deepEqual(idsOf(book.next()), ["d", "e"]);
  // Somebody ended it, and the coordinator died before it had come to its end.
  assert.deepEqual(idsOf(book.cancelledIdle()), ["c"]);
  assert.deepEqual(book.submissions.map(stateOf), ["done", "failed", "cancelling", "waiting", "waiting"]);
});

test("who is conducted is not begun again, and the next waits for its turn", () => {
  const all = Array.from({ length: MOST_AT_ONCE + 2 }, (_, i) => submitted(`s${i}`));
  const book = bookOf(...all);
  const first = book.next();
  assert.equal(first.length, MOST_AT_ONCE);
  for (const submission of first) submission.isActive = true;
  assert.deepEqual(book.next(), []);
  assert.equal(book.apply(ended("s0", "done")), undefined);
  assert.deepEqual(idsOf(book.next()), [`s${MOST_AT_ONCE}`]);
});

test("what is not on the disk yet is not conducted", () => {
  const book = bookOf(submitted("a"), submitted("b"));
  const a = book.get("a");
  assert.ok(a);
  a.isSafe = false;
  assert.deepEqual(idsOf(book.next()), ["b"]);
});

test("what was cancelled or has failed may go on; what is done or has not ended may not", () => {
  const resumed = (id: string): QueueLine => ({ kind: "resumed", id, user: "submitter", time: 3 });
  const book = bookOf(
    ...["a", "b", "c", "d"].map((id) => submitted(id)),
    ended("a", "done"),
    ended("b", "failed"),
    { kind: "cancelled", id: "c", user: "submitter", time: 2 },
    ended("c", "cancelled"),
  );
  assert.match(book.apply(resumed("a")) ?? "", /a is done/);
  assert.match(book.apply(resumed("d")) ?? "", /has not ended/);
  assert.equal(book.apply(resumed("b")), undefined);
  assert.equal(book.apply(resumed("c")), undefined);
  assert.deepEqual(idsOf(book.next()), ["b", "c", "d"]);
});

test("lines about what is not there, or a second end, do not count", () => {
  const book = bookOf(submitted("a"), ended("a", "done"));
  assert.match(book.apply(ended("x", "done")) ?? "", /no submission x/);
  assert.match(book.apply(ended("a", "failed")) ?? "", /a has ended: done/);
  assert.match(book.apply({ kind: "cancelled", id: "a", user: "submitter", time: 3 }) ?? "", /a has ended/);
  assert.match(book.apply(submitted("a", "another")) ?? "", /already/);
  assert.equal(book.get("a")?.end?.outcome, "done");
});

test("each gets a name of its own, among all that there ever were and all that is in the folder", () => {
  const book = bookOf(submitted("mnist"), submitted("mnist-2"), ended("mnist", "done"));
  assert.equal(book.nameFor("cifar", nothing), "cifar");
  assert.equal(book.nameFor("mnist", nothing), "mnist-3");
  assert.equal(
    book.nameFor("mnist", (name) => name === "mnist-3"),
    "mnist-4",
  );
  const long = "a".repeat(32);
  assert.equal(bookOf(submitted(long)).nameFor(long, nothing), `${"a".repeat(30)}-2`);
  for (const name of RESERVED_FOLDERS) assert.equal(book.nameFor(name, nothing), `${name}-2`);
});

test("the same request again finds what it has made, and another user's key finds nothing", () => {
  const book = bookOf(submitted("a", "key", "submitter-alice"));
  assert.equal(book.withKey("key", "submitter-alice")?.line.id, "a");
  assert.equal(book.withKey("key", "submitter-bob"), undefined);
});

test("settings stay in memory while somebody may need them, and no more than so many", () => {
  const large = (id: string): SubmittedLine => ({
    ...submitted(id),
    spec: { name: "x".repeat(MOST_SETTINGS / 2) },
  });
  const book = bookOf(large("a"), large("b"), ended("a", "failed"));
  assert.match(book.isFull ?? "", /fill the memory/);
  assert.notDeepEqual(book.get("a")?.line.spec, {});
  book.apply(ended("b", "done"));
  assert.deepEqual(book.get("b")?.line.spec, {});
  assert.equal(book.isFull, undefined);
});

test("so many may wait, and an end makes room", () => {
  const book = bookOf(...Array.from({ length: MOST_OPEN }, (_, i) => submitted(`s${i}`)));
  assert.match(book.isFull ?? "", /1000 submissions have not ended/);
  book.apply(ended("s0", "done"));
  assert.equal(book.isFull, undefined);
});
