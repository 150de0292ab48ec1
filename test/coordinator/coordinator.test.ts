import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type saf, wire, writeMessage } from "../../shared/messages.js";
import { SEED, randomNumbers } from "../support/draws.js";
import { HEARTBEAT_MS, type HandCluster, QUARANTINE, handCoordinator } from "../support/hand-coordinator.js";
import { type HandWorker, weightsAfter } from "../support/hand-worker.js";
import { hashOf } from "../../shared/io/hash.js";

const LIMIT = { timeout: 60_000 };
const STEPS = 3;
const LEASES = "saf_leases_total";

async function checkWeights(cluster: HandCluster): Promise<void> {
  await cluster.trained;
  assert.deepEqual(
    cluster.committed.map(({ step }) => step),
    Array.from({ length: STEPS }, (_, step) => step),
  );
  assert.equal(hashOf(cluster.job.snapshot().parameters), hashOf(weightsAfter(cluster.hand, STEPS)));
  assert.deepEqual(cluster.failures, []);
}

/** Two workers, each with one of the two slots of step 1. `isSlow`: step 0 took long, so that nobody seems late soon. */
async function sharedStep(
  cluster: HandCluster,
  { isSlow } = { isSlow: false },
): Promise<{ one: HandWorker; two: HandWorker; first: saf.v1.BlockLease; second: saf.v1.BlockLease }> {
  const [one, two] = [await cluster.joined("worker-1"), await cluster.joined("worker-2")];
  const whole = await one.lease();
  for (let times = 0; isSlow && times < 3; times++) {
    await cluster.jump(2 * HEARTBEAT_MS, () => {
      one.beat({ leaseId: whole.leaseId });
      two.beat();
    });
    await cluster.ticks(2);
  }
  await one.serve(whole);
  const [first, second] = [await one.lease(), await two.lease()];
  assert.deepEqual([first.step, second.step], [1, 1]);
  return { one, two, first, second };
}

/** Serves its own lease; then the other's block must come to it, and everything that is left. */
async function takesOver(worker: HandWorker, own: saf.v1.BlockLease, left: saf.v1.BlockLease): Promise<void> {
  await worker.serve(own);
  const taken = await worker.lease();
  assert.deepEqual(
    { step: taken.step, firstSlot: taken.firstSlot, attempt: taken.attempt },
    { step: left.step, firstSlot: left.firstSlot, attempt: left.attempt + 1 },
  );
  await worker.serve(taken);
  await worker.serveUntil(STEPS);
}

describe("a block goes to another worker", () => {
  test("when its worker is silent for three heartbeats", LIMIT, async (t) => {
    const cluster = await handCoordinator(t, { leaseFloorMs: 600_000 });
    const { one, two, first, second } = await sharedStep(cluster, { isSlow: true });
    one.send(one.rightFrames(first).slice(0, 4));
    await two.serve(second);
    cluster.nowMs += 2.5 * HEARTBEAT_MS;
    two.beat();
    await cluster.ticks(2);
    cluster.nowMs += HEARTBEAT_MS;

    const taken = await two.lease();

    assert.deepEqual([taken.step, taken.firstSlot, taken.attempt], [1, first.firstSlot, 2]);
    assert.equal(one.hasLease, false, "the lost worker was offered its own block again");
    assert.ok(cluster.log.some((line) => /^Worker worker-1 is lost: no heartbeat for \d+ ms$/.test(line)));
    await two.serve(taken);
    await two.serveUntil(STEPS);
    await checkWeights(cluster);
    assert.equal((await cluster.counted(LEASES))["lost"], 1);
  });

  test("when its worker leaves", LIMIT, async (t) => {
    const cluster = await handCoordinator(t);
    const { one, two, first, second } = await sharedStep(cluster);

    one.giveBack(first.leaseId, true);
    await takesOver(two, second, first);

    assert.equal(one.hasLease, false, "the worker that left was offered its own block again");
    assert.ok(cluster.log.includes("Worker worker-1 left: by hand"));
    assert.equal(cluster.coordinator.workerCount, 1);
    await checkWeights(cluster);
  });

  test("when its deadline is over; the late copy does no harm", LIMIT, async (t) => {
    const cluster = await handCoordinator(t);
    const { one, two, first, second } = await sharedStep(cluster);
    await two.serve(second);
    // Longer than the deadline's floor of 50 ms, shorter than three heartbeats.
    cluster.nowMs += 2.5 * HEARTBEAT_MS;

    const taken = await two.lease();

    assert.deepEqual([taken.step, taken.firstSlot, taken.attempt], [1, first.firstSlot, 2]);
    assert.ok(cluster.log.some((line) => /^Lease \d+ of worker worker-1 is overdue/.test(line)));
    one.send(one.rightFrames(first).slice(0, 3));
    await two.serve(taken);
    const late = await one.serve(first);
    assert.equal(late.status, wire.PushReply.Status.STALE);
    await two.serveUntil(STEPS);
    assert.equal(one.hasLease, false, "so slow a worker does not help");
    await checkWeights(cluster);
  });

  test("or back to its worker, when that was started again", LIMIT, async (t) => {
    const cluster = await handCoordinator(t);
    const { one, two, first, second } = await sharedStep(cluster);
    await two.serve(second);
    one.incarnation++;

    await one.join();

    const again = await one.lease();
    assert.deepEqual([again.step, again.attempt], [1, first.attempt + 1]);
    await one.serve(again);
    await Promise.all([one.serveUntil(STEPS), two.serveUntil(STEPS)]);
    await checkWeights(cluster);
    assert.equal((await cluster.counted(LEASES))["lost"], 1);
  });

  test("but not when its worker only says again that it is there", LIMIT, async (t) => {
    const cluster = await handCoordinator(t);
    const { one, two, first, second } = await sharedStep(cluster);

    await one.join({ leaseId: first.leaseId });

    await Promise.all([
      one.serve(first).then(() => one.serveUntil(STEPS)),
      two.serve(second).then(() => two.serveUntil(STEPS)),
    ]);
    await checkWeights(cluster);
    assert.deepEqual(Object.keys(await cluster.counted(LEASES)), ["done"]);
  });
});

test("who comes back and finishes an old block keeps the lease that this brings", LIMIT, async (t) => {
  const cluster = await handCoordinator(t, { leaseFloorMs: 600_000 });
  const { one, two, first, second } = await sharedStep(cluster, { isSlow: true });
  await two.serve(second);
  cluster.nowMs += 2.5 * HEARTBEAT_MS;
  two.beat();
  await cluster.ticks(2);
  cluster.nowMs += HEARTBEAT_MS;
  const taken = await two.lease();
  await one.join();

  one.send(one.rightFrames(first));

  const next = await one.lease();
  assert.equal(next.step, first.step + 1);
  const late = await two.serve(taken);
  assert.equal(late.status, wire.PushReply.Status.STALE);
  assert.equal(one.hasLease, false, "its new lease counted as done before it was begun");
  const last = await two.lease();
  await Promise.all([one.serve(next), two.serve(last)]);
  await checkWeights(cluster);
});

test("a step that nobody can finish is given up as if it had never begun", LIMIT, async (t) => {
  const cluster = await handCoordinator(t);
  const worker = await cluster.joined("worker-1");
  await worker.serve(await worker.lease());
  const lease = await worker.lease();
  const before = cluster.job.snapshot();
  assert.equal(before.step, 1);
  const late = worker.rightFrames(lease);
  // Three ranges of the step are complete, and their part of the update is done.
  worker.send(late.slice(0, 3));
  assert.equal((await worker.end(lease)).status, wire.PushReply.Status.MISSING);

  cluster.job.pause();
  let stopped = false;
  void cluster.trained.then(() => (stopped = true));
  void cluster.coordinator.whenNobodyCanWork().then(() => cluster.job.giveUpStep());
  await cluster.ticks(1);
  assert.equal(stopped, false, "its worker is at work");
  worker.giveBack(lease.leaseId, true);
  await cluster.trained;

  worker.send(late);
  assert.equal((await worker.end(lease)).status, wire.PushReply.Status.STALE);
  assert.deepEqual(cluster.job.snapshot(), before);
  assert.equal(cluster.committed.length, 1);
  assert.deepEqual(cluster.failures, []);
});

test("a step that was given up is computed from its beginning when training goes on", LIMIT, async (t) => {
  const cluster = await handCoordinator(t, { leaseFloorMs: 600_000 });
  const { one, two, first, second } = await sharedStep(cluster);
  await one.serve(first);

  cluster.job.giveUpStep();
  await cluster.trained;
  cluster.trained = cluster.job.runTo(STEPS, cluster.mode);
  two.giveBack(second.leaseId, true);

  const again = await one.lease();
  assert.deepEqual([again.step, again.attempt], [first.step, 1], "what it had computed does not count");
  await one.serve(again);
  await one.serveUntil(STEPS);
  await checkWeights(cluster);
});

describe("a worker that fails lease after lease", () => {
  test("rests longer each time, and is back in full with the first success", LIMIT, async (t) => {
    const cluster = await handCoordinator(t);
    const worker = await cluster.joined("worker-1");
    const fail = async (): Promise<void> => {
      worker.giveBack((await worker.lease()).leaseId, false, true);
      await cluster.ticks(1);
    };
    const restFor = async (ms: number): Promise<void> => {
      for (const waited of [0, ms / 2, ms - 1]) {
        cluster.nowMs = restBegan + waited;
        worker.beat();
        await cluster.ticks(2);
        assert.equal(worker.hasLease, false, `a lease after ${waited} ms of ${ms}`);
      }
      cluster.nowMs = restBegan + ms;
    };

    for (let i = 0; i < QUARANTINE.after; i++) await fail();
    let restBegan = cluster.nowMs;
    await restFor(QUARANTINE.firstMs);
    await fail();
    restBegan = cluster.nowMs;
    await restFor(2 * QUARANTINE.firstMs);

    await worker.serve(await worker.lease());
    for (let i = 1; i < QUARANTINE.after; i++) await fail();
    await worker.serveUntil(STEPS);
    await checkWeights(cluster);
    assert.deepEqual(await cluster.counted("saf_worker_quarantines_total"), { "": 2 });
    assert.ok(
      cluster.log.includes("Worker worker-1 gets no work for 80 ms: 3 leases in a row failed (by hand)"),
      cluster.log.join("\n"),
    );
  });

  test("leaves its work to the others", LIMIT, async (t) => {
    const cluster = await handCoordinator(t);
    const bad = await cluster.joined("worker-1");
    for (let i = 0; i < QUARANTINE.after; i++) {
      assert.equal(cluster.coordinator.table()[0]?.state, "busy");
      bad.giveBack((await bad.lease()).leaseId, false, true);
    }
    await cluster.ticks(1);
    const good = await cluster.joined("worker-2");

    await good.serveUntil(STEPS);

    assert.deepEqual([bad.hasLease, cluster.coordinator.workerCount], [false, 2]);
    await checkWeights(cluster);
  });

  test("is not one that gives leases back in good order", LIMIT, async (t) => {
    const cluster = await handCoordinator(t);
    const worker = await cluster.joined("worker-1");
    for (let i = 0; i < 3 * QUARANTINE.after; i++) worker.giveBack((await worker.lease()).leaseId, false);
    await worker.serveUntil(STEPS);
    await checkWeights(cluster);
    assert.deepEqual(await cluster.counted("saf_worker_quarantines_total"), {});
  });
});

describe("a coordinator survives", () => {
  test("a worker whose id no subject can hold", LIMIT, async (t) => {
    const cluster = await handCoordinator(t);
    const stranger = cluster.worker("worker-9");

    for (const workerId of ["", "Worker 9", "a.b", "*", ">", "x".repeat(33), "naïve"]) {
      const reply = await stranger.join({ workerId });
      assert.equal(reply.accepted, false, workerId);
      stranger.beat({ workerId });
    }

    assert.equal(cluster.coordinator.workerCount, 0);
    const worker = await cluster.joined("worker-1");
    await worker.serveUntil(STEPS);
    await checkWeights(cluster);
  });

  test("a worker whose engine computes other bits, however much it says of it", LIMIT, async (t) => {
    const cluster = await handCoordinator(t);
    await cluster.joined("worker-1");
    const long = Array<string>(500).fill("x".repeat(1000));
    const stranger = cluster.worker("worker-2");
    const fingerprint = { flags: long, cpu: long, sample: "y".repeat(100_000) };

    const other = await stranger.join({ engineName: "tensorflow", engineVersion: "TensorFlow 2.21.0" });
    const same = await stranger.join({ fingerprint });

    assert.deepEqual(
      [other.accepted, other.reason],
      [
        false,
        "its engine computes other bits than the pool's: engine tensorflow (TensorFlow 2.21.0), not wasm (by hand)",
      ],
    );
    assert.equal(same.accepted, false);
    assert.ok(same.reason.length <= 400);
    assert.deepEqual(await cluster.counted("saf_workers_refused_total"), { bits: 2 });
    assert.equal(cluster.coordinator.workerCount, 1);
  });

  test("a worker that speaks for another one", LIMIT, async (t) => {
    const cluster = await handCoordinator(t);
    const { one, two, first, second } = await sharedStep(cluster);
    const bus = cluster.bus("worker-1");
    const { subjects } = cluster;

    // On worker-2's own subjects, in worker-1's name.
    const leaving = { workerId: "worker-1", leaseId: first.leaseId, reason: "not me", leaving: true };
    bus.publish(subjects.lease("worker-2"), writeMessage(wire.LeaseReturn, leaving));
    bus.publish(
      subjects.heartbeat("worker-2"),
      writeMessage(wire.Heartbeat, { workerId: "worker-1", incarnation: 99 }),
    );
    await bus.flush();

    await Promise.all([
      one.serve(first).then(() => one.serveUntil(STEPS)),
      two.serve(second).then(() => two.serveUntil(STEPS)),
    ]);
    assert.equal(cluster.coordinator.workerCount, 2);
    assert.deepEqual(Object.keys(await cluster.counted(LEASES)), ["done"]);
    await checkWeights(cluster);
  });

  test("times that are no times: deadlines stay what they were", LIMIT, async (t) => {
    const cluster = await handCoordinator(t);
    const worker = await cluster.joined("worker-1");
    for (const computeSeconds of [NaN, Infinity]) {
      const lease = await worker.lease();
      worker.send(worker.rightFrames(lease));
      await worker.end(lease, { computeSeconds });
    }
    const lease = await worker.lease();
    // A deadline that is no number would be over at the first look.
    await cluster.ticks(2);
    await worker.serve(lease);

    await checkWeights(cluster);
    assert.deepEqual(await cluster.counted(LEASES), { done: 3 });
  });

  test("bytes that are no message, on every subject", LIMIT, async (t) => {
    const below = randomNumbers(SEED);
    t.diagnostic(`SAF_TEST_SEED=${SEED}`);
    const cluster = await handCoordinator(t);
    const worker = await cluster.joined("worker-1");
    const lease = await worker.lease();
    const { subjects } = cluster;
    const bus = cluster.bus("worker-1");
    const targets = [
      subjects.join("worker-1"),
      subjects.heartbeat("worker-1"),
      subjects.lease("worker-1"),
      subjects.runGet("worker-1"),
      subjects.gradient(0, "worker-1"),
      subjects.push("worker-1"),
      subjects.result("worker-1"),
      subjects.parameterGet(0, "worker-1"),
      subjects.data("worker-1"),
    ];
    const frame = worker.rightFrames(lease)[0] as Uint8Array;

    for (let round = 0; round < 400; round++) {
      const noise = Uint8Array.from({ length: below(200) }, () => below(256));
      // Some begin like something that is right.
      const bytes = below(3) === 0 ? Uint8Array.from([...frame.subarray(0, below(100)), ...noise]) : noise;
      for (const subject of targets) bus.publish(subject, bytes);
      if (round % 50 === 0) await bus.flush();
    }
    await bus.flush();
    // A returned lease is the worst that noise on our own subjects can do: it comes again.
    await worker.join();
    const reply = await worker.serve(worker.hasLease ? await worker.lease() : lease);

    assert.ok([wire.PushReply.Status.OK, wire.PushReply.Status.STALE].includes(reply.status));
    await worker.serveUntil(STEPS);
    await checkWeights(cluster);
  });
});

test("a coordinator that hears of a newer one leases nothing more, and says so once", LIMIT, async (t) => {
  const cluster = await handCoordinator(t);
  const { subjects } = cluster;
  const newer = cluster.bus("worker-1");
  const announce = (term: number): void => newer.publish(subjects.all, writeMessage(wire.Announce, { term }));
  announce(cluster.term - 1);
  announce(cluster.term);
  await newer.flush();
  const worker = await cluster.joined("worker-1");
  await worker.serve(await worker.lease());
  const held = await worker.lease();
  announce(cluster.term + 7);
  announce(cluster.term + 7);
  await newer.flush();
  await worker.serve(held);
  assert.deepEqual(cluster.rivals, [cluster.term + 7]);
  // Its answer comes behind any lease that would have been given.
  await worker.join();
  assert.equal(worker.hasLease, false);
});

test("who is on another machine is known from its join, and forgotten with it", LIMIT, async (t) => {
  const cluster = await handCoordinator(t, {});
  const isFar = (): boolean => cluster.farWorkers.isAmong(cluster.coordinator.book.members);
  await cluster.joined("near");
  assert.ok(!isFar());
  const refused = await cluster.worker("liar").join({ isFar: true, selfTestPassed: false });
  assert.ok(!refused.accepted && !isFar());
  const far = cluster.worker("far");
  assert.ok((await far.join({ isFar: true })).accepted);
  assert.ok(isFar());
  cluster.coordinator.workerDied("far", cluster.coordinator.book.members.get("far")?.pid ?? 0);
  assert.ok(!isFar());
});

test("progress that is told of a block comes to nothing", LIMIT, async (t) => {
  const cluster = await handCoordinator(t);
  const worker = await cluster.joined("worker-1");
  const lease = await worker.lease();
  worker.beat({ leaseId: lease.leaseId, progress: { steps: 1, loss: 1, accuracy: 1 } });
  await worker.serve(lease);
  await worker.serveUntil(STEPS);
  await checkWeights(cluster);
  assert.deepEqual(cluster.told, []);
  assert.deepEqual(
    cluster.log.filter((line) => line.includes("came to nothing")),
    [],
  );
});
