import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { DirectoryLocks, LOCK_FILE, refuseLocked } from "../../../coordinator/io/directory-locks.js";
import { realProcesses } from "../../../coordinator/io/process-mark.js";
import { RunDirectory } from "../../../coordinator/io/run-directory.js";
import { DiskStorage } from "../../../coordinator/io/run-storage.js";
import { nextTerm, nextTermIn } from "../../../coordinator/io/term.js";
import type { Clock } from "../../../shared/clock.js";
import { ClusterError } from "../../../shared/errors.js";
import { realClock } from "../../../shared/io/real-clock.js";
import { temporaryDirectory } from "./storage-support.js";

/** A second in five milliseconds. */
const FAST = 200;
const fastClock: Clock = {
  now: () => FAST * realClock.now(),
  after: (delayMs, run) => realClock.after(delayMs / FAST, run),
  every: (periodMs, run) => realClock.every(periodMs / FAST, run),
};

const never = (error: Error): never => assert.fail(error);
const locksOf = (onLost: (error: ClusterError) => void = never, clock = fastClock): DirectoryLocks =>
  new DirectoryLocks({
    ...{ clock, processes: realProcesses, onLost },
    wallClock: () => Date.UTC(2026, 10, 30),
  });

async function refusal(taking: Promise<unknown>): Promise<ClusterError> {
  const error = await taking.then(
    () => assert.fail("it was taken"),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof ClusterError, String(error));
  return error;
}

async function heldDirectory(t: TestContext): Promise<{ directory: string; locks: DirectoryLocks }> {
  const locks = locksOf();
  let directory = "";
  // Before the folder goes: a beat must not find it gone.
  t.after(() => locks.release(directory));
  directory = await temporaryDirectory(t);
  await locks.take(directory);
  return { directory, locks };
}

test("a second writer is refused with the owner's number and time, until the first one gives the lock back", async (t) => {
  const { directory, locks } = await heldDirectory(t);
  const error = await refusal(locksOf().take(directory));
  assert.equal(error.exitCode, 5);
  assert.equal(
    error.message,
    `Cannot write ${directory}: process ${process.pid} on this machine writes it, since 2026-11-30T00:00:00.000Z`,
  );
  assert.match(error.hint ?? "", /wait for it to end/);
  assert.equal((await refusal(refuseLocked(directory, fastClock))).message, error.message);
  await locks.release(directory);
  assert.equal(existsSync(join(directory, LOCK_FILE)), false);
  await refuseLocked(directory, fastClock);
  const next = locksOf();
  await next.take(directory);
  await next.release(directory);
});

test("one process takes a lock as often as it likes, and holds it until the last is given back", async (t) => {
  const { directory, locks } = await heldDirectory(t);
  const storage = new DiskStorage(directory, fastClock, locks);
  await storage.create();
  await storage.release();
  await refusal(locksOf().take(directory));
  await refusal(new DiskStorage(directory, fastClock, locksOf()).create());
});

test("the lock of a killed owner is taken over at once", async (t) => {
  const directory = await temporaryDirectory(t);
  const script = fileURLToPath(new URL("./lock-child.js", import.meta.url));
  const child = spawn(process.execPath, [script, directory], { stdio: ["ignore", "pipe", "inherit"] });
  const closed = once(child, "close");
  await once(child.stdout, "data");
  assert.match(
    (await refusal(locksOf().take(directory))).message,
    new RegExp(`process ${child.pid} on this`),
  );
  child.kill("SIGKILL");
  await closed;
  const began = performance.now();
  const locks = locksOf(never, realClock);
  await refuseLocked(directory, realClock);
  await locks.take(directory);
  assert.ok(performance.now() - began < 1500);
  await locks.release(directory);
});

test("a process of the same number that began later is not the owner", async (t) => {
  const { directory, locks } = await heldDirectory(t);
  const text = await readFile(join(directory, LOCK_FILE), "utf8");
  await locks.release(directory);
  await writeFile(join(directory, LOCK_FILE), text.replace(/"started": "\d+"/, '"started": "1"'));
  if (!existsSync("/proc/self/stat")) return t.skip("the kernel does not say when processes began");
  const next = locksOf();
  await next.take(directory);
  await next.release(directory);
});

const foreign = (beat: number, token = "abc"): string =>
  JSON.stringify({ pid: 1, host: "elsewhere", started: "1", token, since: "2026-11-29T00:00:00.000Z", beat });

test("the lock of another machine holds while its beat changes, and not when it stands still", async (t) => {
  const directory = await temporaryDirectory(t);
  const file = join(directory, LOCK_FILE);
  await writeFile(file, foreign(1));
  let beat = 1;
  // Between any two looks, however late they come on a busy machine.
  const beating: Clock = {
    ...fastClock,
    after: (delayMs, run) =>
      fastClock.after(delayMs, () => {
        writeFileSync(file, foreign(++beat));
        run();
      }),
  };
  const asking = locksOf(never, beating);
  // A lock that is taken all the same beats, and keeps the process.
  t.after(() => asking.release(directory));
  const error = await refusal(asking.take(directory));
  assert.match(error.message, /process 1 of another machine or container writes it, since 2026-11-29/);
  const began = fastClock.now();
  const locks = locksOf();
  await locks.take(directory);
  assert.ok(fastClock.now() - began > 15_000, "it looked long enough");
  await locks.release(directory);
});

test("a lock file that was torn is nobody's after a while", async (t) => {
  const directory = await temporaryDirectory(t);
  await writeFile(join(directory, LOCK_FILE), "");
  const locks = locksOf();
  await locks.take(directory);
  await locks.release(directory);
});

test("a process that died while it took a lock over is in nobody's way", async (t) => {
  const directory = await temporaryDirectory(t);
  await writeFile(join(directory, LOCK_FILE), foreign(1));
  await writeFile(join(directory, `${LOCK_FILE}.claim`), foreign(1, "def"));
  const locks = locksOf();
  await locks.take(directory);
  await locks.release(directory);
  assert.equal(existsSync(join(directory, `${LOCK_FILE}.claim`)), false);
});

test("of several that take over a dead lock at the same time, one has it", async (t) => {
  for (let round = 0; round < 5; round++) {
    const directory = await temporaryDirectory(t);
    await writeFile(join(directory, LOCK_FILE), foreign(1));
    const all = Array.from({ length: 4 }, () => locksOf());
    const ends = await Promise.allSettled(all.map((locks) => locks.take(directory)));
    const winners = ends.filter(({ status }) => status === "fulfilled");
    assert.equal(winners.length, 1, JSON.stringify(ends));
    await Promise.all(all.map((locks) => locks.release(directory)));
  }
});

test("an owner whose lock is taken away hears of it", async (t) => {
  const directory = await temporaryDirectory(t);
  const lost = new Promise<ClusterError>((resolve) => {
    const locks = locksOf(resolve);
    t.after(() => locks.release(directory));
    void locks.take(directory).then(() => writeFile(join(directory, LOCK_FILE), foreign(1)));
  });
  assert.match((await lost).message, /was taken away: process 1 of another machine/);
});

test("a term grows when the clock has stepped back, and is never given twice", async (t) => {
  const directory = new DiskStorage(await temporaryDirectory(t), realClock);
  assert.equal(await nextTerm(directory, 1000.7), 1000);
  assert.equal(await nextTerm(directory, 1000.9), 1001);
  assert.equal(await nextTerm(directory, 5), 1002);
  assert.equal(await nextTerm(directory, 2000), 2000);
  await writeFile(directory.file("term.json"), '{"term":1e99}');
  await assert.rejects(nextTerm(directory, 3000), { code: "data" });
});

test("a pool's term never falls from one run to the next, whatever the clock does", async (t) => {
  const [first, second, pool] = [
    new RunDirectory(await temporaryDirectory(t)),
    new RunDirectory(await temporaryDirectory(t)),
    new RunDirectory(await temporaryDirectory(t)),
  ];
  assert.equal(await nextTermIn(first, pool, 5000), 5000);
  // The clock steps back before the next run, which has no term of its own yet.
  const later = await nextTermIn(second, pool, 10);
  assert.ok(later > 5000, `${later}`);
  // A run that was elsewhere meanwhile, and has a higher one.
  await nextTerm(first, 9000);
  const back = await nextTermIn(first, pool, 20);
  assert.ok(back > 9000, `${back}`);
  assert.ok((await nextTermIn(second, pool, 30)) > back);
  assert.equal(await nextTermIn(new RunDirectory(await temporaryDirectory(t)), undefined, 7), 7);
});

test("what a list of runs works on is not written beside it, not even between two of its runs", async (t) => {
  const { directory: list, locks } = await heldDirectory(t);
  const member = join(list, "plain");
  const storage = new DiskStorage(member, fastClock, locks);
  await storage.create();
  await storage.release();
  const takings = [
    () => refuseLocked(member, fastClock),
    () => locksOf().take(member),
    () => new DiskStorage(member, fastClock, locksOf()).create(),
  ];
  for (const taking of takings) {
    const error = await refusal(taking());
    assert.equal(error.exitCode, 5);
    assert.equal(
      error.message,
      `Cannot write ${member}: process ${process.pid} on this machine works on all runs in ${list}, since 2026-11-30T00:00:00.000Z`,
    );
  }
  await storage.create();
  await storage.release();
  await locks.release(list);
  const next = locksOf();
  await next.take(member);
  await next.release(member);
});

test("nothing is written into a directory whose lock was not taken, or was given back", async (t) => {
  const directory = await temporaryDirectory(t);
  const storage = new DiskStorage(directory, fastClock, locksOf());
  const writes: (() => unknown)[] = [
    () => storage.writeJson("result.json", {}),
    () => storage.writeText("config.yaml", () => ""),
    () => storage.remove("error.json"),
    () => storage.openJournal("ledger.jsonl", () => undefined),
    () =>
      storage.trimJournal(
        "ledger.jsonl",
        () => true,
        () => undefined,
      ),
  ];
  const refused = async (): Promise<void> => {
    for (const write of writes)
      await assert.rejects(async () => write(), /Cannot write .*: its directory is not locked/);
  };
  await refused();
  await storage.create();
  await storage.writeJson("result.json", {});
  await storage.release();
  await refused();
});
