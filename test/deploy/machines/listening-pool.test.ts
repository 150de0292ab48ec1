/** A pool that machines may join, with a real nats-server, TLS, and a machine that takes the token's way in. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdir, readdir, stat } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { type TestContext, describe, test } from "node:test";
import { attachPool, takePool } from "../../../deploy/machines/attached-pool.js";
import { type EnrolledMachine, enrolMachine } from "../../../deploy/machines/enrol.js";
import { findAuthority } from "../../../deploy/machines/find-authority.js";
import {
  type ListenOptions,
  type ListeningPool,
  startListeningPool,
} from "../../../deploy/machines/listening-pool.js";
import { readToken } from "../../../deploy/machines/token.js";
import { writeSecret } from "../../../deploy/credentials/secret-file.js";
import type { Bus } from "../../../shared/bus.js";
import { ClusterError } from "../../../shared/errors.js";
import { connectNats } from "../../../shared/io/nats-bus.js";
import { realClock } from "../../../shared/io/real-clock.js";
import { inboxPrefix, subjectsOf } from "../../../shared/subjects.js";
import { programs, temporaryDirectory } from "../../support/cluster.js";
import { within } from "../nats-support.js";

const LIMIT = { timeout: 60_000 };
const HOUR_MS = 3_600_000;
const subjects = subjectsOf("local");

async function opened(
  t: TestContext,
  home: string,
  change: Partial<ListenOptions> = {},
): Promise<ListeningPool> {
  const { nats } = await programs();
  const pool = await startListeningPool({
    ...{ home, binary: nats, place: { host: "127.0.0.1", port: undefined }, tokenLifeMs: 24 * HOUR_MS },
    ...{ fresh: false, clock: realClock, wallClock: () => Date.now(), onNote: () => undefined },
    ...change,
  });
  t.after(() => pool.close());
  return pool;
}

/** What `saf join` does before it starts workers. */
async function comeBy(
  text: string,
  home: string,
  workers = 1,
): Promise<EnrolledMachine & { url: string; caFile: string }> {
  const token = readToken(text);
  const { address, authority } = await findAuthority(token.addresses, token.authority);
  await mkdir(home, { recursive: true, mode: 0o700 });
  const caFile = join(home, "authority.crt");
  await writeSecret(caFile, authority);
  const url = `tls://${address.host}:${address.port}`;
  const clock = realClock;
  return { ...(await enrolMachine({ token, url, caFile, home, host: "lab", workers, clock })), url, caFile };
}

async function connected(
  t: TestContext,
  identity: string,
  access: { url: string; caFile: string; seedFile: string },
): Promise<{ bus: Bus; refusal: (words: RegExp) => Promise<void> }> {
  const refused: string[] = [];
  let look = (): void => undefined;
  const bus = await connectNats({
    ...{ ...access, identity, purpose: "test", connectTimeoutMs: 5000 },
    onPermissionError: (message) => {
      refused.push(message);
      look();
    },
  });
  t.after(() => bus.close());
  const refusal = (words: RegExp): Promise<void> =>
    within(
      10_000,
      `a refusal like ${words}, not ${refused.join("; ")}`,
      new Promise((resolve) => {
        look = () => refused.some((each) => words.test(each)) && resolve();
        look();
      }),
    );
  return { bus, refusal };
}

const isRefused = (words: RegExp) => (error: unknown) =>
  error instanceof ClusterError &&
  error.code === "dependency" &&
  words.test(`${error.message} ${error.hint ?? ""}`);

describe("a machine with a token", () => {
  test(
    "gets names and rights for its workers; the seeds stay with it, and nothing is readable by others",
    LIMIT,
    async (t) => {
      const folder = await temporaryDirectory(t);
      const pool = await opened(t, join(folder, "pool"));
      const home = join(folder, "machine");
      const beganMs = performance.now();
      const machine = await comeBy(pool.token, home, 2);
      assert.ok(performance.now() - beganMs < 15_000, "the first answer was lost, and asked for again");
      assert.deepEqual(
        machine.workers.map(({ name }) => name),
        ["lab-1", "lab-2"],
      );
      const [first] = machine.workers;
      const { caFile, url } = machine;
      const worker = await connected(t, "lab-1", { caFile, url, seedFile: first?.seedFile ?? "" });
      const { seedFile } = pool.server.credentials.coordinator;
      const coordinator = await connected(t, "coordinator", {
        caFile: pool.caFile,
        url: pool.server.url,
        seedFile,
      });
      const heard = new Promise<string>((resolve) => {
        coordinator.bus.subscribe(subjects.heartbeatPattern, ({ subject }) => resolve(subject));
      });
      await coordinator.bus.flush();
      worker.bus.publish(subjects.heartbeat("lab-2"), Uint8Array.of(1));
      worker.bus.publish(subjects.heartbeat("lab-1"), Uint8Array.of(1));
      assert.equal(await heard, subjects.heartbeat("lab-1"));
      await worker.refusal(/publish on .*hb\.lab-2/);

      assert.ok(!(await readdir(home)).includes("guest.seed"));
      for (const each of [home, join(folder, "pool")]) {
        for (const entry of await readdir(each, { recursive: true, withFileTypes: true })) {
          const { mode } = await stat(join(entry.parentPath, entry.name));
          if (/\.(seed|key)$/.test(entry.name)) assert.equal(mode & 0o077, 0, entry.name);
        }
        assert.equal((await stat(each)).mode & 0o077, 0, each);
      }
    },
  );

  test("may enrol and do nothing else", LIMIT, async (t) => {
    const folder = await temporaryDirectory(t);
    const pool = await opened(t, join(folder, "pool"));
    const seedFile = join(folder, "guest.seed");
    await writeSecret(seedFile, readToken(pool.token).seed);
    const guest = await connected(t, "guest", { url: pool.server.url, caFile: pool.caFile, seedFile });
    const said = [subjects.join("worker-1"), subjects.all, subjects.command("worker-1"), "anything"];
    const wanted = [
      subjects.eventPattern,
      "saf.v1.local.>",
      `${inboxPrefix("worker-1")}.>`,
      subjects.enrol,
      ">",
    ];
    for (const subject of said) guest.bus.publish(subject, Uint8Array.of(1));
    for (const subject of wanted) guest.bus.subscribe(subject, () => undefined);
    await guest.bus.flush();
    for (const subject of [...said, ...wanted])
      await guest.refusal(new RegExp(` on ${subject.replace(/[.*]/g, "\\$&")}$`));
  });

  test(
    "comes back under its names after the pool was started again, at the same place, by the same token",
    LIMIT,
    async (t) => {
      const folder = await temporaryDirectory(t);
      const home = join(folder, "machine");
      const before = await opened(t, join(folder, "pool"));
      const { workers } = await comeBy(before.token, home, 1);
      await before.close();
      const after = await opened(t, join(folder, "pool"));
      assert.equal(after.token, before.token);
      const [first] = workers;
      await connected(t, "lab-1", {
        ...{ url: after.server.url, caFile: join(home, "authority.crt"), seedFile: first?.seedFile ?? "" },
      });
      const again = await comeBy(after.token, home, 2);
      assert.deepEqual(
        again.workers.map(({ name }) => name),
        ["lab-1", "lab-2"],
      );
    },
  );
});

describe("what is wrong with a token is said in words", () => {
  test("nobody listens there, or something else does, or it never answers", LIMIT, async (t) => {
    const fingerprint = new Uint8Array(32);
    const at = (port: number): Promise<unknown> => findAuthority([{ host: "127.0.0.1", port }], fingerprint);
    await assert.rejects(at(1), isRefused(/127\.0\.0\.1:1: nobody listens there.*firewall/));
    const server = createServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n"));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    t.after(() => void server.close());
    await assert.rejects(at((server.address() as AddressInfo).port), isRefused(/is no nats-server/));
  });

  test("the server is another one; nothing is said to it", LIMIT, async (t) => {
    const folder = await temporaryDirectory(t);
    const pool = await opened(t, join(folder, "pool"));
    await assert.rejects(
      findAuthority(pool.addresses, new Uint8Array(32)),
      isRefused(/another authority than the token names.*nothing was said to it/),
    );
    // One that is reached by the wrong way does not hide the right one behind it.
    const [address] = pool.addresses;
    assert.ok(address);
    const found = await findAuthority([{ host: "127.0.0.1", port: 1 }, address], pool.authority);
    assert.deepEqual(found.address, address);
  });

  test("it is over: by the pool's clock, and after another one was made", LIMIT, async (t) => {
    const folder = await temporaryDirectory(t);
    let now = Date.now();
    const clock = { wallClock: () => now };
    const before = await opened(t, join(folder, "pool"), clock);
    now += 25 * HOUR_MS;
    await assert.rejects(comeBy(before.token, join(folder, "machine")), isRefused(/its token is over/));
    await before.close();
    const after = await opened(t, join(folder, "pool"), clock);
    assert.notEqual(after.token, before.token);
    await assert.rejects(
      comeBy(before.token, join(folder, "machine")),
      isRefused(/refused the token.*it was good until .* UTC/),
    );
  });

  test("the pool was begun anew: its authority is another", LIMIT, async (t) => {
    const folder = await temporaryDirectory(t);
    const before = await opened(t, join(folder, "pool"));
    await comeBy(before.token, join(folder, "machine"));
    await before.close();
    const after = await opened(t, join(folder, "pool"), { fresh: true });
    await assert.rejects(comeBy(before.token, join(folder, "machine")), isRefused(/another authority/));
    assert.deepEqual((await comeBy(after.token, join(folder, "other"))).workers.length, 1);
  });
});

test("a machine leads one pool, and the pool serves one run at a time", LIMIT, async (t) => {
  const home = join(await temporaryDirectory(t), "pool");
  assert.equal(await attachPool(home), undefined);
  const pool = await opened(t, home);
  await assert.rejects(opened(t, home), isRefused(/runs here already/));
  const attached = await attachPool(home);
  assert.equal(attached?.server.url, pool.server.url);
  assert.throws(() => attached?.server.credentials.worker("worker-999"), /no key for worker-999/);
  const leave = await takePool(home, realClock);
  await assert.rejects(takePool(home, realClock), isRefused(/serves another run.*--alone/));
  leave();
  (await takePool(home, realClock))();
  await pool.close();
  assert.equal(await attachPool(home), undefined);
});
