/** What comes in ends nothing, and what goes out goes only to who asked, a bounded amount at a time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Hearing, MOST_BYTES_ON_THE_WAY, MOST_HEARD, MOST_WAITING } from "../../coordinator/hearing.js";
import type { Bus, BusMessage, Subscription } from "../../shared/bus.js";
import { connectNats } from "../../shared/io/nats-bus.js";
import { MemoryBroker } from "../support/memory-bus.js";
import type { Unheard } from "../../shared/metrics.js";
import { subjectsOf } from "../../shared/subjects.js";
import { NO_SERVER, anyServer } from "../deploy/nats-support.js";
import { OpenNats } from "../support/open-nats.js";

const MEBIBYTE = 1024 * 1024;
const s = subjectsOf("pool");

/** A bus to whose server bytes go when the test says so. */
class HeldBus implements Bus {
  readonly connected = true;
  readonly maxPayload = 2 * MEBIBYTE;
  readonly sent: { replyTo: string; bytes: number }[] = [];
  bytesHeld = 0;
  mostHeld = 0;
  #handlers = new Map<string, (message: BusMessage) => void>();
  #flushes: (() => void)[] = [];

  subscribe(pattern: string, handler: (message: BusMessage) => void): Subscription {
    this.#handlers.set(pattern, handler);
    return { unsubscribe: () => this.#handlers.delete(pattern) };
  }

  /** A message arrives. */
  arrive(pattern: string, subject: string, replyTo: string | undefined, data = new Uint8Array(8)): void {
    const respond = (answer: Uint8Array): void => {
      assert.ok(replyTo !== undefined);
      this.bytesHeld += answer.byteLength;
      this.mostHeld = Math.max(this.mostHeld, this.bytesHeld);
      this.sent.push({ replyTo, bytes: answer.byteLength });
    };
    this.#handlers.get(pattern)?.({ subject, data, replyTo, respond });
  }

  /** The server takes all that was sent. */
  async take(): Promise<void> {
    this.bytesHeld = 0;
    for (const resolve of this.#flushes.splice(0)) resolve();
    await new Promise((resolve) => setImmediate(resolve));
  }

  flush(): Promise<void> {
    return new Promise((resolve) => this.#flushes.push(resolve));
  }

  publish(): void {
    assert.fail("it only answers");
  }

  request(): Promise<Uint8Array> {
    return Promise.reject(new Error("it only answers"));
  }

  onConnection(): void {}

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function hearing(bus: Bus, now = (): number => 0): { hearing: Hearing; unheard: Unheard[]; log: string[] } {
  const unheard: Unheard[] = [];
  const log: string[] = [];
  const edges = {
    now,
    unheard: (why: Unheard) => unheard.push(why),
    log: (worker: string, level: string, text: string) => log.push(`${worker} ${level}: ${text}`),
  };
  return { hearing: new Hearing(bus, MOST_HEARD.control, edges), unheard, log };
}

const inboxOf = (worker: string, i = 0): string => `_INBOX.${worker}.mux.${i}`;

test("3000 requests for a mebibyte each hold no more than the bound, and others have their turn", async () => {
  const bus = new HeldBus();
  const { hearing: ear, unheard } = hearing(bus);
  ear.serve(s.dataPattern, () => () => new Uint8Array(MEBIBYTE));
  for (let i = 0; i < 3000; i++) bus.arrive(s.dataPattern, s.data("evil"), inboxOf("evil", i));
  assert.equal(bus.sent.length, MOST_BYTES_ON_THE_WAY / MEBIBYTE);
  assert.equal(unheard.length, 3000 - bus.sent.length - MOST_WAITING);
  assert.deepEqual([...new Set(unheard)], ["busy"]);

  for (let i = 0; i < 4; i++) bus.arrive(s.dataPattern, s.data("good"), inboxOf("good", i));
  const before = bus.sent.length;
  // The first byte's way was asked for alone, then that of all the others.
  await bus.take();
  await bus.take();
  const next = bus.sent.slice(before).map(({ replyTo }) => replyTo.split(".")[1]);
  assert.deepEqual(next.slice(0, 8), ["evil", "good", "evil", "good", "evil", "good", "evil", "good"]);
  for (let i = 0; i < 8; i++) await bus.take();
  assert.equal(bus.sent.length, MOST_BYTES_ON_THE_WAY / MEBIBYTE + MOST_WAITING + 4);
  assert.ok(bus.mostHeld <= MOST_BYTES_ON_THE_WAY, `${bus.mostHeld}`);
  // All is over: who asks now is answered at once.
  bus.arrive(s.dataPattern, s.data("evil"), inboxOf("evil"));
  assert.equal(bus.sent.at(-1)?.bytes, MEBIBYTE);
  ear.stop();
});

test("an answer goes into the speaker's own inbox, wherever it is wanted", () => {
  const bus = new HeldBus();
  const { hearing: ear, unheard, log } = hearing(bus);
  let heard = 0;
  ear.hear(s.joinPattern, ({ answer, speaker }) => {
    assert.equal(speaker, "evil");
    heard++;
    answer(new Uint8Array(1));
  });
  ear.serve(s.dataPattern, () => () => new Uint8Array(1));
  const wanted = [
    s.command("victim"),
    s.all,
    s.parameters(0),
    s.heartbeat("evil"),
    inboxOf("victim"),
    inboxOf("coordinator"),
    "_INBOX.evil",
    "_INBOX.evilone.x",
    "_INBOX.x",
    "$SYS.REQ.SERVER.PING",
  ];
  for (const subject of wanted) {
    bus.arrive(s.joinPattern, s.join("evil"), subject);
    bus.arrive(s.dataPattern, s.data("evil"), subject);
  }
  assert.deepEqual(bus.sent, []);
  assert.equal(heard, wanted.length);
  assert.deepEqual(unheard, new Array(2 * wanted.length).fill("inbox"));
  assert.match(log[0] ?? "", /^evil error: Worker evil wants an answer sent to another's subject/);

  bus.arrive(s.joinPattern, s.join("evil"), inboxOf("evil"));
  bus.arrive(s.joinPattern, s.join("evil"), undefined);
  assert.deepEqual(bus.sent, [{ replyTo: inboxOf("evil"), bytes: 1 }]);
});

test("what goes wrong over a message is counted and told with who sent it, and the next one is heard", () => {
  const bus = new HeldBus();
  const { hearing: ear, unheard, log } = hearing(bus);
  ear.hear(s.pushPattern, ({ data, answer }) => {
    if (data.byteLength === 0) throw new RangeError("x".repeat(10_000));
    answer(new Uint8Array(data.byteLength * MEBIBYTE));
  });
  ear.serve(s.dataPattern, (data) => {
    if (data.byteLength === 1) throw new Error("cannot read");
    return () => {
      throw new Error("cannot make");
    };
  });
  bus.arrive(s.pushPattern, s.push("w1"), inboxOf("w1"), new Uint8Array());
  bus.arrive(s.pushPattern, s.push("w1"), inboxOf("w1"), new Uint8Array(3));
  bus.arrive(s.dataPattern, s.data("w2"), inboxOf("w2"), new Uint8Array(1));
  bus.arrive(s.dataPattern, s.data("w2"), inboxOf("w2"), new Uint8Array(2));
  bus.arrive(s.dataPattern, s.data("w2"), inboxOf("w2"), new Uint8Array(5000)); // no question is so long
  bus.arrive(s.pushPattern, s.push("w1"), inboxOf("w1"), new Uint8Array(2));
  assert.deepEqual(unheard, ["failed", "size", "failed", "failed"]);
  assert.ok(log.every((line) => line.length < 400));
  assert.match(log[1] ?? "", /An answer to worker w1 has 3145728 bytes, NATS takes 2097152/);
  assert.match(log[3] ?? "", /^w2 error: .*cannot make/);
  assert.deepEqual(bus.sent, [{ replyTo: inboxOf("w1"), bytes: 2 * MEBIBYTE }]);
});

test("20,000 messages of one worker at once are mostly not looked at, and another is heard behind them", () => {
  const bus = new HeldBus();
  let nowMs = 0;
  const { hearing: ear, unheard } = hearing(bus, () => nowMs);
  const heard: string[] = [];
  ear.hear(s.joinPattern, ({ speaker }) => heard.push(speaker));
  ear.hear(s.heartbeatPattern, ({ speaker }) => heard.push(speaker));
  for (let i = 0; i < 20_000; i++) bus.arrive(s.joinPattern, s.join("evil"), inboxOf("evil", i));
  bus.arrive(s.heartbeatPattern, s.heartbeat("evil"), undefined);
  bus.arrive(s.heartbeatPattern, s.heartbeat("good"), undefined);
  assert.deepEqual(heard, [...new Array<string>(MOST_HEARD.control.burst).fill("evil"), "good"]);
  assert.deepEqual(unheard, new Array(20_001 - MOST_HEARD.control.burst).fill("busy"));
  nowMs = 10;
  bus.arrive(s.heartbeatPattern, s.heartbeat("evil"), undefined);
  assert.equal(heard.at(-1), "evil", "it is heard again");
});

test("a worker's own connection gets its answers", async () => {
  const broker = new MemoryBroker();
  const { hearing: ear } = hearing(broker.connect("coordinator"));
  ear.serve(s.dataPattern, (data) => () => data.slice());
  const [own, other] = [broker.connect("w1"), broker.connect("w2")];
  assert.equal((await own.request(s.data("w1"), new Uint8Array(7), 5000)).byteLength, 7);
  await assert.rejects(other.request(s.data("w1"), new Uint8Array(7), 50), /timeout/);
});

test(
  "over NATS a flood of requests leaves little unsent, and another worker is answered",
  { timeout: 60_000 },
  async (t) => {
    const binary = await anyServer();
    if (binary === undefined) return t.skip(NO_SERVER);
    const server = await OpenNats.start(binary);
    t.after(() => server.stop());
    const connect = async (identity: string): Promise<Bus> => {
      const bus = await connectNats({ url: server.url, identity, purpose: "bulk", connectTimeoutMs: 10_000 });
      t.after(() => bus.close());
      return bus;
    };
    const [own, evil, good] = [await connect("coordinator"), await connect("evil"), await connect("good")];
    const { hearing: ear, unheard } = hearing(own);
    ear.serve(s.dataPattern, () => () => new Uint8Array(MEBIBYTE));
    await own.flush();
    let most = 0;
    const watching = setInterval(() => (most = Math.max(most, own.pendingBytes ?? 0)), 1);
    const flood = Promise.allSettled(
      Array.from({ length: 3000 }, () => evil.request(s.data("evil"), new Uint8Array(70), 3000)),
    );
    assert.equal((await good.request(s.data("good"), new Uint8Array(70), 3000)).byteLength, MEBIBYTE);
    const answered = (await flood).filter(({ status }) => status === "fulfilled").length;
    clearInterval(watching);
    t.diagnostic(`${answered} answered, ${unheard.length} not heard, at most ${most} bytes unsent`);
    assert.ok(answered >= MOST_BYTES_ON_THE_WAY / MEBIBYTE);
    assert.ok(unheard.length > 1000 && unheard.every((why) => why === "busy"));
    assert.ok(most <= MOST_BYTES_ON_THE_WAY + MEBIBYTE, `${most}`);
  },
);
