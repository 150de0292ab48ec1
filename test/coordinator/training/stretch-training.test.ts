import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { chunkCountOf, decodeChunk } from "../../../shared/core/chunk.js";
import { stepImages } from "../../../shared/core/schedule.js";
import { stateParts, stateSize } from "../../../shared/core/stretch.js";
import { readMessage, type saf, wire, writeMessage } from "../../../shared/messages.js";
import { HEARTBEAT_MS, type HandCluster, handCoordinator } from "../../support/hand-coordinator.js";
import { type HandWorker, missingChunks, stateAfter, weightsAfter } from "../../support/hand-worker.js";
import { hashOf } from "../../../shared/io/hash.js";

const LIMIT = { timeout: 120_000 };
/** One short lease of 8 steps and one of what is left. */
const STEPS = 11;
const FIRST = 8;
const GRADIENTS = "saf_gradients_received_total";
const { Status } = wire.PushReply;

const exclusive = (t: Parameters<typeof handCoordinator>[0]): Promise<HandCluster> =>
  handCoordinator(t, { mode: "exclusive", slots: 1, steps: STEPS });

async function checkWeights(cluster: HandCluster): Promise<void> {
  await cluster.trained;
  assert.deepEqual(
    cluster.committed.map(({ step }) => step),
    Array.from({ length: STEPS }, (_, step) => step),
  );
  assert.equal(hashOf(cluster.job.snapshot().parameters), hashOf(weightsAfter(cluster.hand, STEPS)));
  assert.deepEqual(cluster.failures, []);
}

async function serveRest(worker: HandWorker): Promise<void> {
  for (let next = await worker.stretch(); ; next = await worker.stretch()) {
    assert.equal((await worker.serveStretch(next)).status, Status.OK);
    if (next.step + next.stepCount >= STEPS) return;
  }
}

/** Not refused by chunk: the answer to the end of a push tells. */
async function push(
  worker: HandWorker,
  lease: saf.v1.ExclusiveLease,
  values: Float32Array,
): Promise<saf.v1.PushReply> {
  worker.send(worker.stateFrames(lease, values));
  return worker.endState(lease);
}

describe("a state of many steps", () => {
  test("is committed step by step, as if they had come one by one", LIMIT, async (t) => {
    const cluster = await exclusive(t);
    const worker = await cluster.joined("worker-1");
    const lease = await worker.stretch();
    assert.deepEqual([lease.step, lease.stepCount, lease.attempt], [0, FIRST, 1]);
    cluster.nowMs += 100;

    assert.equal((await worker.serveStretch(lease)).status, Status.OK);

    assert.deepEqual(
      cluster.committed.map(({ step, epoch, firstImage, endImage, samples }) => ({
        step,
        epoch,
        firstImage,
        endImage,
        samples,
      })),
      Array.from({ length: FIRST }, (_, step) => {
        const { epoch, first, end } = stepImages(cluster.hand.plan, step);
        return { step, epoch, firstImage: first, endImage: end, samples: end - first };
      }),
    );
    for (const { loss, samples, blocks, learningRate, seconds, atMs, step } of cluster.committed) {
      assert.equal(loss, 1 / samples);
      assert.deepEqual(
        blocks.map(({ first, count, worker: by, attempt }) => ({ first, count, by, attempt })),
        [{ first: 0, count: 1, by: "worker-1", attempt: 1 }],
      );
      assert.equal(learningRate, 0.01);
      // The worker said 10 ms for all of them.
      assert.ok(Math.abs(seconds - 0.01 / FIRST) < 1e-9);
      assert.ok(Math.abs(atMs - (100 - (FIRST - 1 - step) * (10 / FIRST))) < 1e-9);
    }
    await serveRest(worker);
    await checkWeights(cluster);
  });

  test("begins with parameters and velocity that the coordinator hands out", LIMIT, async (t) => {
    const cluster = await exclusive(t);
    const worker = await cluster.joined("worker-1");
    await worker.serveStretch(await worker.stretch());
    const bus = cluster.bus("worker-1");
    const vectors: Float32Array[] = [];
    for (const velocity of [false, true]) {
      const bytes: Buffer[] = [];
      for (let chunk = 0; chunk < chunkCountOf(4 * cluster.hand.layout.size); chunk++) {
        const request = { runId: cluster.hand.runId, version: FIRST, chunk, velocity };
        const answer = await bus.request(
          cluster.subjects.parameterGet(0, "worker-1"),
          writeMessage(wire.ParamRequest, request),
          10_000,
        );
        const decoded = decodeChunk(readMessage(wire.ParamReply, answer)?.chunk ?? new Uint8Array());
        assert.ok(decoded.ok);
        assert.equal(decoded.header.kind, velocity ? "velocity" : "parameters");
        assert.deepEqual([decoded.header.step, decoded.header.term], [FIRST, cluster.term]);
        bytes.push(Buffer.from(decoded.body));
      }
      vectors.push(new Float32Array(new Uint8Array(Buffer.concat(bytes)).buffer));
    }
    const { parameters, velocity } = stateParts(cluster.hand.layout, stateAfter(cluster.hand, 0, FIRST));
    assert.equal(hashOf(vectors[0] as Float32Array), hashOf(parameters));
    assert.equal(hashOf(vectors[1] as Float32Array), hashOf(velocity));

    const stale = { runId: cluster.hand.runId, version: 3, chunk: 0, velocity: true };
    const answer = await bus.request(
      cluster.subjects.parameterGet(0, "worker-1"),
      writeMessage(wire.ParamRequest, stale),
      10_000,
    );
    const reply = readMessage(wire.ParamReply, answer);
    assert.deepEqual([reply?.chunk.byteLength, reply?.latest], [0, FIRST]);
  });

  test("counts once, however often it is sent", LIMIT, async (t) => {
    const cluster = await exclusive(t);
    const worker = await cluster.joined("worker-1");
    const lease = await worker.stretch();
    const frames = worker.stateFrames(lease, stateAfter(cluster.hand, 0, FIRST));
    worker.send([...frames, ...frames.slice(0, 3)]);
    assert.equal((await worker.endState(lease)).status, Status.OK);

    worker.send(frames);
    assert.equal((await worker.endState(lease)).status, Status.STALE);

    const counted = await cluster.counted(GRADIENTS);
    assert.deepEqual(
      [counted["accepted"], counted["duplicate"], counted["stale"]],
      [frames.length, 3, frames.length],
    );
    await serveRest(worker);
    await checkWeights(cluster);
  });

  test("is asked for again where chunks were lost or damaged", LIMIT, async (t) => {
    const cluster = await exclusive(t);
    const worker = await cluster.joined("worker-1");
    const lease = await worker.stretch();
    const frames = worker.stateFrames(lease, stateAfter(cluster.hand, 0, FIRST));
    const damaged = (frames[5] as Uint8Array).slice();
    damaged[1000] = (damaged[1000] as number) ^ 1;
    worker.send(frames.map((frame, i) => (i === 5 ? damaged : frame)).filter((_, i) => i !== 2));

    const reply = await worker.endState(lease);
    assert.equal(reply.status, Status.MISSING);
    assert.deepEqual(missingChunks(reply), [2, 5]);
    assert.equal(cluster.committed.length, 0);

    worker.send([frames[2], frames[5]] as Uint8Array[]);
    assert.equal((await worker.endState(lease)).status, Status.OK);
    assert.equal((await cluster.counted(GRADIENTS))["checksum"], 1);
    await serveRest(worker);
    await checkWeights(cluster);
  });

  test("may have fewer steps than were asked for; the rest is leased again", LIMIT, async (t) => {
    const cluster = await exclusive(t);
    const worker = await cluster.joined("worker-1");

    assert.equal((await worker.serveStretch(await worker.stretch(), 3)).status, Status.OK);

    assert.equal(cluster.job.step, 3);
    const next = await worker.stretch();
    assert.deepEqual([next.step, next.attempt], [3, 1]);
    await worker.serveStretch(next);
    if (next.step + next.stepCount < STEPS) await serveRest(worker);
    await checkWeights(cluster);
  });
});

describe("a bad state changes nothing", () => {
  const refusals: [
    string,
    string,
    (worker: HandWorker, lease: saf.v1.ExclusiveLease, good: Float32Array) => void,
  ][] = [
    [
      "with a chunk too few values",
      "size",
      (worker, lease, good) => worker.send(worker.stateFrames(lease, good.subarray(70_000))),
    ],
    [
      "with more steps than were leased",
      "node",
      (worker, lease, good) => worker.send(worker.stateFrames(lease, good, { node: FIRST + 1 })),
    ],
    [
      "without a step",
      "node",
      (worker, lease, good) => worker.send(worker.stateFrames(lease, good, { node: 0 })),
    ],
    [
      "of another step",
      "stale",
      (worker, lease, good) => worker.send(worker.stateFrames(lease, good, { step: 5 })),
    ],
    [
      "for another coordinator",
      "fenced",
      (worker, lease, good) => worker.send(worker.stateFrames(lease, good, { term: lease.term - 1 })),
    ],
    [
      "of another run",
      "run",
      (worker, lease, good) => worker.send(worker.stateFrames(lease, good, { runHash: "0123456789abcdef" })),
    ],
    [
      "that says it is a gradient",
      "size",
      (worker, lease, good) => worker.send(worker.stateFrames(lease, good, { kind: "gradient" })),
    ],
  ];
  for (const [what, reason, send] of refusals) {
    test(`${what}: every chunk is counted as "${reason}"`, LIMIT, async (t) => {
      const cluster = await exclusive(t);
      const worker = await cluster.joined("worker-1");
      const lease = await worker.stretch();
      const good = stateAfter(cluster.hand, 0, FIRST);
      send(worker, lease, good);

      const reply = await worker.endState(lease);

      const counted = await cluster.counted(GRADIENTS);
      assert.deepEqual(Object.keys(counted), [reason]);
      assert.equal(reply.status, Status.MISSING);
      assert.equal(missingChunks(reply).length, chunkCountOf(4 * stateSize(cluster.hand.layout, FIRST)));
      assert.equal((await push(worker, lease, good)).status, Status.OK);
      await serveRest(worker);
      await checkWeights(cluster);
    });
  }

  test("from a worker that holds no lease of it", LIMIT, async (t) => {
    const cluster = await exclusive(t);
    const worker = await cluster.joined("worker-1");
    const lease = await worker.stretch();
    const stranger = await cluster.joined("worker-2");

    const reply = await push(stranger, lease, stateAfter(cluster.hand, 0, FIRST));

    assert.equal(reply.status, Status.REFUSED);
    assert.deepEqual(Object.keys(await cluster.counted(GRADIENTS)), ["node"]);
    assert.equal((await worker.serveStretch(lease)).status, Status.OK);
    await serveRest(worker);
    await checkWeights(cluster);
  });

  test("whose end speaks for another coordinator is fenced off", LIMIT, async (t) => {
    const cluster = await exclusive(t);
    const worker = await cluster.joined("worker-1");
    const lease = await worker.stretch();
    assert.equal((await worker.endState(lease, { term: lease.term - 1 })).status, Status.FENCED);
    assert.equal((await worker.serveStretch(lease)).status, Status.OK);
  });

  test(
    "that is not finite is refused and leased again; three times, and the run has diverged",
    LIMIT,
    async (t) => {
      const cluster = await exclusive(t);
      const worker = await cluster.joined("worker-1");
      const broken = stateAfter(cluster.hand, 0, FIRST);
      broken[12_345] = NaN;
      for (const attempt of [1, 2, 3]) {
        assert.deepEqual(cluster.failures, []);
        const lease = await worker.stretch();
        assert.deepEqual([lease.step, lease.attempt], [0, attempt]);
        assert.equal((await push(worker, lease, broken)).status, Status.REFUSED);
      }
      assert.equal((await cluster.counted(GRADIENTS))["nonfinite"], 3);
      assert.deepEqual(
        cluster.failures.map(({ code, message }) => ({ code, message })),
        [{ code: "diverged", message: "The gradient of step 0 is not finite in 3 attempts of worker-1" }],
      );
      assert.equal(cluster.committed.length, 0);
    },
  );

  test(
    "that counted another number of images is refused and leased to another; the run goes on",
    LIMIT,
    async (t) => {
      const cluster = await exclusive(t);
      const worker = await cluster.joined("worker-1");
      const lease = await worker.stretch();
      const lying = stateAfter(cluster.hand, 0, FIRST);
      lying[lying.length - 1] = 7;

      const reply = await push(worker, lease, lying);

      assert.equal(reply.status, Status.REFUSED);
      assert.equal(reply.reason, "step 7 counted 0 of 7 images, expected 8");
      assert.deepEqual([cluster.failures, cluster.committed], [[], []]);
      worker.giveBack((await worker.stretch()).leaseId, true);
      const honest = await cluster.joined("worker-2");
      await honest.serveStretch(await honest.stretch());
      assert.equal(cluster.committed.length, FIRST);
    },
  );
});

describe("an exclusive lease goes to another worker", () => {
  test("when its worker is silent for three heartbeats; nothing of it was committed", LIMIT, async (t) => {
    const cluster = await exclusive(t);
    const one = await cluster.joined("worker-1");
    const lease = await one.stretch();
    const two = await cluster.joined("worker-2");
    one.send(one.stateFrames(lease, stateAfter(cluster.hand, 0, FIRST)).slice(0, 4));
    cluster.nowMs += 2.5 * HEARTBEAT_MS;
    two.beat();
    await cluster.ticks(2);
    cluster.nowMs += HEARTBEAT_MS;

    const taken = await two.stretch();

    assert.deepEqual([taken.step, taken.stepCount, taken.attempt], [0, FIRST, 2]);
    assert.equal(cluster.committed.length, 0);
    assert.equal((await two.serveStretch(taken)).status, Status.OK);
    await serveRest(two);
    await checkWeights(cluster);
    assert.deepEqual([...new Set(cluster.committed.map(({ blocks }) => blocks[0]?.worker))], ["worker-2"]);
  });

  test("when it is overdue; whichever state comes first counts, the other one is stale", LIMIT, async (t) => {
    const cluster = await exclusive(t);
    const one = await cluster.joined("worker-1");
    const lease = await one.stretch();
    const two = await cluster.joined("worker-2");
    // Two minutes are given to a first lease. Both workers are heard of all the time.
    for (let i = 0; i < 30; i++) {
      await cluster.jump(10_000, () => {
        one.beat({ leaseId: lease.leaseId });
        two.beat();
      });
      await cluster.ticks(1);
      if (two.hasLease) break;
    }
    const taken = await two.stretch();
    assert.deepEqual([taken.step, taken.attempt], [0, 2]);

    assert.equal((await one.serveStretch(lease)).status, Status.OK);
    assert.equal((await two.serveStretch(taken)).status, Status.STALE);

    assert.equal(cluster.committed.length, FIRST);
    assert.deepEqual([...new Set(cluster.committed.map(({ blocks }) => blocks[0]?.attempt))], [1]);
  });

  test("but not while its worker tells that it moves on", LIMIT, async (t) => {
    const cluster = await exclusive(t);
    const one = await cluster.joined("worker-1");
    const lease = await one.stretch();
    const two = await cluster.joined("worker-2");
    for (let steps = 1; steps <= 7; steps++) {
      await cluster.jump(60_000, () => {
        one.beat({ leaseId: lease.leaseId, progress: { steps, loss: 2, accuracy: 0.25 } });
        two.beat();
      });
      await cluster.ticks(1);
    }
    assert.equal(two.hasLease, false);
    assert.deepEqual(cluster.told, [1, 2, 3, 4, 5, 6, 7]);
    assert.equal(cluster.job.step, 0, "what is told is not committed");
    assert.equal((await one.serveStretch(lease)).status, Status.OK);
  });
});

test("a pause calls the lease back early, and takes what has been done", LIMIT, async (t) => {
  const cluster = await exclusive(t);
  const worker = await cluster.joined("worker-1");
  const lease = await worker.stretch();

  cluster.job.pause();
  assert.equal(await worker.halt(), lease.leaseId);
  assert.equal((await worker.serveStretch(lease, 5)).status, Status.OK);

  await cluster.trained;
  assert.equal(cluster.job.step, 5);
  assert.equal(worker.hasLease, false);
  assert.equal(hashOf(cluster.job.snapshot().parameters), hashOf(weightsAfter(cluster.hand, 5)));
});

test("a pause does not wait for a worker that gives its lease back", LIMIT, async (t) => {
  const cluster = await exclusive(t);
  const worker = await cluster.joined("worker-1");
  const lease = await worker.stretch();
  cluster.job.pause();
  await worker.halt();

  worker.giveBack(lease.leaseId, false);

  await cluster.trained;
  assert.equal(cluster.job.step, 0);
  assert.equal(worker.hasLease, false);
});
