/** Workers of one host that share memory among themselves: one of them pushes what all of them computed. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { wire } from "../../../shared/messages.js";
import { hashOf } from "../../../shared/io/hash.js";
import { type HandCluster, handCoordinator } from "../../support/hand-coordinator.js";
import { type HandWorker, blockValues, weightsAfter } from "../../support/hand-worker.js";

const LIMIT = { timeout: 60_000 };
const { OK, STALE, MISSING, REFUSED } = wire.PushReply.Status;
/** What the end of a push comes to that brought its block; the last one of a step closes that. */
const COUNTED: readonly unknown[] = [OK, STALE];
const STEPS = 2;

type Four = readonly [HandWorker, HandWorker, HandWorker, HandWorker];

/** Workers 1 and 3 on one host, 2 and 4 on another one; four slots. */
async function twoHosts(t: TestContext): Promise<{ cluster: HandCluster; workers: Four }> {
  const cluster = await handCoordinator(t, { slots: 4, steps: STEPS });
  const workers = [1, 2, 3, 4].map((i) => cluster.worker(`worker-${i}`)) as unknown as Four;
  cluster.coordinator.remove(cluster.job);
  for (const [i, worker] of workers.entries())
    assert.ok((await worker.join({ isFar: true, host: `host-${i % 2}` })).accepted);
  cluster.coordinator.add(cluster.job);
  return { cluster, workers };
}

const committed = ({ committed: steps }: HandCluster): string[] =>
  steps.map(({ blocks }) => blocks.map(({ first, worker }) => `${first} ${worker}`).join(", "));

test("blocks of mates lie together, and one of them may push their sum for all", LIMIT, async (t) => {
  const { cluster, workers } = await twoHosts(t);
  for (let step = 0; step < STEPS; step++) {
    const leases = await Promise.all(workers.map((worker) => worker.lease()));
    assert.deepEqual(
      leases.map(({ firstSlot, relay, porter, carriedNode, mates }) => [
        firstSlot,
        relay,
        porter,
        carriedNode,
        mates,
      ]),
      [
        [0, "worker-1", "worker-1", 2, ["worker-3"]],
        [2, "worker-2", "worker-2", 3, ["worker-4"]],
        [1, "worker-1", "worker-1", 2, []],
        [3, "worker-2", "worker-2", 3, []],
      ],
    );
    const ends = workers.map((worker, i) => [worker, leases[i]] as const);
    for (const [i, node] of [
      [0, 2],
      [1, 3],
    ] as const) {
      const lease = leases[i];
      assert.ok(lease);
      workers[i].send(
        workers[i].frames(lease, blockValues(cluster.hand, step, lease.firstSlot, 2), { node }),
      );
    }
    for (const [worker, lease] of ends) {
      assert.ok(lease);
      assert.ok(COUNTED.includes((await worker.end(lease)).status));
    }
  }
  await cluster.trained;
  const each = "0 worker-1, 1 worker-3, 2 worker-2, 3 worker-4";
  assert.deepEqual(committed(cluster), [each, each]);
  assert.equal(hashOf(cluster.job.snapshot().parameters), hashOf(weightsAfter(cluster.hand, STEPS)));
});

test("a block of which a part came by itself and the rest in a sum is computed", LIMIT, async (t) => {
  const { cluster, workers } = await twoHosts(t);
  const leases = await Promise.all(workers.map((worker) => worker.lease()));
  const [first, , third] = leases;
  assert.ok(first && third);
  const [porter, , giver] = workers;
  const sums = porter.frames(first, blockValues(cluster.hand, 0, 0, 2), { node: 2 });
  const [porters, givers] = [porter.rightFrames(first), giver.rightFrames(third)];
  giver.send(givers.slice(0, 2));
  porter.send(sums.slice(1, 3));
  porter.send(porters.slice(0, 1));
  porter.send(sums.slice(3));
  // Late copies of what the sums hold.
  giver.send(givers.slice(2));
  assert.equal((await porter.end(first)).status, OK);
  assert.equal((await giver.end(third)).status, OK);
  for (const i of [1, 3] as const)
    assert.ok(COUNTED.includes((await workers[i].serve(leases[i] as typeof first)).status));
  assert.equal(cluster.job.step, 1);
  assert.deepEqual(committed(cluster), ["0 worker-1, 1 worker-3, 2 worker-2, 3 worker-4"]);
  assert.equal(hashOf(cluster.job.snapshot().parameters), hashOf(weightsAfter(cluster.hand, 1)));
});

test("nobody else may push the sum, and what it counts must be right", LIMIT, async (t) => {
  const { cluster, workers } = await twoHosts(t);
  const leases = await Promise.all(workers.map((worker) => worker.lease()));
  const [first, second, third] = leases;
  assert.ok(first && second && third);
  const [porter, stranger, giver] = workers;
  const right = blockValues(cluster.hand, 0, 0, 2);
  giver.send(giver.frames(third, right, { node: 2 }));
  stranger.send(stranger.frames(second, right, { node: 2 }));
  porter.send(porter.frames(first, right, { node: 1 }));
  assert.equal((await porter.end(first)).status, MISSING);
  // As if it were the porter's block alone.
  porter.send(porter.frames(first, blockValues(cluster.hand, 0, 0, 1), { node: 2 }));
  const refused = await porter.end(first);
  assert.equal(refused.status, REFUSED);
  assert.match(refused.reason, /images/);
  assert.equal(cluster.job.step, 0);
});

test("a block that is leased again is nobody's to sum", LIMIT, async (t) => {
  const { cluster, workers } = await twoHosts(t);
  const leases = await Promise.all(workers.map((worker) => worker.lease()));
  const [porter, second, giver, fourth] = workers;
  giver.giveBack(leases[2]?.leaseId ?? 0, true);
  assert.equal((await porter.serve(leases[0] as NonNullable<(typeof leases)[0]>)).status, OK);
  const again = await porter.lease();
  assert.deepEqual([again.firstSlot, again.attempt, again.porter, again.mates], [1, 2, "", []]);
  for (const [worker, lease] of [
    [porter, again],
    [second, leases[1]],
    [fourth, leases[3]],
  ] as const)
    assert.ok(COUNTED.includes((await worker.serve(lease as typeof again)).status));
  assert.deepEqual(committed(cluster), ["0 worker-1, 1 worker-1, 2 worker-2, 3 worker-4"]);
  assert.equal(hashOf(cluster.job.snapshot().parameters), hashOf(weightsAfter(cluster.hand, 1)));
});
