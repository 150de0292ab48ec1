import assert from "node:assert/strict";
import { type TestContext, describe, test } from "node:test";
import { configSchema } from "../../../shared/config/run.js";
import {
  BODY_BYTES,
  type ChunkHeader,
  HEADER_BYTES,
  chunkCountOf,
  decodeChunk,
} from "../../../shared/core/chunk.js";
import { TAIL } from "../../../shared/core/layout.js";
import { PROTOCOL_VERSION, type saf, wire } from "../../../shared/messages.js";
import type { Refusal } from "../../../shared/metrics.js";
import { runHashOf } from "../../../shared/run-hash.js";
import { connectNats } from "../../../shared/io/nats-bus.js";
import { layoutOf } from "../../../shared/networks/network.js";
import { resolveRun, stepPlan } from "../../../shared/resolve.js";
import { type TestCluster, startCluster, testConfig } from "../../support/cluster.js";
import { SEED, randomNumbers } from "../../support/draws.js";
import { type HandCluster, QUARANTINE, handCoordinator } from "../../support/hand-coordinator.js";
import {
  type HandRun,
  HandWorker,
  blockValues,
  missingChunks,
  weightsAfter,
} from "../../support/hand-worker.js";
import { allFinite } from "../../../shared/core/vectors/vector-memory.js";
import { hashOf } from "../../../shared/io/hash.js";

const LIMIT = { timeout: 60_000 };
const GRADIENTS = "saf_gradients_received_total";
const STEPS = 3;
const { Status } = wire.PushReply;

/** Steps were committed, each once, to the weights of a run that nobody disturbed. */
async function checkWeights(cluster: HandCluster): Promise<void> {
  await cluster.trained;
  assert.deepEqual(
    cluster.committed.map(({ step, samples }) => ({ step, samples })),
    Array.from({ length: STEPS }, (_, step) => ({ step, samples: 8 })),
  );
  assert.equal(hashOf(cluster.job.snapshot().parameters), hashOf(weightsAfter(cluster.hand, STEPS)));
  assert.deepEqual(cluster.failures, []);
}

interface BadChunk {
  what: string;
  outcome: Refusal;
  /** From the right frames of a push to what is sent instead of its third chunk. */
  spoil: (worker: HandWorker, lease: saf.v1.BlockLease, right: Uint8Array) => Uint8Array;
  /** It is no fault of the worker, and of no interest. */
  isQuiet?: boolean;
}

const VICTIM = 2;

function changed(frame: Uint8Array, at: number, change: (byte: number) => number): Uint8Array {
  const copy = frame.slice();
  copy[at] = change(copy[at] as number);
  return copy;
}

/** The right values under another header, sealed as if it were meant. */
const under =
  (change: Partial<ChunkHeader>) =>
  (worker: HandWorker, lease: saf.v1.BlockLease): Uint8Array =>
    worker.rightFrames(lease, change)[VICTIM] as Uint8Array;

const BAD_CHUNKS: BadChunk[] = [
  { what: "of another run", outcome: "run", spoil: under({ runHash: runHashOf("another-run") }) },
  { what: "of another coordinator term", outcome: "fenced", spoil: under({ term: 1_600_000_000_000 }) },
  { what: "of a later step", outcome: "stale", spoil: under({ step: 7 }), isQuiet: true },
  { what: "of a block that was not leased to it", outcome: "node", spoil: under({ node: 2 }) },
  { what: "of a node that no tree has", outcome: "node", spoil: under({ node: 999 }) },
  { what: "of another shard", outcome: "size", spoil: under({ shard: 1 }) },
  { what: "that calls itself parameters", outcome: "size", spoil: under({ kind: "parameters" }) },
  {
    what: "of a vector of another length",
    outcome: "size",
    spoil: (worker, lease) => worker.frames(lease, new Float32Array(400_000))[VICTIM] as Uint8Array,
  },
  {
    what: "whose index lies outside of the vector",
    outcome: "size",
    spoil: under({ chunk: 4_000_000_000 }),
  },
  {
    what: "of another format version",
    outcome: "version",
    spoil: (_w, _l, right) => changed(right, 4, () => 9),
  },
  { what: "that is something else", outcome: "magic", spoil: (_w, _l, right) => changed(right, 0, () => 0) },
  {
    what: "with a flipped bit",
    outcome: "checksum",
    spoil: (_w, _l, right) => changed(right, 5000, (b) => b ^ 4),
  },
  { what: "cut short", outcome: "truncated", spoil: (_w, _l, right) => right.slice(0, right.length - 1) },
  {
    what: "shorter than a header",
    outcome: "truncated",
    spoil: (_w, _l, right) => right.slice(0, HEADER_BYTES - 1),
  },
  { what: "with a byte too many", outcome: "size", spoil: (_w, _l, right) => Uint8Array.from([...right, 0]) },
];

describe("a gradient chunk is refused and training goes on to the right weights, when it is", () => {
  for (const { what, outcome, spoil, isQuiet = false } of BAD_CHUNKS) {
    test(`${what} (${outcome})`, LIMIT, async (t) => {
      const cluster = await handCoordinator(t);
      const worker = await cluster.joined("worker-7");
      const lease = await worker.lease();
      const right = worker.rightFrames(lease);

      worker.send(right.map((frame, chunk) => (chunk === VICTIM ? spoil(worker, lease, frame) : frame)));
      const reply = await worker.end(lease);

      assert.equal(reply.status, Status.MISSING);
      assert.deepEqual(missingChunks(reply), [VICTIM]);
      assert.deepEqual(await cluster.counted(GRADIENTS), { accepted: right.length - 1, [outcome]: 1 });
      const said = cluster.log.filter((line) => line.includes("worker-7") && line.endsWith(`: ${outcome}`));
      assert.equal(said.length, isQuiet ? 0 : 1, cluster.log.join("\n"));

      worker.send([right[VICTIM] as Uint8Array]);
      // The step was committed by that chunk: the end of its push comes late.
      assert.equal((await worker.end(lease)).status, Status.STALE);
      await worker.serveUntil(STEPS);
      await checkWeights(cluster);
    });
  }

  test("sent twice (duplicate): it counts once", LIMIT, async (t) => {
    const cluster = await handCoordinator(t);
    const worker = await cluster.joined("worker-7");
    const lease = await worker.lease();
    const right = worker.rightFrames(lease);

    worker.send([...right.slice(0, 3), ...right.slice(0, 3), ...right.slice(3)]);
    await worker.end(lease);

    assert.deepEqual(await cluster.counted(GRADIENTS), { accepted: right.length, duplicate: 3 });
    await worker.serveUntil(STEPS);
    await checkWeights(cluster);
  });

  test("one bit away from right, whichever bit that is", LIMIT, async (t) => {
    const below = randomNumbers(SEED);
    t.diagnostic(`SAF_TEST_SEED=${SEED}`);
    const cluster = await handCoordinator(t);
    const worker = await cluster.joined("worker-7");
    const lease = await worker.lease();
    const right = worker.rightFrames(lease);
    const last = right.at(-1) as Uint8Array;
    // Every bit of the header, and some of the body.
    const bits = [
      ...Array.from({ length: 8 * HEADER_BYTES }, (_, bit) => bit),
      ...Array.from({ length: 100 }, () => below(8 * last.length)),
    ];

    for (const bit of bits) worker.send([changed(last, bit >>> 3, (byte) => byte ^ (1 << (bit & 7)))]);
    worker.send(right.slice(0, -1));
    const reply = await worker.end(lease);

    assert.deepEqual(missingChunks(reply), [right.length - 1]);
    const { accepted, ...refused } = await cluster.counted(GRADIENTS);
    assert.equal(accepted, right.length - 1);
    assert.equal(
      Object.values(refused).reduce((sum, count) => sum + count, 0),
      bits.length,
    );
    await worker.serve(lease);
    await worker.serveUntil(STEPS);
    await checkWeights(cluster);
  });
});

describe("values that are not finite", () => {
  for (const [what, value] of [
    ["NaN", NaN],
    ["an infinity", -Infinity],
  ] as const) {
    test(`${what} in a push sends the block out again`, LIMIT, async (t) => {
      const cluster = await handCoordinator(t);
      const worker = await cluster.joined("worker-7");
      const lease = await worker.lease();
      const values = blockValues(cluster.hand, lease.step, lease.firstSlot, lease.slotCount);
      values[200_000] = value;

      worker.send(worker.frames(lease, values));
      const reply = await worker.end(lease);

      assert.equal(reply.status, Status.REFUSED);
      assert.match(reply.reason, /not finite/);
      const chunks = chunkCountOf(cluster.hand.layout.pushSize * 4);
      assert.deepEqual(await cluster.counted(GRADIENTS), { accepted: chunks - 1, nonfinite: 1 });
      assert.ok(cluster.log.includes("Refused a gradient chunk of worker worker-7: nonfinite"));
      const again = await worker.lease();
      assert.deepEqual([again.step, again.attempt], [lease.step, lease.attempt + 1]);
      await worker.serve(again);
      await worker.serveUntil(STEPS);
      await checkWeights(cluster);
    });
  }

  test("three attempts of one step without finite values are a divergence", LIMIT, async (t) => {
    const cluster = await handCoordinator(t);
    const worker = await cluster.joined("worker-7");
    worker.send([]);
    await worker.serve(await worker.lease());

    for (let attempt = 1; attempt <= 3; attempt++) {
      const lease = await worker.lease();
      assert.equal(lease.step, 1);
      assert.deepEqual(cluster.failures, []);
      const values = blockValues(cluster.hand, lease.step, lease.firstSlot, lease.slotCount).fill(NaN, 0, 5);
      worker.send(worker.frames(lease, values));
      await worker.end(lease);
    }

    assert.equal(cluster.failures.length, 1);
    const [error] = cluster.failures;
    assert.equal(error?.code, "diverged");
    assert.equal(error?.exitCode, 4);
    assert.match(error?.message ?? "", /step 1 .* 3 attempts/);
    assert.equal(cluster.committed.length, 1, "nothing of the bad step may be committed");
  });

  test(
    "one worker that never has finite values cannot end a run alone: others compute its blocks",
    LIMIT,
    async (t) => {
      const cluster = await handCoordinator(t, { slots: 2, steps: 6 });
      const [bad, good] = [await cluster.joined("worker-1"), await cluster.joined("worker-2")];
      let refused = 0;
      const spoil = async (): Promise<void> => {
        for (;;) {
          const lease = await bad.lease();
          const values = blockValues(cluster.hand, lease.step, lease.firstSlot, lease.slotCount).fill(
            NaN,
            0,
            5,
          );
          bad.send(bad.frames(lease, values));
          if ((await bad.end(lease)).status === Status.REFUSED) refused++;
        }
      };
      void spoil().catch(() => undefined);

      await good.serveUntil(6);

      await cluster.trained;
      assert.deepEqual(cluster.failures, []);
      assert.equal(hashOf(cluster.job.snapshot().parameters), hashOf(weightsAfter(cluster.hand, 6)));
      // Three blocks in a row came back bad; time stands still, so its rest has not ended.
      assert.equal(refused, 3);
      assert.deepEqual(await cluster.counted("saf_worker_quarantines_total"), { "": 1 });
      const said =
        /^Worker worker-1 gets no work for 80 ms: 3 leases in a row failed \(values that are not finite\)$/;
      assert.equal(cluster.log.filter((line) => said.test(line)).length, 1, cluster.log.join("\n"));
      assert.equal(cluster.coordinator.table()[0]?.state, "quarantined");
    },
  );

  test(
    "finite gradients whose update is not finite are a divergence, and are broadcast to nobody",
    LIMIT,
    async (t) => {
      const cluster = await handCoordinator(t);
      const broadcast: Uint8Array[] = [];
      cluster
        .bus("worker-1")
        .subscribe(cluster.subjects.parameters(0), ({ data }) => broadcast.push(data.slice()));
      const workers = [cluster.worker("worker-1"), cluster.worker("worker-2")];
      await cluster.allAtOnce(workers);
      for (const worker of workers) {
        const lease = await worker.lease();
        const values = blockValues(cluster.hand, lease.step, lease.firstSlot, lease.slotCount);
        const chunk = VICTIM * (BODY_BYTES / 4);
        worker.send(worker.frames(lease, values.fill(3.4e38, chunk, chunk + 5)));
        await worker.end(lease);
      }
      const [failure] = cluster.failures;
      assert.equal(failure?.code, "diverged");
      assert.match(failure.message, /^The weights after step 0 are not finite, though every gradient was$/);
      for (const frame of broadcast) {
        const decoded = decodeChunk(frame);
        assert.ok(decoded.ok);
        assert.ok(allFinite(new Float32Array(decoded.body.slice().buffer)));
      }
    },
  );

  test("two workers without finite values for one block are a divergence", LIMIT, async (t) => {
    const cluster = await handCoordinator(t);
    const spoil = async (worker: HandWorker): Promise<void> => {
      const lease = await worker.lease();
      const values = blockValues(cluster.hand, lease.step, lease.firstSlot, lease.slotCount).fill(NaN, 0, 5);
      worker.send(worker.frames(lease, values));
      assert.equal((await worker.end(lease)).status, Status.REFUSED);
    };
    const one = await cluster.joined("worker-1");
    const two = await cluster.joined("worker-2");

    await spoil(one);
    assert.deepEqual(cluster.failures, []);
    await spoil(two);

    assert.deepEqual(
      cluster.failures.map(({ code, message }) => [code, message]),
      [["diverged", "The gradient of step 0 is not finite in 2 attempts of worker-1 and worker-2"]],
    );
  });

  test(
    "a lost chunk of an honest copy is asked for, though another copy was not finite",
    LIMIT,
    async (t) => {
      const cluster = await handCoordinator(t);
      const [bad, good] = [await cluster.joined("worker-1"), await cluster.joined("worker-2")];
      const lease = await bad.lease();
      const values = blockValues(cluster.hand, lease.step, lease.firstSlot, lease.slotCount).fill(NaN, 0, 5);
      bad.send(bad.frames(lease, values));
      // Its deadline is over before it says that all is sent: the other one gets the same block.
      await cluster.jump(70_000, () => {
        good.beat();
        bad.beat({ leaseId: lease.leaseId });
      });
      const copy = await good.lease();
      assert.deepEqual([copy.firstSlot, copy.attempt], [lease.firstSlot, 2]);

      good.send(good.rightFrames(copy).slice(1));
      const reply = await good.end(copy);

      assert.equal(reply.status, Status.MISSING);
      assert.deepEqual(missingChunks(reply), [0]);
      assert.deepEqual(cluster.failures, []);
    },
  );

  test("a refused attempt of one step does not count against the next", LIMIT, async (t) => {
    const cluster = await handCoordinator(t);
    const worker = await cluster.joined("worker-7");
    for (let step = 0; step < STEPS; step++) {
      for (let attempt = 1; attempt <= 2; attempt++) {
        const lease = await worker.lease();
        const values = blockValues(cluster.hand, step, lease.firstSlot, lease.slotCount).fill(NaN, 9, 10);
        worker.send(worker.frames(lease, values));
        await worker.end(lease);
      }
      await worker.serve(await worker.lease());
    }
    await checkWeights(cluster);
  });
});

describe("the end of a push", () => {
  test("names every chunk that did not arrive, and is content when they have come", LIMIT, async (t) => {
    const cluster = await handCoordinator(t, { slots: 2 });
    const [one, two] = [await cluster.joined("worker-1"), await cluster.joined("worker-2")];
    // The one that joined first holds the whole step as one block; the next step is shared.
    await one.serve(await one.lease());
    const [first, second] = [await one.lease(), await two.lease()];
    assert.deepEqual([first.slotCount, second.slotCount], [1, 1]);
    const frames = one.rightFrames(first);

    one.send([frames[1] as Uint8Array, frames[4] as Uint8Array]);
    const reply = await one.end(first);
    one.send([...frames].reverse());
    const content = await one.end(first);

    assert.equal(reply.status, Status.MISSING);
    assert.deepEqual(missingChunks(reply), [0, 2, 3, 5, 6]);
    assert.equal(content.status, Status.OK);
    await Promise.all([two.serve(second).then(() => two.serveUntil(STEPS)), one.serveUntil(STEPS)]);
    await checkWeights(cluster);
  });

  test("is refused for a block that is another worker's", LIMIT, async (t) => {
    const cluster = await handCoordinator(t);
    const [one, two] = [await cluster.joined("worker-1"), await cluster.joined("worker-2")];
    await one.serve(await one.lease());
    const [first, second] = [await one.lease(), await two.lease()];

    one.send(one.rightFrames(first, { node: 2 + second.firstSlot }));
    const reply = await one.end(first, { node: 2 + second.firstSlot });

    assert.equal(reply.status, Status.REFUSED);
    assert.match(reply.reason, /not leased to you/);
    const { node } = await cluster.counted(GRADIENTS);
    assert.equal(node, 7);
    // Its own lease was taken from it, and comes again.
    await Promise.all([two.serve(second).then(() => two.serveUntil(STEPS)), one.serveUntil(STEPS)]);
    await checkWeights(cluster);
  });

  test("is fenced for another coordinator term, stale for another step", LIMIT, async (t) => {
    const cluster = await handCoordinator(t);
    const worker = await cluster.joined("worker-7");
    const lease = await worker.lease();
    worker.send(worker.rightFrames(lease).slice(1));

    assert.equal((await worker.end(lease, { term: 5 })).status, Status.FENCED);
    assert.equal((await worker.end(lease, { step: 2, leaseId: 999 })).status, Status.STALE);
    assert.equal((await worker.end(lease, { runId: "another-run", leaseId: 999 })).status, Status.STALE);

    assert.equal((await worker.end(lease)).status, Status.MISSING);
    await worker.serve(lease);
    await worker.serveUntil(STEPS);
    await checkWeights(cluster);
  });

  for (const [what, place, value] of [
    ["too few images", TAIL.samples, 7],
    ["more hits than images", TAIL.hits, 9],
    ["half a hit", TAIL.hits, 0.5],
    ["fewer hits than none", TAIL.hits, -1],
  ] as const) {
    test(
      `that counts ${what} is refused, its worker is named and rests, and the run goes on`,
      LIMIT,
      async (t) => {
        const cluster = await handCoordinator(t);
        const liar = await cluster.joined("worker-7");
        for (let attempt = 1; attempt <= QUARANTINE.after; attempt++) {
          const lease = await liar.lease();
          assert.equal(lease.attempt, attempt);
          const values = blockValues(cluster.hand, lease.step, lease.firstSlot, lease.slotCount);
          values[cluster.hand.layout.size + place] = value;
          liar.send(liar.frames(lease, values));
          const reply = await liar.end(lease);
          assert.equal(reply.status, Status.REFUSED);
          assert.match(reply.reason, /^it counted .* hits of .* images, expected 8 images$/);
        }
        assert.ok(
          cluster.log.some((line) => /^The result of worker worker-7 for step 0 .* is refused/.test(line)),
        );
        assert.ok(cluster.log.some((line) => /^Worker worker-7 gets no work for/.test(line)));
        assert.deepEqual([cluster.failures, cluster.committed], [[], []]);
        const honest = await cluster.joined("worker-8");
        await honest.serveUntil(STEPS);
        await checkWeights(cluster);
      },
    );
  }
});

describe("a worker is refused by name", () => {
  const refusals: { says: saf.v1.JoinRequest.$Properties; label: string; reason: RegExp }[] = [
    {
      says: { selfTestPassed: false, selfTestDetail: "max-pool on negative windows" },
      label: "self_test",
      reason: /wrong gradients .*max-pool on negative windows/,
    },
    {
      says: { protocol: PROTOCOL_VERSION + 1 },
      label: "protocol",
      reason: new RegExp(`protocol version ${PROTOCOL_VERSION + 1}, this coordinator ${PROTOCOL_VERSION}`),
    },
    { says: { engineName: "abacus" }, label: "engine", reason: /engine "abacus" is unknown/ },
  ];
  for (const { says, label, reason } of refusals) {
    test(`for its ${label.replace("_", "-")}`, LIMIT, async (t) => {
      const cluster = await handCoordinator(t);
      const bad = cluster.worker("worker-3");

      const reply = await bad.join(says);

      assert.equal(reply.accepted, false);
      assert.match(reply.reason, reason);
      assert.deepEqual(await cluster.counted("saf_workers_refused_total"), { [label]: 1 });
      assert.ok(cluster.log.some((line) => line === `Refused worker worker-3: ${reply.reason}`));
      assert.equal(cluster.coordinator.workerCount, 0);
      const good = await cluster.joined("worker-4");
      await good.serveUntil(STEPS);
      await checkWeights(cluster);
      assert.equal(bad.hasLease, false);
    });
  }
});

describe("a coordinator process, over NATS", () => {
  const config = {
    model: "plain",
    train: { batch_size: 8, slots: 2, max_steps: STEPS, limit_images: 800 },
  };
  // The worker is driven by hand: nobody beats.
  const pool = { heartbeat_ms: 60_000 };

  async function handWorker(
    t: TestContext,
    cluster: TestCluster,
  ): Promise<{ worker: HandWorker; hand: HandRun }> {
    const { url, credentials } = cluster.local.server;
    const connect = (purpose: string): ReturnType<typeof connectNats> =>
      connectNats({
        url,
        identity: "worker-1",
        seedFile: credentials.worker("worker-1").seedFile,
        purpose,
        connectTimeoutMs: 30_000,
      });
    const [control, bulk] = await Promise.all([connect("control"), connect("bulk")]);
    t.after(() => Promise.all([control.close(), bulk.close()]));
    const resolved = configSchema.parse(testConfig(config));
    const run = resolveRun(resolved);
    const hand = {
      runId: "run-plain",
      run,
      layout: layoutOf(run.network),
      plan: stepPlan(resolved, run, 60_000),
    };
    const worker = new HandWorker("worker-1", hand, { control, bulk, subjects: cluster.subjects });
    await worker.joinWhenThere();
    return { worker, hand };
  }

  async function countedOverHttp(cluster: TestCluster): Promise<Record<string, number>> {
    const text = await (await fetch(cluster.metricsUrl())).text();
    const lines = text.matchAll(/^saf_gradients_received_total\{outcome="(\w+)"\} (\d+)$/gm);
    return Object.fromEntries([...lines].map(([, outcome = "", count]) => [outcome, Number(count)]));
  }

  test(
    "refuses and counts bad chunks, names the worker, and goes on to the right weights",
    LIMIT,
    async (t) => {
      const cluster = await startCluster(t, { workers: 0, pool, config });
      const { worker, hand } = await handWorker(t, cluster);
      const lease = await worker.lease();
      assert.equal(lease.runId, hand.runId);
      const right = worker.rightFrames(lease);
      const values = blockValues(hand, lease.step, lease.firstSlot, lease.slotCount).fill(NaN, 0, 1);

      const expected: Record<string, number> = {};
      const count = (outcome: string): void => void (expected[outcome] = (expected[outcome] ?? 0) + 1);
      for (const { outcome, spoil } of BAD_CHUNKS) {
        worker.send([spoil(worker, lease, right[VICTIM] as Uint8Array)]);
        count(outcome);
      }
      worker.send([worker.frames(lease, values)[0] as Uint8Array]);
      count("nonfinite");
      worker.send([right[1] as Uint8Array, right[1] as Uint8Array]);
      count("accepted");
      count("duplicate");
      assert.equal((await worker.end(lease)).status, Status.REFUSED);
      const before = await countedOverHttp(cluster);
      await worker.serve(await worker.lease());
      await worker.serveUntil(STEPS);
      await cluster.trained();

      for (const [outcome, times] of Object.entries(expected)) assert.equal(before[outcome], times, outcome);
      for (const outcome of [
        "run",
        "fenced",
        "node",
        "size",
        "version",
        "magic",
        "checksum",
        "truncated",
        "nonfinite",
      ]) {
        assert.ok(
          cluster
            .log()
            .some(
              ({ level, msg }) =>
                level === "warn" && msg === `Refused a gradient chunk of worker worker-1: ${outcome}`,
            ),
          outcome,
        );
      }
      assert.deepEqual(cluster.checkpoint(), { step: STEPS, sha256: hashOf(weightsAfter(hand, STEPS)) });
    },
  );

  test("ends with exit code 4 and says so in error.json when a step is never finite", LIMIT, async (t) => {
    const cluster = await startCluster(t, { workers: 0, pool, config });
    const { worker, hand } = await handWorker(t, cluster);
    await worker.serve(await worker.lease());
    const exits = cluster.finished();
    for (let attempt = 1; attempt <= 3; attempt++) {
      const lease = await worker.lease();
      const values = blockValues(hand, lease.step, lease.firstSlot, lease.slotCount).fill(Infinity, 0, 1);
      worker.send(worker.frames(lease, values));
      await worker.end(lease);
    }

    assert.equal(await exits, 4);

    const error = cluster.json<{ code: string; message: string; hint: string; exit_code: number }>(
      "error.json",
    );
    assert.deepEqual([error.code, error.exit_code], ["diverged", 4]);
    assert.match(error.message, /gradient of step 1 is not finite/);
    const status = cluster.json<{ state: string; step: number; exit_code: number }>("status.json");
    assert.deepEqual([status.state, status.step, status.exit_code], ["failed", 1, 4]);
    assert.match(error.hint, /learning_rate/);
  });
});
