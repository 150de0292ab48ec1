/** Gradients of the step in work as they come in: counted, summed and, chunk by chunk, turned into the next version. */
import { type ChunkHeader, bodyLength, chunkCountOf } from "../../../../shared/core/chunk.js";
import {
  type Codec,
  codecOf,
  encodedLength,
  exactBytes,
  roundedGradients,
} from "../../../../shared/core/codec.js";
import type { Layout } from "../../../../shared/core/layout.js";
import { miscountIn } from "../../../../shared/core/push-counts.js";
import { blockOfNode } from "../../../../shared/core/slots.js";
import { type saf, wire } from "../../../../shared/messages.js";
import { grantOf } from "../../../leases/book.js";
import type { ChunkVerdict, JobLeases, UnitOf, Verdict } from "../../../leases/job.js";
import type { Shard } from "../../shard.js";
import { missingChunks } from "../missing.js";
import type { HeldBlock } from "./host-groups.js";
import { BLOCK_SERIES } from "./plan.js";
import type { LeasedBlock, StepInWork } from "./step-in-work.js";

/** What the training is at. */
export interface GradientContext {
  slots: number;
  codec: Codec | undefined;
  layout: Layout;
  /** Undefined while no step is in work. */
  work(): StepInWork | undefined;
  /** The sum of a chunk is complete. */
  onSum(work: StepInWork, shard: Shard, chunk: number): void;
}

/** What the values of a chunk come from. */
interface Pushed {
  /** The block of whoever sent it. */
  own: LeasedBlock;
  /** Of all blocks. */
  images: number;
  blocks: readonly HeldBlock[];
}

const { Status } = wire.PushReply;

export class Gradients {
  readonly #shards: readonly Shard[];
  readonly #leases: JobLeases;
  readonly #clock: () => number;
  readonly #context: GradientContext;

  constructor(shards: readonly Shard[], leases: JobLeases, clock: () => number, context: GradientContext) {
    this.#shards = shards;
    this.#leases = leases;
    this.#clock = clock;
    this.#context = context;
  }

  onChunk(workerId: string, header: ChunkHeader, body: Uint8Array, isIntact: () => boolean): ChunkVerdict {
    const shard = this.#shards[header.shard];
    if (header.kind !== "gradient" || header.totalBytes !== shard?.pushBytes) return { fate: "size" };
    const work = this.#context.work();
    if (work?.step !== header.step) return { fate: "stale" };
    const pushed = this.#pushedAs(work, header.node, workerId);
    if (pushed === undefined) return { fate: "node" };
    const { codec } = header;
    if (codec !== this.#codecOf(header.node)) return { fate: "codec" };

    const rounded = shard.roundedIn(header.chunk, codec);
    const values = bodyLength(shard.pushBytes, header.chunk) / 4;
    if (body.byteLength !== encodedLength(values, rounded)) return { fate: "size" };

    const { own, images } = pushed;
    const exact = exactBytes(body, rounded);
    const miscounted = endsVector(shard, header) ? miscountIn(exact, images) : undefined;
    if (miscounted !== undefined) {
      if (!isIntact()) return { fate: "checksum" };
      own.refused.set(workerId, { outcome: "refused", reason: miscounted });
      return { fate: "count" };
    }
    const beganMs = this.#clock();
    switch (shard.add(header.node, header.chunk, body, isIntact, rounded)) {
      case "duplicate":
        return { fate: "duplicate" };
      case "nonfinite":
        own.refused.set(workerId, { outcome: "spoiled", reason: "values that are not finite" });
        return { fate: "nonfinite" };
      case "no-such-node":
        return { fate: "node" };
      case "wrong-size":
        return { fate: "size" };
      case "torn":
        return { fate: "checksum" };
      case "added":
        break;
    }
    work.did("reduce", beganMs, this.#clock());
    if (shard.isSummed(header.chunk)) this.#context.onSum(work, shard, header.chunk);
    const endedMs = this.#clock();
    work.aggregateMs += endedMs - beganMs;
    return { fate: "accepted", completed: this.#completed(work, pushed, endedMs) };
  }

  /** Units of which nothing is missing any more. The workers' own times come a little later, with the ends of their pushes. */
  #completed(work: StepInWork, { blocks }: Pushed, atMs: number): UnitOf[] {
    const complete = blocks.filter(({ node }) => this.#shards.every((one) => one.isComplete(node)));
    for (const { worker } of complete) work.finished(worker, atMs);
    return complete.map(({ unitId, worker }) => ({ unitId, worker, steps: 1, toldMs: undefined }));
  }

  onPushEnd(message: saf.v1.PushEnd): Verdict<saf.v1.PushReply.$Properties> {
    const { workerId } = message;
    const work = this.#context.work();
    if (message.step !== work?.step) return this.#through(Status.STALE, message);
    const block = this.#blockOf(work, message.node, workerId);
    if (block === undefined) {
      const reason = "this block was not leased to you";
      return { reply: { status: Status.REFUSED, reason }, settled: { outcome: "refused", reason } };
    }
    const missing = this.#shards.flatMap((shard) => shard.missing(message.node));
    if (missing.length === 0) return this.#through(Status.OK, message);
    const refused = block.refused.get(workerId);
    if (refused === undefined) return missingChunks(missing, this.#chunks);
    // The next attempt begins anew.
    block.refused.delete(workerId);
    const { reason } = refused;
    return { reply: { status: Status.REFUSED, reason }, settled: { unitId: block.unit.id, ...refused } };
  }

  /** The worker's own figures: compute and wait, not the time it was queued behind other processes of its machine. */
  #through(status: saf.v1.PushReply.Status, message: saf.v1.PushEnd): Verdict<saf.v1.PushReply.$Properties> {
    const count = blockOfNode(this.#context.slots, message.node)?.count ?? 1;
    const ms = (1000 * (message.computeSeconds + message.waitSeconds)) / count;
    return {
      reply: { status },
      settled: { outcome: "done", reason: "", told: { series: BLOCK_SERIES, ms } },
    };
  }

  /** The one codec that the sum of this node comes in: in another one it would be other bits. */
  #codecOf(node: number): Codec {
    const { codec, layout, slots } = this.#context;
    return codecOf(roundedGradients(codec, layout, blockOfNode(slots, node)?.count ?? 0));
  }

  get #chunks(): number {
    return Math.max(...this.#shards.map(({ pushBytes }) => chunkCountOf(pushBytes)));
  }

  /** What a worker may push as this node: the block that it was leased, or the sum that it carries for its host. */
  #pushedAs(work: StepInWork, node: number, workerId: string): Pushed | undefined {
    const own = this.#blockOf(work, node, workerId);
    if (own !== undefined) {
      const { id: unitId, images } = own.unit;
      return { own, images, blocks: [{ unitId, worker: workerId, node }] };
    }
    const blocks = work.groups.pushedAs(node, workerId)?.blocks ?? [];
    const leased = blocks.map((block) => work.blockAt(block.node));
    const [first] = leased;
    if (first === undefined) return undefined;
    return { own: first, images: leased.reduce((sum, block) => sum + (block?.unit.images ?? 0), 0), blocks };
  }

  /** The block that sums this node, if the worker was leased it. */
  #blockOf(work: StepInWork, node: number, workerId: string): LeasedBlock | undefined {
    const block = work.blockAt(node);
    if (block === undefined) return undefined;
    return grantOf(this.#leases.record(block.unit.id), workerId) === undefined ? undefined : block;
  }
}

/** The last chunk of the last shard ends with the counts of a push. */
function endsVector({ isLast }: Shard, { chunk, chunkCount }: ChunkHeader): boolean {
  return isLast && chunk === chunkCount - 1;
}
