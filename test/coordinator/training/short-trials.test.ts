/** Trials of small networks: what is short travels with the lease and with its result, so that nobody has to ask. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeChunk } from "../../../shared/core/chunk.js";
import { wire } from "../../../shared/messages.js";
import type { TaskSpec } from "../../../shared/records/task.js";
import { hashOf } from "../../../shared/io/hash.js";
import { type HandCluster, handCoordinator } from "../../support/hand-coordinator.js";
import { type HandWorker, stateAfter, weightsAfter } from "../../support/hand-worker.js";

const LIMIT = { timeout: 60_000 };
/** One lease of 8 steps and one of what is left. */
const STEPS = 11;
const FIRST = 8;
const { OK, FENCED, MISSING, REFUSED, STALE } = wire.PushReply.Status;

const clean: TaskSpec = {
  id: "not known yet",
  kind: "clean",
  measure: { how: "clean" },
  strengths: [0],
  firstImage: 0,
  imageCount: 10,
  sampleCount: 0,
  patienceMs: 1000,
  passes: 10,
};

const small = (t: Parameters<typeof handCoordinator>[0]): Promise<HandCluster> =>
  handCoordinator(t, { mode: "exclusive", slots: 1, steps: STEPS, channels: [1, 1, 1], behind: [clean] });

/** Kind and version of what came with a lease. */
function framesIn({ commands }: HandWorker): (string | undefined)[] {
  return (commands.at(-1)?.frames ?? []).map((frame) => {
    const decoded = decodeChunk(frame);
    return decoded.ok ? `${decoded.header.kind} of step ${decoded.header.step}` : decoded.reason;
  });
}

test(
  "the first lease of a run brings its description and its state, and a worker that has served it gets neither",
  LIMIT,
  async (t) => {
    const cluster = await small(t);
    const worker = await cluster.joined("worker-1");
    const lease = await worker.stretch();
    assert.ok(lease.takesFrames);
    assert.equal(worker.commands.at(-1)?.run?.runId, cluster.hand.runId);
    assert.deepEqual(framesIn(worker), ["parameters of step 0", "velocity of step 0"]);
    await worker.serveStretch(lease);
    await worker.stretch();
    assert.equal(worker.commands.at(-1)?.run, null);
    assert.deepEqual(framesIn(worker), []);

    const other = await cluster.joined("worker-2");
    worker.giveBack(0, true);
    await other.stretch();
    assert.deepEqual(framesIn(other), ["parameters of step 8", "velocity of step 8"]);
  },
);

test("a large state does not come with a lease", LIMIT, async (t) => {
  const cluster = await handCoordinator(t, { mode: "exclusive", slots: 1, steps: STEPS });
  const worker = await cluster.joined("worker-1");
  await worker.stretch();
  assert.equal(worker.commands.at(-1)?.run?.runId, cluster.hand.runId);
  assert.deepEqual(framesIn(worker), []);
});

test(
  "a state in the end of its push counts like one in chunks, and its answer comes with the next lease",
  LIMIT,
  async (t) => {
    const cluster = await small(t);
    const worker = await cluster.joined("worker-1");
    const lease = await worker.stretch();
    const told = await worker.deliver(lease, worker.stateFrames(lease, stateAfter(cluster.hand, 0, FIRST)));
    assert.equal(told.exclusive?.step, FIRST);
    const { settled } = told;
    assert.deepEqual([settled?.leaseId, settled?.term], [lease.leaseId, cluster.term]);
    assert.equal(settled?.reply?.status, OK);

    const next = await worker.stretch();
    const last = await worker.deliver(
      next,
      worker.stateFrames(next, stateAfter(cluster.hand, FIRST, STEPS - FIRST)),
    );
    assert.equal(last.settled?.reply?.status, OK);
    assert.equal(last.exclusive, null, "nothing follows");
    await cluster.trained;
    assert.equal(hashOf(cluster.job.snapshot().parameters), hashOf(weightsAfter(cluster.hand, STEPS)));
    assert.deepEqual(await cluster.counted("saf_gradients_received_total"), { accepted: 2 });
  },
);

test("the same checks hold for it: fences, checksums, values, and steps that are over", LIMIT, async (t) => {
  const cluster = await small(t);
  const worker = await cluster.joined("worker-1");
  const lease = await worker.stretch();
  const state = stateAfter(cluster.hand, 0, FIRST);
  const right = worker.stateFrames(lease, state);
  const status = async (frames: Uint8Array[], says = {}): Promise<unknown> =>
    (await worker.deliver(lease, frames, says)).settled?.reply?.status;

  const broken = right.map((frame) => frame.slice());
  broken[0]?.fill(7, 100, 104);
  assert.equal(await status(broken), MISSING);
  assert.equal(await status(right, { term: cluster.term - 1 }), FENCED);
  assert.equal(cluster.job.step, 0);
  assert.equal(await status(right), OK);
  assert.equal(cluster.job.step, FIRST);
  assert.equal(await status(right), STALE, "a second copy");

  const next = await worker.stretch();
  const wrong = stateAfter(cluster.hand, FIRST, STEPS - FIRST);
  wrong[3] = NaN;
  const refused = await worker.deliver(next, worker.stateFrames(next, wrong));
  assert.equal(refused.settled?.reply?.status, REFUSED);
});

test(
  "the last lease asks for cheap measures of its weights, and what comes of them is told with the commit",
  LIMIT,
  async (t) => {
    const cluster = await small(t);
    const worker = await cluster.joined("worker-1");
    const first = await worker.stretch();
    assert.deepEqual(first.measures, [], "not of weights on the way");
    await worker.deliver(first, worker.stateFrames(first, stateAfter(cluster.hand, 0, FIRST)), {
      measured: [{ computeSeconds: 1 }],
    });
    assert.equal(cluster.measured.length, 0);

    const last = await worker.stretch();
    const [measuring] = last.measures;
    assert.deepEqual(JSON.parse(measuring?.measureJson ?? ""), clean.measure);
    assert.deepEqual([measuring?.strengths, measuring?.imageCount], [[0], 10]);
    await worker.deliver(last, worker.stateFrames(last, stateAfter(cluster.hand, FIRST, STEPS - FIRST)), {
      measured: [{ computeSeconds: 2 }],
    });
    await cluster.trained;
    assert.deepEqual(
      cluster.measured.map(([by, results]) => [by, results.map(({ computeSeconds }) => computeSeconds)]),
      [["worker-1", [2]]],
    );
  },
);
