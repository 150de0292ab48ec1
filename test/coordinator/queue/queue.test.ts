/** A queue that takes work in while it runs: what is acknowledged, conducted, ended, and gone on with. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { QueueBook, stateOf } from "../../../coordinator/queue/book.js";
import { Queue, type WorkEnd } from "../../../coordinator/queue/queue.js";
import { ClusterError } from "../../../shared/errors.js";
import type { QueueLine } from "../../../shared/records/queue-line.js";

const DONE: WorkEnd = { failed: {}, interrupted: false };
const INTERRUPTED: WorkEnd = { failed: {}, interrupted: true };

/** Work that ends when the test says so, or when it is told to. */
class Works {
  readonly begun: string[] = [];
  readonly #open = new Map<string, (end: WorkEnd | Error) => void>();
  others = (): number => -1;

  conduct = (
    id: string,
    _: unknown,
    how: { signal: AbortSignal; others: () => number },
  ): Promise<WorkEnd> => {
    this.begun.push(id);
    this.others = how.others;
    return new Promise((resolve, reject) => {
      const end = (what: WorkEnd | Error): void => (what instanceof Error ? reject(what) : resolve(what));
      this.#open.set(id, end);
      how.signal.addEventListener("abort", () => end(INTERRUPTED));
    });
  };

  async end(id: string, what: WorkEnd | Error): Promise<void> {
    this.#open.get(id)?.(what);
    await turn();
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

class Stage {
  readonly works = new Works();
  readonly lines: QueueLine[];
  readonly stop = new AbortController();
  readonly queue: Queue;
  isFull = false;
  ended: Promise<void>;

  constructor(lines: readonly QueueLine[] = []) {
    this.lines = [...lines];
    const book = new QueueBook();
    for (const line of lines) book.apply(line);
    this.queue = new Queue({
      book,
      journal: {
        append: (line) => this.lines.push(line),
        flush: () =>
          this.isFull ? Promise.reject(new ClusterError("storage", "the disk is full")) : Promise.resolve(),
      },
      isThere: () => false,
      isEmulated: false,
      wallClock: () => 1000,
      conduct: this.works.conduct,
      note: () => undefined,
    });
    this.ended = this.queue.conduct(this.stop.signal);
  }

  submit(name: string, key = name): Promise<{ line: { id: string } }> {
    return this.queue.submit("submitter", { key, work: "run", spec: { name } });
  }

  state(id: string): string | undefined {
    const found = this.queue.book.get(id);
    return found === undefined ? undefined : stateOf(found);
  }

  /** Killed: nothing more is written, and the next process reads what is there. */
  restarted(): Stage {
    return new Stage(this.lines);
  }
}

test("work is conducted at once, beside the other, and each end is its own", async () => {
  const stage = new Stage();
  await stage.submit("a");
  await stage.submit("b");
  assert.deepEqual(stage.works.begun, ["a", "b"]);
  assert.equal(stage.works.others(), 1);
  await stage.works.end("a", new ClusterError("diverged", "the loss is no number"));
  assert.deepEqual([stage.state("a"), stage.state("b")], ["failed", "running"]);
  assert.equal(stage.queue.book.get("a")?.end?.exitCode, 4);
  await stage.works.end("b", {
    failed: { t1: { code: "diverged", message: "x", exit_code: 4 } },
    interrupted: false,
  });
  assert.deepEqual([stage.state("b"), stage.queue.book.get("b")?.end?.exitCode], ["done", 6]);
  stage.stop.abort();
  await stage.ended;
});

test("the same request again is the same submission", async () => {
  const stage = new Stage();
  const first = await stage.submit("a", "key");
  const second = await stage.submit("a", "key");
  assert.equal(second, first);
  assert.deepEqual(stage.works.begun, ["a"]);
  assert.equal((await stage.submit("a", "other")).line.id, "a-2");
});

test("a restart goes on with what had not ended, under its name, and with nothing else", async () => {
  const stage = new Stage();
  await stage.submit("a");
  await stage.submit("b");
  await stage.submit("c");
  await stage.works.end("a", DONE);
  // It is told to end, and the coordinator dies before it has.
  void stage.queue.cancel("submitter", "c");
  assert.equal(stage.lines.at(-1)?.kind, "cancelled");
  const again = stage.restarted();
  await turn();
  assert.deepEqual(again.works.begun, ["b"]);
  assert.equal(again.state("c"), "cancelled");
  await again.works.end("b", DONE);
  assert.deepEqual(again.restarted().works.begun, []);
});

test("a stop ends everything at its checkpoints and writes no end, so that the next start goes on", async () => {
  const stage = new Stage();
  await stage.submit("a");
  stage.stop.abort();
  await stage.ended;
  assert.ok(!stage.lines.some(({ kind }) => kind === "ended"));
  assert.deepEqual(stage.restarted().works.begun, ["a"]);
});

test("who submitted it may end it and have it go on; nobody else may", async () => {
  const stage = new Stage();
  await stage.submit("a");
  const other = stage.queue.cancel("submitter-eve", "a");
  await assert.rejects(other, /a was submitted by submitter: nobody else may change it/);
  await stage.queue.cancel("submitter", "a");
  await turn();
  assert.equal(stage.state("a"), "cancelled");
  assert.match(stage.queue.book.get("a")?.end?.message ?? "", /saf submit --resume a/);
  await stage.queue.cancel("submitter", "a");
  assert.equal(stage.lines.filter(({ kind }) => kind === "cancelled").length, 1);
  await stage.queue.resume("submitter", "a");
  assert.deepEqual(stage.works.begun, ["a", "a"]);
  await stage.queue.resume("submitter", "a");
  assert.deepEqual(stage.works.begun, ["a", "a"]);
  await assert.rejects(stage.queue.resume("submitter", "x"), /no submission "x"/);
});

test("what cannot be written is not taken in, not begun, and not taken up by a restart", async () => {
  const stage = new Stage();
  stage.isFull = true;
  await assert.rejects(stage.submit("a"), /the disk is full/);
  assert.deepEqual(stage.works.begun, []);
  // The journal holds its lines back until there is room.
  const again = stage.restarted();
  assert.deepEqual(again.works.begun, []);
  assert.equal(again.state("a"), "failed");
});

test("what has ended well is neither ended nor gone on with", async () => {
  const stage = new Stage();
  await stage.submit("a");
  await stage.works.end("a", DONE);
  assert.equal(stage.state("a"), "done");
  await assert.rejects(stage.queue.cancel("submitter", "a"), /a has ended: done/);
  await assert.rejects(stage.queue.resume("submitter", "a"), /a is done/);
});

test("an evaluation of a submission that is not there is refused at once", async () => {
  const stage = new Stage();
  const submit = (of: string): Promise<{ line: { id: string } }> =>
    stage.queue.submit("submitter", { key: `key-${of}`, work: "evaluation", spec: { of } });
  await assert.rejects(submit("pair"), { code: "usage", message: /no submission "pair" whose weights/ });
  await stage.submit("pair");
  assert.equal((await submit("pair")).line.id, "pair-evaluation");
  assert.deepEqual(stage.works.begun, ["pair", "pair-evaluation"]);
});
