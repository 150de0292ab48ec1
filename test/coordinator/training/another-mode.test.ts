/** Modes and aggregations are handed in: one that the product does not list trains all the same. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { bodyLength, chunkCountOf } from "../../../shared/core/chunk.js";
import { initialParameters } from "../../../shared/core/layout.js";
import { updateRange } from "../../../shared/core/optimizer.js";
import { wire } from "../../../shared/messages.js";
import { hashOf } from "../../../shared/io/hash.js";
import type { MakeAggregation } from "../../../coordinator/training/aggregation/aggregation.js";
import { updateRule } from "../../../coordinator/training/update-rule.js";
import { averagedCopies, meanOf } from "../../support/averaged-copies.js";
import { type HandCluster, handCoordinator } from "../../support/hand-coordinator.js";
import { slotValues, stateAfter, weightsAfter } from "../../support/hand-worker.js";

const LIMIT = { timeout: 60_000 };
const NONE = new Float32Array();
const { OK, REFUSED, STALE } = wire.PushReply.Status;

const copies = (t: Parameters<typeof handCoordinator>[0], steps = 3): Promise<HandCluster> =>
  handCoordinator(t, { mode: averagedCopies, slots: 1, steps });

test(
  "two copies train by themselves and go on from their mean; the last step is theirs too",
  LIMIT,
  async (t) => {
    const cluster = await copies(t);
    const [one, two] = [await cluster.joined("worker-1"), await cluster.joined("worker-2")];
    const leases = [await one.stretch(), await two.stretch()] as const;
    assert.deepEqual(
      leases.map(({ step, stepCount, attempt }) => [step, stepCount, attempt]),
      [
        [0, 2, 1],
        [0, 2, 1],
      ],
    );
    const states = [stateAfter(cluster.hand, 0, 2), stateAfter(cluster.hand, 0, 2)] as const;
    const { size } = cluster.hand.layout;
    states[1].subarray(0, size).forEach((value, i, values) => (values[i] = value + 0.5));

    one.send(one.stateFrames(leases[0], states[0]));
    assert.equal((await one.endState(leases[0])).status, OK);
    assert.equal(cluster.job.step, 0, "the other copy is missing");
    two.send(two.stateFrames(leases[1], states[1]));
    assert.equal((await two.endState(leases[1])).status, OK);

    assert.equal(cluster.job.step, 2);
    const mean = meanOf(states.map((state) => state.subarray(0, size)));
    assert.equal(hashOf(cluster.job.snapshot().parameters), hashOf(mean));
    for (const worker of [one, two]) {
      const lease = await worker.stretch();
      assert.deepEqual([lease.step, lease.stepCount], [2, 1]);
      assert.equal((await worker.serveStretch(lease)).status, OK);
    }
    await cluster.trained;
    assert.deepEqual(
      cluster.committed.map(({ step }) => step),
      [0, 1, 2],
    );
    // Both sent what undisturbed steps come to, so their mean is that too.
    assert.equal(hashOf(cluster.job.snapshot().parameters), hashOf(weightsAfter(cluster.hand, 3)));
    assert.deepEqual(cluster.failures, []);
  },
);

test("one worker trains both copies, one after the other", LIMIT, async (t) => {
  const cluster = await copies(t, 2);
  const worker = await cluster.joined("worker-1");
  for (const copy of [1, 2]) {
    assert.equal(cluster.job.step, 0, `before copy ${copy}`);
    assert.equal((await worker.serveStretch(await worker.stretch())).status, OK);
  }
  await cluster.trained;
  assert.equal(hashOf(cluster.job.snapshot().parameters), hashOf(weightsAfter(cluster.hand, 2)));
});

test("a copy that is not finite is refused and leased again", LIMIT, async (t) => {
  const cluster = await copies(t, 2);
  const worker = await cluster.joined("worker-1");
  const lease = await worker.stretch();
  const broken = stateAfter(cluster.hand, 0, 2);
  broken[7] = NaN;
  worker.send(worker.stateFrames(lease, broken));
  assert.equal((await worker.endState(lease)).status, REFUSED);
  for (let copy = 1; copy <= 2; copy++)
    assert.equal((await worker.serveStretch(await worker.stretch())).status, OK);
  await cluster.trained;
  assert.equal((await worker.endState(lease)).status, STALE);
  assert.deepEqual(cluster.failures, []);
});

test("a pause lets both copies be finished, as this mode wants it", LIMIT, async (t) => {
  const cluster = await copies(t, 6);
  const worker = await cluster.joined("worker-1");
  const lease = await worker.stretch();
  cluster.job.pause();
  await worker.serveStretch(lease);
  await worker.serveStretch(await worker.stretch());
  await cluster.trained;
  assert.equal(cluster.job.step, 2);
  assert.equal(worker.hasLease, false);
});

/** Adds slot after slot, so its bits are not the tree's. Takes single slots only. */
const slotAfterSlot: MakeAggregation = (slots, byteLength) => {
  const chunks = Array.from({ length: chunkCountOf(byteLength) }, (_, chunk) => chunk);
  const held = chunks.map(() => new Map<number, Float32Array>());
  const missing = (node: number): number[] => chunks.filter((chunk) => held[chunk]?.has(node) !== true);
  return {
    add(node, chunk, bytes, isIntact) {
      if (node < slots) return "no-such-node";
      if (bytes.byteLength !== bodyLength(byteLength, chunk)) return "wrong-size";
      if (held[chunk]?.has(node) === true) return "duplicate";
      const values = new Float32Array(bytes.slice().buffer);
      if (!isIntact()) return "torn";
      held[chunk]?.set(node, values);
      return "added";
    },
    isComplete: (node) => missing(node).length === 0,
    missing,
    sum(chunk) {
      const known = held[chunk];
      if (known?.size !== slots) return undefined;
      const inOrder = [...known].sort(([a], [b]) => a - b).map(([, values]) => values);
      return inOrder.reduce((sum, values) => sum.map((value, i) => value + (values[i] ?? NaN)));
    },
    release: () => held.forEach((known) => known.clear()),
    dispose: () => undefined,
  };
};

test("an aggregation that is handed in makes the sums of every step", LIMIT, async (t) => {
  const cluster = await handCoordinator(t, { slots: 4, steps: 1, aggregate: slotAfterSlot });
  const workers = [1, 2, 3, 4].map((number) => cluster.worker(`worker-${number}`));
  await cluster.allAtOnce(workers);
  await Promise.all(workers.map(async (worker) => worker.serve(await worker.lease())));
  await cluster.trained;

  const { hand } = cluster;
  const { layout, run, plan } = hand;
  const [one, ...others] = [0, 1, 2, 3].map((slot) => slotValues(hand, 0, slot));
  const sums = others.reduce((sum, more) => sum.map((value, i) => value + (more[i] ?? NaN)), one ?? NONE);
  const weights = initialParameters(layout, run.seed);
  const velocity = new Float32Array(layout.size);
  const ranges = { sums, current: weights, velocity, next: weights, moved: velocity };
  updateRange(layout, updateRule({ run, plan }, 0), 0, ranges);
  const { parameters } = cluster.job.snapshot();
  assert.equal(hashOf(parameters), hashOf(weights));
  assert.notEqual(hashOf(parameters), hashOf(weightsAfter(hand, 1)), "these are the tree's bits");
  assert.deepEqual(cluster.failures, []);
});
