/** Requests for work: who is heard, how much, and where the answer goes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { QueueBook } from "../../../coordinator/queue/book.js";
import { MOST_SPEC_BYTES, openDesk } from "../../../coordinator/queue/desk.js";
import { Queue } from "../../../coordinator/queue/queue.js";
import { PROTOCOL_VERSION, readMessage, type saf, wire, writeMessage } from "../../../shared/messages.js";
import { subjectsOf } from "../../../shared/subjects.js";
import { MemoryBroker, type MemoryBus } from "../../support/memory-bus.js";

const s = subjectsOf("pool");
const LIMIT_MS = 2000;
const KEY = "0123456789abcdef";

interface Desk {
  broker: MemoryBroker;
  book: QueueBook;
  log: string[];
  unheard: string[];
  close(): void;
}

function desk(): Desk {
  const broker = new MemoryBroker();
  const bus = broker.connect("coordinator");
  const book = new QueueBook();
  const log: string[] = [];
  const unheard: string[] = [];
  const queue = new Queue({
    ...{ book, isEmulated: false, isThere: () => false, wallClock: () => 5000, note: () => undefined },
    journal: { append: () => undefined, flush: () => Promise.resolve() },
    conduct: () => new Promise(() => undefined),
  });
  const opened = openDesk({
    ...{ bus, subjects: s, queue },
    folderOf: (id) => `/queue/${id}`,
    linesOf: (_, after) =>
      Promise.resolve(
        [1, 2, 3]
          .filter((number) => number > after)
          .map((number) => ({ number, time: number, level: "info" as const, message: `line ${number}` })),
      ),
    hearing: {
      now: () => 0,
      unheard: (why) => unheard.push(why),
      log: (user, level, text) => log.push(`${user} ${level}: ${text}`),
    },
  });
  return { broker, book, log, unheard, close: () => opened.close() };
}

async function submit(
  bus: MemoryBus,
  user: string,
  request: saf.v1.SubmitRequest.$Properties,
): Promise<saf.v1.SubmitReply> {
  const bytes = writeMessage(wire.SubmitRequest, { protocol: PROTOCOL_VERSION, ...request });
  const reply = readMessage(wire.SubmitReply, await bus.request(s.submit(user), bytes, LIMIT_MS));
  assert.ok(reply);
  return reply;
}

const submission = (spec: unknown, key = KEY, kind = "run"): saf.v1.SubmitRequest.$Properties => ({
  submission: { key, kind, specJson: typeof spec === "string" ? spec : JSON.stringify(spec) },
});

test("a submitter hands in, lists and cancels; an observer lists and follows", async () => {
  const { broker, close } = desk();
  const alice = broker.connect("submitter-alice");
  const taken = await submit(alice, "submitter-alice", submission({ model: "plain" }));
  assert.equal(taken.accepted, true, taken.reason);
  const { id, folder, user, kind, submitted } = taken.entry ?? {};
  assert.deepEqual(
    { id, folder, user, kind, submitted },
    { id: "plain", folder: "/queue/plain", user: "submitter-alice", kind: "run", submitted: 5 },
  );
  const observer = broker.connect("observer");
  const ask = async (request: saf.v1.QueueRequest.$Properties): Promise<saf.v1.QueueReply | undefined> => {
    const bytes = writeMessage(wire.QueueRequest, { protocol: PROTOCOL_VERSION, ...request });
    return readMessage(wire.QueueReply, await observer.request(s.queue("observer"), bytes, LIMIT_MS));
  };
  assert.deepEqual(
    (await ask({ list: {} }))?.entries?.map(({ id }) => id),
    ["plain"],
  );
  const log = await ask({ log: { id: "plain", after: 1 } });
  assert.deepEqual(
    log?.lines?.map(({ message }) => message),
    ["line 2", "line 3"],
  );
  assert.match((await ask({ log: { id: "none" } }))?.reason ?? "", /no submission "none"/);
  const cancelled = await submit(alice, "submitter-alice", { cancel: "plain" });
  assert.equal(cancelled.entry?.state, "cancelling");
  close();
});

test("what is wrong is refused with its reason, and named in the log", async () => {
  const { broker, book, log, close } = desk();
  const eve = broker.connect("submitter");
  const wrong: [saf.v1.SubmitRequest.$Properties, RegExp][] = [
    [submission({ modell: 1 }), /modell/],
    [submission("not json"), /no JSON object/],
    [submission("[1]"), /no JSON object/],
    [submission({}, KEY, "program"), /Expected a run, a sweep or an evaluation, got "program"/],
    [submission({}, "short"), /no key/],
    [submission({ data: { dir: "/etc" } }), /names no files/],
    [{ submission: { ...submission({}).submission, share: 1e9 } }, /share/],
    [{ protocol: PROTOCOL_VERSION + 1, cancel: "a" }, /protocol version/],
    [
      submission(
        `{"name":"deep","list":[{"seed":${"[".repeat(200_000)}${"]".repeat(200_000)}}]}`,
        KEY,
        "sweep",
      ),
      /./,
    ],
    [{ cancel: "../../etc" }, /no submission/],
    [{}, /asks for nothing/],
    [submission({ name: "a".repeat(MOST_SPEC_BYTES) }), /more than 524288 bytes/],
    [submission({ name: "a".repeat(2 * MOST_SPEC_BYTES) }), /has 10\d{5} bytes, and at most/],
  ];
  for (const [request, words] of wrong) {
    const reply = await submit(eve, "submitter", request);
    assert.equal(reply.accepted, false);
    assert.match(reply.reason, words);
  }
  assert.equal(log.length, wrong.length);
  assert.ok(log.every((line) => line.startsWith("submitter warn: Refused what submitter asked:")));
  assert.deepEqual(book.submissions, []);
  // Bytes that are no message.
  const reply = readMessage(
    wire.SubmitReply,
    await eve.request(s.submit("submitter"), Uint8Array.of(255, 255), LIMIT_MS),
  );
  assert.match(reply?.reason ?? "", /damaged/);
  close();
});

test("what is to be answered into another's inbox is not heard, and its sender is named", async () => {
  const { broker, book, log, unheard, close } = desk();
  // A connection with another inbox than its subject says.
  const mallory = broker.connect("worker-1");
  const bytes = writeMessage(wire.SubmitRequest, {
    protocol: PROTOCOL_VERSION,
    ...submission({ model: "plain" }),
  });
  await assert.rejects(mallory.request(s.submit("submitter"), bytes, 50), /timeout/);
  assert.deepEqual(unheard, ["inbox"]);
  assert.deepEqual(log, ["submitter error: Submitter submitter wants an answer sent to another's subject"]);
  assert.deepEqual(book.submissions, []);
  close();
});

test("nobody but a submitter is heard on its subject, and each so often only", async () => {
  const { broker, book, unheard, close } = desk();
  const worker = broker.connect("worker-1");
  const bytes = writeMessage(wire.SubmitRequest, {
    protocol: PROTOCOL_VERSION,
    ...submission({ model: "plain" }),
  });
  await assert.rejects(worker.request(s.submit("worker-1"), bytes, 50), /timeout/);
  const observer = broker.connect("observer");
  await assert.rejects(observer.request(s.submit("observer"), bytes, 50), /timeout/);
  assert.deepEqual(book.submissions, []);
  const eve = broker.connect("submitter");
  for (let i = 0; i < 50; i++) await submit(eve, "submitter", { cancel: "none" });
  await assert.rejects(
    submit(eve, "submitter", { cancel: "none" }).catch((error: Error) => Promise.reject(error)),
    /timeout/,
  );
  assert.deepEqual(unheard, ["busy"]);
  close();
});
