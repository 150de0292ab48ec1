/**
 * Frames that the coordinator reads where they lie, in memory of their worker: more of a push may be on its way than was needed,
 * and its worker goes on to the next lease then. What lies there by that time is nobody's fault.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Bus } from "../../shared/bus.js";
import { bodyOf, frameIn, framesLength } from "../../shared/core/chunk.js";
import { nodeOfBlock } from "../../shared/core/slots.js";
import type { saf } from "../../shared/messages.js";
import { runHashOf } from "../../shared/run-hash.js";
import { FrameSender } from "../../worker/frame-sender.js";
import { type HandCluster, handCoordinator } from "../support/hand-coordinator.js";
import type { HandWorker } from "../support/hand-worker.js";

const LIMIT = { timeout: 60_000 };
const GRADIENTS = "saf_gradients_received_total";

/** The memory of a worker: what it publishes waits until a test brings the coordinator to read it. */
class Mapped {
  readonly #cluster: HandCluster;
  readonly #worker: HandWorker;
  readonly #totalBytes: number;
  readonly #frames: Uint8Array;
  readonly #published: Uint8Array[] = [];

  constructor(cluster: HandCluster, worker: HandWorker) {
    this.#cluster = cluster;
    this.#worker = worker;
    this.#totalBytes = 4 * cluster.hand.layout.pushSize;
    this.#frames = new Uint8Array(framesLength(this.#totalBytes));
  }

  get #subject(): string {
    return this.#cluster.subjects.gradient(0, this.#worker.id);
  }

  /** Begins to compute a block: nothing of the push before is left. */
  begin({ step, attempt, firstSlot, slotCount }: saf.v1.BlockLease): FrameSender {
    const { hand, term, buses } = this.#cluster;
    const publish = (_subject: string, frame: Uint8Array): void => void this.#published.push(frame);
    const bus = Object.assign(Object.create(buses[1]) as Bus, { publish });
    const node = nodeOfBlock(hand.plan.slots, { first: firstSlot, count: slotCount });
    const identity = {
      runHash: runHashOf(hand.runId),
      term,
      step,
      attempt,
      node,
      totalBytes: this.#totalBytes,
    };
    return new FrameSender(bus, this.#subject, { frames: this.#frames, inPlace: true, identity });
  }

  /** Computes it. */
  compute(lease: saf.v1.BlockLease): void {
    for (const [chunk, frame] of this.#worker.rightFrames(lease).entries())
      bodyOf(frameIn(this.#frames, this.#totalBytes, chunk)).set(bodyOf(frame));
  }

  /** The coordinator reads what was published, so many frames of it. */
  read(count = this.#published.length): number {
    const { broker, subjects } = this.#cluster;
    const listener = [...broker.listeners].find(({ pattern }) => pattern === subjects.gradientPattern(0));
    assert.ok(listener !== undefined);
    const frames = this.#published.splice(0, count);
    for (const data of frames)
      listener.handler({
        subject: this.#subject,
        data,
        inPlace: true,
        replyTo: undefined,
        respond: () => undefined,
      });
    return frames.length;
  }
}

function checkQuiet({ log }: HandCluster): void {
  assert.deepEqual(
    log.filter((line) => line.includes("Refused")),
    [],
  );
}

test("what a worker sent again without need is stale once it has gone on", LIMIT, async (t) => {
  const cluster = await handCoordinator(t);
  const worker = await cluster.joined("worker-1");
  const mapped = new Mapped(cluster, worker);
  const lease = await worker.lease();
  const sender = mapped.begin(lease);
  mapped.compute(lease);
  sender.sendAll();
  // The answer to the end of the push is late, so all of it goes again.
  sender.sendAll();
  await sender.settled();

  const needed = mapped.read(sender.chunkCount);
  const next = await worker.lease();
  mapped.begin(next);
  const left = mapped.read();

  assert.equal(next.step, lease.step + 1);
  assert.deepEqual(await cluster.counted(GRADIENTS), { accepted: needed, stale: left });
  checkQuiet(cluster);
});

test("so is what another worker had brought of the same block already", LIMIT, async (t) => {
  const cluster = await handCoordinator(t);
  const [one, two] = [cluster.worker("worker-1"), cluster.worker("worker-2")];
  await cluster.allAtOnce([one, two]);
  const [first, second] = [await one.lease(), await two.lease()];
  const BROUGHT = 3;
  one.send(one.rightFrames(first).slice(0, BROUGHT));
  await two.serve(second);
  one.giveBack(first.leaseId, true);
  const taken = await two.lease();
  const before = await cluster.counted(GRADIENTS);
  const mapped = new Mapped(cluster, two);
  const sender = mapped.begin(taken);
  mapped.compute(taken);
  const chunks = Array.from({ length: sender.chunkCount }, (_, chunk) => chunk);
  sender.send([...chunks.slice(BROUGHT), ...chunks.slice(0, BROUGHT)]);
  await sender.settled();

  const needed = mapped.read(sender.chunkCount - BROUGHT);
  const next = await two.lease();
  mapped.begin(next);
  assert.equal(mapped.read(), BROUGHT);

  assert.deepEqual([taken.attempt, next.step], [2, taken.step + 1]);
  const accepted = (before["accepted"] ?? 0) + needed;
  assert.deepEqual(await cluster.counted(GRADIENTS), { accepted, stale: BROUGHT });
  checkQuiet(cluster);
});
