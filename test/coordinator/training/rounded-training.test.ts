import assert from "node:assert/strict";
import { test } from "node:test";
import { RoundedVector } from "../../../coordinator/training/rounded-vector.js";
import { frameBytes, framesOf } from "../../../coordinator/training/parameter-frames.js";
import { AnchorWeights } from "../../../coordinator/training/anchor-weights.js";
import { ServedWeights } from "../../../coordinator/evaluation/served-weights.js";
import {
  BODY_BYTES,
  chunkCountOf,
  decodeChunk,
  roundedInChunk,
  sealOf,
  valuesOfChunk,
} from "../../../shared/core/chunk.js";
import { decodeBody, roundedWeights } from "../../../shared/core/codec.js";
import { initialParameters } from "../../../shared/core/layout.js";
import { hashOf } from "../../../shared/io/hash.js";
import { readMessage, wire, writeMessage } from "../../../shared/messages.js";
import { VectorMemory } from "../../../shared/core/vectors/vector-memory.js";
import { roundedCopy } from "../../support/bf16-reference.js";
import { type HandCluster, handCoordinator } from "../../support/hand-coordinator.js";
import { blockValues, missingChunks, weightsAfter } from "../../support/hand-worker.js";

const LIMIT = { timeout: 120_000 };
const STEPS = 3;
/** Two chunks. */
const CHANNELS = [48, 48, 48];
const GRADIENTS = "saf_gradients_received_total";
const { Status } = wire.PushReply;

interface Pulled {
  codecs: Set<string>;
  values: Float32Array;
}

/** The frames of a whole vector, put together. */
function vectorIn(frames: readonly Uint8Array[], size: number, rounded: number): Pulled {
  const values = new Float32Array(size);
  const codecs = new Set<string>();
  for (const frame of frames) {
    const decoded = decodeChunk(frame);
    assert.ok(decoded.ok);
    const { codec, chunk, totalBytes } = decoded.header;
    codecs.add(codec);
    const here = codec === "bf16" ? roundedInChunk(totalBytes, chunk, rounded) : 0;
    decodeBody(valuesOfChunk(values, chunk), decoded.body, here);
  }
  return { codecs, values };
}

/** The parameters of a version, as a worker pulls them. */
async function pulled(cluster: HandCluster, version: number, rounded: boolean): Promise<Pulled> {
  const { layout, runId } = cluster.hand;
  const bus = cluster.bus("puller");
  const frames: Uint8Array[] = [];
  for (let chunk = 0; chunk < chunkCountOf(4 * layout.size); chunk++) {
    const answer = await bus.request(
      cluster.subjects.parameterGet(0, "puller"),
      writeMessage(wire.ParamRequest, { runId, version, chunk, rounded }),
      10_000,
    );
    const frame = readMessage(wire.ParamReply, answer)?.chunk ?? new Uint8Array();
    if (frame.byteLength > 0) frames.push(new Uint8Array(frame));
  }
  return vectorIn(frames, layout.size, roundedWeights("bf16", layout) ?? 0);
}

for (const { slots, workers } of [
  { slots: 1, workers: 1 },
  { slots: 2, workers: 2 },
  { slots: 4, workers: 2 },
  { slots: 4, workers: 1 },
])
  test(
    `${slots} slot(s) of ${workers} worker(s) come to the weights of slots that are rounded by themselves`,
    LIMIT,
    async (t) => {
      const cluster = await handCoordinator(t, { slots, steps: STEPS, codec: "bf16", channels: CHANNELS });
      const { layout } = cluster.hand;
      const frames = new Map<number, Uint8Array[]>();
      cluster.bus("listener").subscribe(cluster.subjects.parameters(0), ({ data }) => {
        const decoded = decodeChunk(data);
        assert.ok(decoded.ok);
        const { step } = decoded.header;
        frames.set(step, [...(frames.get(step) ?? []), new Uint8Array(data)]);
      });
      const crew = Array.from({ length: workers }, (_, i) => cluster.worker(`worker-${i + 1}`));
      await cluster.allAtOnce(crew);
      const serving = Promise.all(crew.map((worker) => worker.serveUntil(STEPS)));
      await cluster.trained;
      await serving.catch(() => undefined);

      assert.deepEqual(cluster.failures, []);
      assert.deepEqual(await cluster.counted(GRADIENTS), {
        accepted: (await cluster.counted(GRADIENTS))["accepted"],
      });
      assert.equal(hashOf(cluster.job.snapshot().parameters), hashOf(weightsAfter(cluster.hand, STEPS)));
      const rounded = roundedWeights("bf16", layout) ?? 0;
      for (let version = 1; version <= STEPS; version++) {
        const broadcast = vectorIn(frames.get(version) ?? [], layout.size, rounded);
        assert.deepEqual([...broadcast.codecs], ["bf16"]);
        assert.equal(
          hashOf(broadcast.values),
          hashOf(roundedCopy(weightsAfter(cluster.hand, version), rounded)),
        );
      }
    },
  );

test(
  "whoever joins late pulls the weights rounded, and whoever measures or trains for itself as they are kept",
  LIMIT,
  async (t) => {
    const cluster = await handCoordinator(t, { slots: 1, steps: STEPS, codec: "bf16", channels: CHANNELS });
    const { layout, run } = cluster.hand;
    const rounded = roundedWeights("bf16", layout) ?? 0;
    const worker = await cluster.joined("worker-1");
    for (let version = 0; version < 2; version++) {
      const kept = version === 0 ? initialParameters(layout, run.seed) : weightsAfter(cluster.hand, version);
      const lease = await worker.lease();
      assert.deepEqual(await pulled(cluster, version, false), { codecs: new Set(["fp32"]), values: kept });
      const trained = await pulled(cluster, version, true);
      assert.deepEqual(trained, { codecs: new Set(["bf16"]), values: roundedCopy(kept, rounded) });
      assert.notDeepEqual(trained.values, kept);
      await worker.serve(lease);
    }
  },
);

test("a run in fp32 has no rounded weights to give, and takes no gradient in bf16", LIMIT, async (t) => {
  const cluster = await handCoordinator(t, { slots: 1, steps: STEPS });
  const worker = await cluster.joined("worker-1");
  const lease = await worker.lease();
  assert.equal((await pulled(cluster, 0, true)).codecs.size, 0);
  assert.deepEqual([...(await pulled(cluster, 0, false)).codecs], ["fp32"]);
  worker.send(worker.rightFrames(lease, { codec: "bf16" }));
  const { status } = await worker.end(lease);
  assert.equal(status, Status.MISSING);
  assert.deepEqual(Object.keys(await cluster.counted(GRADIENTS)), ["codec"]);
  await worker.serve(lease);
  await worker.serveUntil(STEPS);
  await cluster.trained;
  assert.equal(hashOf(cluster.job.snapshot().parameters), hashOf(weightsAfter(cluster.hand, STEPS)));
});

test(
  "a slot that was not rounded and a sum that was are refused, for they would be other bits",
  LIMIT,
  async (t) => {
    const cluster = await handCoordinator(t, { slots: 4, steps: STEPS, codec: "bf16", channels: CHANNELS });
    const [one, other] = [cluster.worker("worker-1"), cluster.worker("worker-2")];
    await cluster.allAtOnce([one, other]);
    const lease = await one.lease();
    assert.equal(lease.slotCount, 2);
    const values = blockValues(cluster.hand, lease.step, lease.firstSlot, 2);
    one.send(one.frames({ ...lease, slotCount: 1 }, values, { node: 2 + lease.firstSlot / 2 }));
    const reply = await one.end(lease);
    assert.equal(reply.status, Status.MISSING);
    assert.equal(missingChunks(reply).length, chunkCountOf(4 * cluster.hand.layout.pushSize));
    assert.deepEqual(Object.keys(await cluster.counted(GRADIENTS)), ["codec"]);
    assert.match(cluster.log.join("\n"), /Refused a gradient chunk of worker worker-1: codec/);
    const serving = Promise.all([one.serve(lease), one.serveUntil(STEPS), other.serveUntil(STEPS)]);
    await cluster.trained;
    await serving.catch(() => undefined);
    assert.equal(hashOf(cluster.job.snapshot().parameters), hashOf(weightsAfter(cluster.hand, STEPS)));
  },
);

test(
  "bodies that split their bytes otherwise than the run does are refused by size or count",
  LIMIT,
  async (t) => {
    const cluster = await handCoordinator(t, { slots: 1, steps: 1, codec: "bf16", channels: [2, 2, 2] });
    const worker = await cluster.joined("worker-1");
    const lease = await worker.lease();
    const { pushSize } = cluster.hand.layout;
    const right = worker.rightFrames(lease);
    const whole = worker.frames({ ...lease, slotCount: 4 }, blockValues(cluster.hand, 0, 0, 1), {
      ...{ codec: "bf16", node: 1 },
    });
    assert.equal(whole[0]?.byteLength, 64 + 4 * pushSize);
    worker.send(whole);
    assert.equal((await worker.end(lease)).status, Status.MISSING);
    const told = await cluster.counted(GRADIENTS);
    assert.deepEqual(Object.keys(told), ["size"]);
    worker.send(right);
    await cluster.trained;
    assert.equal(hashOf(cluster.job.snapshot().parameters), hashOf(weightsAfter(cluster.hand, 1)));
  },
);

test("a state in bf16 is refused: it would take the place of weights that are kept", LIMIT, async (t) => {
  const cluster = await handCoordinator(t, {
    slots: 1,
    steps: STEPS,
    codec: "bf16",
    channels: CHANNELS,
    mode: "exclusive",
  });
  const worker = await cluster.joined("worker-1");
  const lease = await worker.stretch();
  const [frame] = worker.stateFrames(lease, new Float32Array(2 * cluster.hand.layout.size + 3 * STEPS), {
    codec: "bf16",
  });
  worker.send([frame as Uint8Array]);
  assert.equal((await worker.endState(lease)).status, Status.MISSING);
  assert.deepEqual(await cluster.counted(GRADIENTS), { codec: 1 });
  assert.equal((await worker.serveStretch(lease)).status, Status.OK);
  await cluster.trained;
  assert.equal(hashOf(cluster.job.snapshot().parameters), hashOf(weightsAfter(cluster.hand, STEPS)));
});

const identity = { runHash: "00112233445566ff", term: 5, version: 77, shard: 0 };

for (const inPlace of [false, true])
  test(`a rounded vector broadcasts what it rounds and keeps what it was given, ${inPlace ? "read in place" : "copied"}`, () => {
    const size = BODY_BYTES / 4 + 50;
    const rounded = size - 7;
    const memory = new VectorMemory();
    const vector = Float32Array.from({ length: size }, (_, i) => Math.cos(i) / 3);
    const frames = memory.reserve(frameBytes(size), 64);
    const kept = new RoundedVector(memory.allocate(size), frames, rounded, inPlace);
    kept.write(vector);
    assert.deepEqual(kept.read(), vector);
    framesOf(vector, identity, rounded).forEach((expected, chunk) => {
      const frame = kept.seal(chunk, identity);
      const decoded = decodeChunk(frame, inPlace);
      assert.ok(decoded.ok);
      assert.deepEqual(decoded, decodeChunk(expected));
      assert.deepEqual(kept.copy(chunk, identity, true), expected);
      assert.deepEqual(kept.copy(chunk, identity), framesOf(vector, identity)[chunk]);
      const seal = sealOf(frame);
      kept.open(chunk);
      assert.equal(sealOf(frame) !== seal, inPlace, "others must see that it changes");
    });
    assert.equal(kept.copy(2, identity, true), undefined);
    const both = framesOf(vector, identity, rounded);
    assert.deepEqual(vectorIn(both, size, rounded).values, roundedCopy(vector, rounded));
  });

test("the weights that flag A attacks are pulled rounded and kept as they are; what is measured is never rounded", () => {
  const plan = { images: 20, batchSize: 10, slots: 1, epochs: 9 };
  const augmentation = { adversarial: { epsilon: 1, share: 0.5 } };
  const weights = Float32Array.of(1.001, 2.003, 3.005);
  const anchor = new AnchorWeights(plan, augmentation, [{ index: 0, first: 0, end: 3 }], undefined, 2);
  anchor.advance(() => weights.slice(), { runHash: identity.runHash, term: 5, version: 2 });
  assert.deepEqual(anchor.kept?.parameters, weights);
  const request = { shard: 0, version: 2, chunk: 0 };
  const frame = anchor.frame({ ...request, rounded: true });
  assert.ok(frame);
  assert.deepEqual(vectorIn([frame], 3, 2).values, roundedCopy(weights, 2));
  assert.equal(anchor.frame(request), undefined);

  const served = new ServedWeights({ runId: "a", term: 5, version: 2, parameters: weights });
  assert.equal(served.frame({ ...request, rounded: true }).frame, undefined);
  assert.deepEqual(vectorIn([served.frame(request).frame as Uint8Array], 3, 2), {
    codecs: new Set(["fp32"]),
    values: weights,
  });
});
