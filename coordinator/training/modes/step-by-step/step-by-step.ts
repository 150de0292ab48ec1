/**
 * Synchronous training: the blocks of a step go to whoever is idle, their gradients are summed, and the optimizer runs here,
 * chunk by chunk, while others are still summed.
 */
import { stepSamples } from "../../../../shared/core/schedule.js";
import type { ChunkHeader } from "../../../../shared/core/chunk.js";
import { ClusterError } from "../../../../shared/errors.js";
import type { saf } from "../../../../shared/messages.js";
import type { CommittedUnit } from "../../../leases/events.js";
import type { ChunkVerdict, GrantedLease, Verdict } from "../../../leases/job.js";
import type { Commit, WorkPlan } from "../../../leases/unit.js";
import { overflown } from "../../diverged.js";
import type { Shard } from "../../shard.js";
import { updateRule } from "../../update-rule.js";
import type { CommandHead, Course, MakeMode, Mode, ModeContext, Pause } from "../mode.js";
import { committedStep } from "./committed-step.js";
import { Gradients } from "./gradients.js";
import type { HostGroup } from "./host-groups.js";
import { type BlockUnit, blockPlan } from "./plan.js";
import { type StepInWork, StepOpener } from "./step-in-work.js";

export const stepByStep: MakeMode = (context) => new StepByStep(context);

class StepByStep implements Mode<BlockUnit> {
  readonly #context: ModeContext;
  readonly #opener: StepOpener;
  readonly #gradients: Gradients;
  #work: StepInWork | undefined;

  constructor(context: ModeContext) {
    const { options, edges, versions, leases } = context;
    const { slots, codec } = options.plan;
    this.#context = context;
    this.#opener = new StepOpener(options.run.name, slots, edges.tracer);
    this.#gradients = new Gradients(versions.shards, leases, edges.clock, {
      slots,
      codec,
      layout: options.layout,
      work: () => this.#work,
      onSum: (work, shard, chunk) => this.#update(work, shard, chunk),
    });
  }

  plan(course: Course): WorkPlan<BlockUnit> {
    const { plan, leaseFloorMs: floorMs } = this.#context.options;
    return blockPlan({ plan, floorMs }, course);
  }

  command(unit: BlockUnit, lease: GrantedLease, head: CommandHead): saf.v1.WorkerCommand.$Properties {
    const { step, block } = unit;
    this.#work ??= this.#opener.open(step, lease.atMs);
    const traceparent = this.#work.leased(unit, lease);
    const group = this.#work.groups.leased(unit.id, this.#context.leases.records());
    return {
      block: {
        ...{ ...head, step, firstSlot: block.first, slotCount: block.count, traceparent },
        relay: lease.relay,
        ...(group === undefined ? {} : carriedBy(group, lease.worker)),
      },
    };
  }

  onChunk(workerId: string, header: ChunkHeader, body: Uint8Array, isIntact: () => boolean): ChunkVerdict {
    return this.#gradients.onChunk(workerId, header, body, isIntact);
  }

  onPushEnd(message: saf.v1.PushEnd): Verdict<saf.v1.PushReply.$Properties> {
    return this.#gradients.onPushEnd(message);
  }

  /** The sum of a chunk is complete: it becomes part of the next version at once. */
  #update(work: StepInWork, shard: Shard, chunk: number): void {
    const { options, edges, versions } = this.#context;
    const { clock, broadcast } = edges;
    const beganMs = clock();
    const rule = updateRule(options, work.step);
    const frame = shard.update(chunk, rule, versions.identity(work.step + 1), work.norms);
    const updatedMs = clock();
    if (frame === "overflow") edges.fail(overflown(work.step));
    else if (frame !== undefined) broadcast(shard.range.index, frame);
    work.did("update", beganMs, updatedMs);
    work.did("publish", updatedMs, clock());
  }

  commit({ step }: Commit, units: readonly CommittedUnit<BlockUnit>[]): void {
    const { options, edges, versions } = this.#context;
    const work = this.#work;
    if (work === undefined) throw new RangeError(`Step ${step} was never begun`);
    const atMs = edges.clock();
    const committed = committedStep(options, units, versions.tail(), work, atMs);
    work.end(atMs);
    this.#work = undefined;
    versions.commit();
    const expected = stepSamples(options.plan, step);
    if (committed.samples === expected) {
      edges.onCommit(committed);
      edges.tracer?.part?.("commit", atMs, edges.clock());
      return;
    }
    const counted = `Step ${step} counted ${committed.samples} images, expected ${expected}`;
    edges.fail(new ClusterError("protocol", counted));
  }

  /** A step that was begun is finished. */
  pause(): Pause {
    const { versions, leases } = this.#context;
    return { stopAt: leases.hasBegun ? versions.step + 1 : versions.step, recalls: false };
  }

  giveUp(why: string): void {
    const { edges, versions } = this.#context;
    versions.giveUpStep();
    this.#work?.end(edges.clock(), why);
    this.#work = undefined;
  }
}

/** What a lease says of the sum in which its block leaves the host. */
function carriedBy(
  { node, porter, blocks }: HostGroup,
  worker: string,
): Pick<saf.v1.BlockLease.$Properties, "porter" | "carriedNode" | "mates"> {
  const others = worker === porter ? blocks.slice(1).map((block) => block.worker) : [];
  return { porter, carriedNode: node, mates: others };
}
