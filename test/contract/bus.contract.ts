/** What every Bus must do; bus.test.ts runs it on the one in memory and on NATS. */
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { type Bus, type BusMessage, RequestError, type RequestFailure } from "../../shared/bus.js";
import { ClusterError } from "../../shared/errors.js";

/** One broker, to which several clients connect. */
export interface World {
  connect(): Promise<Bus>;
  /** The broker dies without a word. */
  interrupt(): Promise<void>;
  /** It comes back; clients return by themselves. */
  restore(): Promise<void>;
}

const TIMEOUT = { timeout: 30_000 };
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const decode = (data: Uint8Array): string => new TextDecoder().decode(data);
/** Subjects of a cluster's own name space: NATS gives rights to nothing else. */
const subject = (name: string): string => `saf.v1.pool.${name}`;

const failedBy = (failure: RequestFailure) => (error: unknown) => {
  assert.ok(error instanceof RequestError, `not a RequestError: ${String(error)}`);
  assert.equal(error.failure, failure);
  return true;
};
const isTooLarge = (error: unknown): boolean =>
  error instanceof ClusterError && error.code === "protocol" && /\d+ bytes/.test(error.message);

/** What was published before this has been handled, or will never be: first the sender's side, then the receiver's. */
async function settle(...buses: Bus[]): Promise<void> {
  for (const bus of [...buses, ...buses]) await bus.flush();
}

/** Subscribes and keeps "subject=text" of what comes. */
function collect(bus: Bus, pattern: string): string[] {
  const found: string[] = [];
  bus.subscribe(pattern, ({ subject: name, data }) =>
    found.push(`${name.replace("saf.v1.pool.", "")}=${decode(data)}`),
  );
  return found;
}

/** Resolves at the next announcement of this state. */
function nextConnection(bus: Bus, state: boolean): Promise<void> {
  return new Promise((resolve) => {
    bus.onConnection((connected) => {
      if (connected === state) resolve();
    });
  });
}

export function busContract(title: string, worldOf: () => World | undefined, reason: string): void {
  /** A test with a client for each of the body's parameters after the first, closed afterwards. */
  const contract = (
    name: string,
    body: (world: World, a: Bus, b: Bus, t: TestContext) => Promise<void>,
  ): void => {
    test(`${title}: ${name}`, TIMEOUT, async (t) => {
      const world = worldOf();
      if (world === undefined) return t.skip(reason);
      const [a, b] = [await world.connect(), await world.connect()];
      t.after(() => Promise.all([a.close(), b.close()]));
      await body(world, a, b, t);
    });
  };

  contract(
    "a message reaches every subscription whose pattern matches, the sender's own too, and no other",
    async (_, a, b) => {
      const exact = collect(b, subject("x.one"));
      const star = collect(b, subject("x.*"));
      const rest = collect(a, subject("x.>"));
      const other = collect(b, subject("y.*"));
      await settle(a, b);
      for (const name of ["x.one", "x.two", "x.one.deep", "x", "y.one"])
        a.publish(subject(name), encode("!"));
      await settle(a, b);
      assert.deepEqual(exact, ["x.one=!"]);
      assert.deepEqual(star, ["x.one=!", "x.two=!"]);
      assert.deepEqual(rest, ["x.one=!", "x.two=!", "x.one.deep=!"]);
      assert.deepEqual(other, ["y.one=!"]);
    },
  );

  contract("what one client publishes arrives in order, over all its subjects and sizes", async (_, a, b) => {
    const found: number[] = [];
    b.subscribe(subject("order.*"), ({ data }) => {
      const copy = data.slice();
      found.push(new DataView(copy.buffer, copy.byteOffset).getUint32(0));
    });
    await settle(b);
    for (let i = 0; i < 3000; i++) {
      const data = new Uint8Array(4 + ((i * 7919) % (i % 100 === 0 ? 200_000 : 300)));
      new DataView(data.buffer).setUint32(0, i);
      a.publish(subject(`order.${i % 5}`), data);
      if (i % 500 === 0) await a.flush();
    }
    await settle(a, b);
    assert.deepEqual(found, [...new Array(3000).keys()]);
  });

  contract(
    "after unsubscribing nothing more is delivered, and other subscriptions go on",
    async (_, a, b) => {
      const gone: string[] = [];
      const subscription = b.subscribe(subject("u"), ({ data }) => gone.push(decode(data)));
      const stays = collect(b, subject("u"));
      await settle(a, b);
      a.publish(subject("u"), encode("1"));
      await settle(a, b);
      subscription.unsubscribe();
      subscription.unsubscribe();
      await settle(b);
      a.publish(subject("u"), encode("2"));
      await settle(a, b);
      assert.deepEqual(gone, ["1"]);
      assert.deepEqual(stays, ["u=1", "u=2"]);
    },
  );

  contract(
    "a subscription may end itself, start others and publish from within its handler",
    async (_, a, b) => {
      const found: string[] = [];
      const once = b.subscribe(subject("first"), ({ data }) => {
        once.unsubscribe();
        found.push(decode(data));
        b.subscribe(subject("second"), (message) => found.push(decode(message.data)));
        b.publish(subject("second"), encode("from within"));
      });
      await settle(b);
      a.publish(subject("first"), encode("1"));
      a.publish(subject("first"), encode("2"));
      await settle(a, b);
      await settle(b);
      assert.deepEqual(found, ["1", "from within"]);
    },
  );

  contract("the bytes may be changed after one await", async (_, a, b) => {
    const found = collect(b, subject("bytes"));
    b.subscribe(subject("ask"), (message) => message.respond(message.data.slice().reverse()));
    await settle(b);
    const data = encode("original");
    a.publish(subject("bytes"), data);
    a.publish(subject("bytes"), data.subarray(2, 5));
    await Promise.resolve();
    data.fill(0);
    const question = encode("abc");
    const answer = a.request(subject("ask"), question, 5000);
    await Promise.resolve();
    question.fill(0);
    assert.equal(decode(await answer), "cba");
    await settle(a, b);
    assert.deepEqual(found, ["bytes=original", "bytes=igi"]);
  });

  contract("a request is answered, at once or later, also by nothing at all", async (_, a, b) => {
    b.subscribe(subject("echo"), (message) => message.respond(message.data.slice()));
    b.subscribe(subject("later"), (message) => {
      const data = message.data.slice();
      setImmediate(() => setImmediate(() => message.respond(data)));
    });
    await settle(b);
    assert.equal(decode(await a.request(subject("echo"), encode("hello"), 5000)), "hello");
    assert.equal(decode(await a.request(subject("later"), encode("hello"), 5000)), "hello");
    assert.equal((await a.request(subject("echo"), new Uint8Array(), 5000)).byteLength, 0);
    assert.equal(decode(await b.request(subject("echo"), encode("own"), 5000)), "own");
  });

  contract("a request names the inbox that its answer goes to, a plain message none", async (_, a, b) => {
    const inboxes: (string | undefined)[] = [];
    b.subscribe(subject("named"), (message) => {
      inboxes.push(message.replyTo);
      message.respond(encode("ok"));
    });
    await settle(b);
    a.publish(subject("named"), encode("plain"));
    await a.request(subject("named"), encode("?"), 5000);
    await settle(a, b);
    assert.equal(inboxes.length, 2);
    assert.equal(inboxes[0], undefined);
    assert.match(inboxes[1] ?? "", /^_INBOX\.[a-z0-9-]+\../);
  });

  contract("many requests at the same time each get their own answer", async (_, a, b) => {
    b.subscribe(subject("square"), (message) => {
      const value = Number(decode(message.data));
      const answer = (): void => message.respond(encode(String(value * value)));
      if (value % 2 === 0) answer();
      else setImmediate(answer);
    });
    await settle(b);
    const values = [...new Array(200).keys()];
    const answers = await Promise.all(
      values.map((value) => a.request(subject("square"), encode(String(value)), 5000)),
    );
    assert.deepEqual(
      answers.map((answer) => Number(decode(answer))),
      values.map((value) => value * value),
    );
  });

  contract("the first of several answers counts", async (_, a, b) => {
    b.subscribe(subject("both"), (message) => {
      message.respond(encode("first"));
      message.respond(encode("second"));
    });
    await settle(b);
    assert.equal(decode(await a.request(subject("both"), encode("?"), 5000)), "first");
    assert.equal(decode(await a.request(subject("both"), encode("?"), 5000)), "first");
  });

  contract("a request that nobody serves fails at once", async (_, a) => {
    const began = performance.now();
    await assert.rejects(a.request(subject("nobody"), encode("?"), 20_000), failedBy("no-responders"));
    assert.ok(performance.now() - began < 10_000);
  });

  contract("a request that nobody answers in time fails, and a late answer does no harm", async (_, a, b) => {
    const asked: BusMessage[] = [];
    b.subscribe(subject("silent"), (message) => asked.push(message));
    await settle(b);
    await assert.rejects(a.request(subject("silent"), encode("?"), 50), failedBy("timeout"));
    asked[0]?.respond(encode("late"));
    const next = a.request(subject("silent"), encode("!"), 5000);
    await settle(a, b);
    asked[1]?.respond(encode("in time"));
    assert.equal(decode(await next), "in time");
  });

  contract("answering a plain message does nothing", async (_, a, b) => {
    let handled = 0;
    b.subscribe(subject("plain"), (message) => {
      message.respond(encode("unasked"));
      handled++;
    });
    const everything = collect(b, subject(">"));
    await settle(b);
    a.publish(subject("plain"), encode("x"));
    await settle(a, b);
    assert.equal(handled, 1);
    assert.deepEqual(everything, ["plain=x"]);
  });

  contract(
    "the largest payload passes, one byte more is an error before anything is sent",
    async (_, a, b) => {
      const lengths: number[] = [];
      b.subscribe(subject("large"), (message) => {
        lengths.push(message.data.byteLength);
        message.respond(encode("ok"));
      });
      await settle(b);
      assert.ok(a.maxPayload >= 1024 * 1024, `${a.maxPayload}`);
      const fits = new Uint8Array(a.maxPayload);
      const tooLarge = new Uint8Array(a.maxPayload + 1);
      a.publish(subject("large"), fits);
      assert.throws(() => a.publish(subject("large"), tooLarge), isTooLarge);
      await assert.rejects(a.request(subject("large"), tooLarge, 5000), isTooLarge);
      assert.equal(decode(await a.request(subject("large"), fits, 5000)), "ok");
      await settle(a, b);
      assert.deepEqual(lengths, [a.maxPayload, a.maxPayload]);
    },
  );

  contract(
    "an answer that is too large is the answerer's error, and the connection lives on",
    async (_, a, b) => {
      const errors: unknown[] = [];
      b.subscribe(subject("big"), (message) => {
        try {
          message.respond(new Uint8Array(b.maxPayload + 1));
        } catch (error) {
          errors.push(error);
        }
        message.respond(encode("small"));
      });
      await settle(b);
      assert.equal(decode(await a.request(subject("big"), encode("?"), 5000)), "small");
      assert.ok(errors.length === 1 && isTooLarge(errors[0]), String(errors[0]));
    },
  );

  contract(
    "after closing nothing is delivered, sent or asked any more, and closing again is harmless",
    async (_, a, b) => {
      const found = collect(b, subject("c"));
      await settle(b);
      a.publish(subject("c"), encode("1"));
      await settle(a, b);
      await b.close();
      await b.close();
      assert.equal(b.connected, false);
      a.publish(subject("c"), encode("2"));
      await settle(a);
      await assert.rejects(a.request(subject("c"), encode("?"), 5000), failedBy("no-responders"));
      assert.deepEqual(found, ["c=1"]);

      const heard = collect(a, subject(">"));
      b.publish(subject("c"), encode("3"));
      await assert.rejects(b.request(subject("c"), encode("?"), 5000), failedBy("closed"));
      b.subscribe(subject("c"), () => assert.fail("delivered after closing")).unsubscribe();
      await b.flush();
      await settle(a);
      assert.deepEqual(heard, []);
    },
  );

  contract("closing fails the requests that are still open, at once", async (_, a, b) => {
    b.subscribe(subject("silent"), () => undefined);
    await settle(b);
    const open = a.request(subject("silent"), encode("?"), 20_000);
    const failed = assert.rejects(open, failedBy("closed"));
    await settle(a);
    const began = performance.now();
    await a.close();
    await failed;
    assert.ok(performance.now() - began < 10_000);
  });

  contract("closing is no loss of the connection", async (_, a) => {
    const announced: boolean[] = [];
    a.onConnection((connected) => announced.push(connected));
    await a.close();
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(announced, []);
  });

  contract(
    "when the broker dies both sides are told, and told again when it is back, with their subscriptions",
    async (world, a, b) => {
      const announced: boolean[] = [];
      a.onConnection((connected) => announced.push(connected));
      const found = collect(b, subject("news"));
      b.subscribe(subject("ask"), (message) => message.respond(encode("here")));
      await settle(a, b);
      assert.ok(a.connected && b.connected);

      const lost = Promise.all([nextConnection(a, false), nextConnection(b, false)]);
      await world.interrupt();
      await lost;
      assert.ok(!a.connected && !b.connected);
      await assert.rejects(a.request(subject("ask"), encode("?"), 20_000), failedBy("disconnected"));
      a.publish(subject("news"), encode("lost"));
      await a.flush();

      const back = Promise.all([nextConnection(a, true), nextConnection(b, true)]);
      await world.restore();
      await back;
      assert.ok(a.connected && b.connected);
      await settle(b);
      a.publish(subject("news"), encode("after"));
      await settle(a, b);
      assert.deepEqual(found, ["news=after"]);
      assert.equal(decode(await a.request(subject("ask"), encode("?"), 5000)), "here");
      assert.deepEqual(announced, [false, true]);
    },
  );

  contract("a request that is open when the broker dies fails, and a flush ends", async (world, a, b) => {
    b.subscribe(subject("silent"), () => undefined);
    await settle(b);
    const lost = nextConnection(a, false);
    const failed = assert.rejects(a.request(subject("silent"), encode("?"), 1000), RequestError);
    await a.flush();
    const flushed = a.flush();
    await world.interrupt();
    await Promise.all([failed, flushed, lost]);
    const back = Promise.all([nextConnection(a, true), nextConnection(b, true)]);
    await world.restore();
    await back;
  });

  contract("an answer given while the broker is away is lost", async (world, a, b) => {
    const asked: BusMessage[] = [];
    const arrived = new Promise<void>((resolve) => {
      b.subscribe(subject("held"), (message) => {
        asked.push(message);
        resolve();
      });
    });
    await settle(b);
    const failed = assert.rejects(a.request(subject("held"), encode("?"), 2000), failedBy("timeout"));
    await arrived;
    const lost = Promise.all([nextConnection(a, false), nextConnection(b, false)]);
    await world.interrupt();
    await lost;
    asked[0]?.respond(encode("lost"));
    const back = Promise.all([nextConnection(a, true), nextConnection(b, true)]);
    await world.restore();
    await back;
    await failed;
  });
}
