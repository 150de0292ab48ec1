/**
 * A worker that a test drives by hand: it speaks the real protocol over any Bus, and sends what the test makes up.
 * Its gradients are made by a formula, so that a run of them has one right end, computed here without the product's sums.
 */
import type { Bus, BusMessage } from "../../shared/bus.js";
import {
  type ChunkHeader,
  bodyOf,
  chunkCountOf,
  chunkPlace,
  frameLength,
  roundedInChunk,
  sealChunk,
  valuesOfChunk,
} from "../../shared/core/chunk.js";
import {
  type Rounded,
  codecOf,
  encodeBody,
  roundedGradients,
  roundedWeights,
} from "../../shared/core/codec.js";
import { type Layout, TAIL, initialParameters } from "../../shared/core/layout.js";
import { updateRange } from "../../shared/core/optimizer.js";
import { type StepPlan, learningRate, stepImages } from "../../shared/core/schedule.js";
import { nodeOfBlock, slotRange } from "../../shared/core/slots.js";
import { PROTOCOL_VERSION, readMessage, type saf, wire, writeMessage } from "../../shared/messages.js";
import type { ResolvedRun } from "../../shared/resolve.js";
import { runHashOf } from "../../shared/run-hash.js";
import type { Subjects } from "../../shared/subjects.js";
import { roundedCopy } from "./bf16-reference.js";
import { hash } from "./reference-inputs.js";

/** As real workers: a coordinator that is still starting is asked again. */
const JOIN_PATIENCE_MS = 1000;
const PATIENCE_MS = 30_000;

// ---- The run that is served -----------------------------------------------------------------------------------

export interface HandRun {
  runId: string;
  run: ResolvedRun;
  layout: Layout;
  plan: StepPlan;
}

/** What slot j of step t yields: small numbers that no two slots share, and its true number of samples; rounded in bf16. */
export function slotValues({ layout, plan }: HandRun, step: number, slot: number): Float32Array {
  const { first, end } = stepImages(plan, step);
  const range = slotRange(end - first, plan.slots, slot);
  const values = new Float32Array(layout.pushSize);
  const stream = 0x5a000 + step * plan.slots + slot;
  // One draw for a stretch of values: the vector is long, and what matters is that slots differ.
  for (let i = 0; i < layout.size; i++) {
    if (i % 64 === 0 || i === 0) values[i] = (hash(stream, i) - 2 ** 31) / 2 ** 38;
    else values[i] = (values[i - 1] as number) * 0.97 + 1e-6;
  }
  values[layout.size + TAIL.loss] = slot + 1;
  values[layout.size + TAIL.samples] = range.end - range.start;
  const rounded = roundedWeights(plan.codec, layout);
  return rounded === undefined ? values : roundedCopy(values, rounded);
}

/** The sum of slots [first, first + count), left half plus right half. */
export function blockValues(hand: HandRun, step: number, first: number, count: number): Float32Array {
  if (count === 1) return slotValues(hand, step, first);
  const left = blockValues(hand, step, first, count / 2);
  const right = blockValues(hand, step, first + count / 2, count / 2);
  return left.map((value, i) => value + (right[i] as number));
}

/** The weights after so many steps of such gradients. */
export function weightsAfter(hand: HandRun, steps: number): Float32Array {
  const { layout, plan, run } = hand;
  const weights = initialParameters(layout, run.seed);
  const velocity = new Float32Array(layout.size);
  for (let step = 0; step < steps; step++) {
    const { first, end } = stepImages(plan, step);
    const rule = {
      learningRate: learningRate(run.train.stages, plan, step),
      momentum: run.train.momentum,
      weightDecay: run.train.weightDecay,
      samples: end - first,
    };
    const sums = blockValues(hand, step, 0, plan.slots);
    updateRange(layout, rule, 0, { sums, current: weights, velocity, next: weights, moved: velocity });
  }
  return weights;
}

/** The state after steps [first, first + count), as an exclusive lease sends it: parameters, velocity, scalars a step. */
export function stateAfter(hand: HandRun, first: number, count: number): Float32Array {
  const { layout, plan, run } = hand;
  const weights = initialParameters(layout, run.seed);
  const velocity = new Float32Array(layout.size);
  const scalars: number[] = [];
  for (let step = 0; step < first + count; step++) {
    const images = stepImages(plan, step);
    const rule = {
      learningRate: learningRate(run.train.stages, plan, step),
      momentum: run.train.momentum,
      weightDecay: run.train.weightDecay,
      samples: images.end - images.first,
    };
    const sum = blockValues(hand, step, 0, plan.slots);
    updateRange(layout, rule, 0, { sums: sum, current: weights, velocity, next: weights, moved: velocity });
    if (step >= first) scalars.push(...sum.subarray(layout.size));
  }
  return Float32Array.from([...weights, ...velocity, ...scalars]);
}

// ---- The worker -----------------------------------------------------------------------------------------------

export interface HandWorkerEdges {
  control: Bus;
  bulk: Bus;
  subjects: Subjects;
}

export class HandWorker {
  readonly id: string;
  readonly #edges: HandWorkerEdges;
  readonly #hand: HandRun;
  readonly #leases: saf.v1.BlockLease[] = [];
  readonly #stretches: saf.v1.ExclusiveLease[] = [];
  /** Leases that are to end early. */
  readonly halted: number[] = [];
  /** All that it was told, in order. */
  readonly commands: saf.v1.WorkerCommand[] = [];
  #wake: () => void = () => undefined;
  term = 0;
  incarnation = 1;

  constructor(id: string, hand: HandRun, edges: HandWorkerEdges) {
    this.id = id;
    this.#hand = hand;
    this.#edges = edges;
    edges.control.subscribe(edges.subjects.command(id), ({ data }: BusMessage) => {
      const command = readMessage(wire.WorkerCommand, Buffer.from(data));
      if (command !== undefined) this.commands.push(command);
      if (command?.block != null) this.#leases.push(command.block as saf.v1.BlockLease);
      if (command?.exclusive != null) this.#stretches.push(command.exclusive as saf.v1.ExclusiveLease);
      if (command?.halt != null) this.halted.push(command.halt.leaseId ?? 0);
      this.#wake();
    });
  }

  /** Asks to join, as a healthy worker unless `says` differs. */
  async join(says: saf.v1.JoinRequest.$Properties = {}, patienceMs = PATIENCE_MS): Promise<saf.v1.JoinReply> {
    const { control, subjects } = this.#edges;
    await control.flush();
    const request = writeMessage(wire.JoinRequest, {
      protocol: PROTOCOL_VERSION,
      workerId: this.id,
      engineName: "wasm",
      engineVersion: "by hand",
      device: "cpu",
      selfTestPassed: true,
      incarnation: this.incarnation,
      ...says,
    });
    const reply = readMessage(
      wire.JoinReply,
      await control.request(subjects.join(this.id), request, patienceMs),
    );
    if (reply === undefined) throw new Error("The coordinator answered a join with something else");
    if (reply.accepted) this.term = reply.term;
    return reply;
  }

  /** Joins a coordinator that may still be starting. */
  async joinWhenThere(): Promise<void> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      try {
        const reply = await this.join({}, JOIN_PATIENCE_MS);
        if (!reply.accepted) throw new Error(reply.reason);
        return;
      } catch (error) {
        // Who only listens on ctl.* keeps the server from saying that nobody answers.
        const { failure } = error as { failure?: string };
        if ((failure !== "no-responders" && failure !== "timeout") || Date.now() > deadline) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }

  beat(says: saf.v1.Heartbeat.$Properties = {}): void {
    const { control, subjects } = this.#edges;
    const { term, incarnation } = this;
    control.publish(
      subjects.heartbeat(this.id),
      writeMessage(wire.Heartbeat, { workerId: this.id, incarnation, term, ...says }),
    );
  }

  giveBack(leaseId: number, leaving: boolean, failed = false): void {
    const { control, subjects } = this.#edges;
    const { incarnation } = this;
    const message = { workerId: this.id, leaseId, reason: "by hand", leaving, failed, incarnation };
    control.publish(subjects.lease(this.id), writeMessage(wire.LeaseReturn, message));
  }

  /** The next block that is leased to us. */
  lease(): Promise<saf.v1.BlockLease> {
    return this.#nextOf(this.#leases, "a lease");
  }

  /** The next exclusive lease. */
  stretch(): Promise<saf.v1.ExclusiveLease> {
    return this.#nextOf(this.#stretches, "an exclusive lease");
  }

  /** The number of the next lease that is halted. */
  halt(): Promise<number> {
    return this.#nextOf(this.halted, "a halt");
  }

  async #nextOf<Item>(queue: Item[], what: string): Promise<Item> {
    const began = Date.now();
    while (queue.length === 0 && Date.now() - began < PATIENCE_MS) {
      const deadline = setTimeout(() => this.#wake(), PATIENCE_MS);
      await new Promise<void>((resolve) => (this.#wake = resolve));
      clearTimeout(deadline);
    }
    const item = queue.shift();
    if (item === undefined) throw new Error(`${this.id} waited ${PATIENCE_MS} ms for ${what}`);
    return item;
  }

  get hasLease(): boolean {
    return this.#leases.length + this.#stretches.length > 0;
  }

  /** All frames of a push, as the product's workers make them; `change` alters what a header says. */
  frames(
    lease: Pick<saf.v1.BlockLease, "term" | "step" | "attempt" | "firstSlot" | "slotCount">,
    values: Float32Array,
    change: Partial<ChunkHeader> = {},
  ): Uint8Array[] {
    const { plan, layout } = this.#hand;
    const node = nodeOfBlock(plan.slots, { first: lease.firstSlot, count: lease.slotCount });
    const rounded = roundedGradients(plan.codec, layout, lease.slotCount);
    return this.#framesOf(values, { ...whatIsIn(lease), kind: "gradient", node, ...change }, rounded);
  }

  /** All frames of a state. `values`: as `stateAfter` makes them, after so many steps. */
  stateFrames(
    lease: saf.v1.ExclusiveLease,
    values: Float32Array,
    change: Partial<ChunkHeader> = {},
  ): Uint8Array[] {
    return this.#framesOf(values, { ...whatIsIn(lease), kind: "state", node: lease.stepCount, ...change });
  }

  #framesOf(
    values: Float32Array,
    header: Pick<ChunkHeader, "kind" | "term" | "step" | "node" | "attempt">,
    rounded?: Rounded,
  ): Uint8Array[] {
    const { runId } = this.#hand;
    const totalBytes = values.byteLength;
    return Array.from({ length: chunkCountOf(totalBytes) }, (_, chunk) => {
      const frame = new Uint8Array(frameLength(totalBytes, chunk, rounded));
      encodeBody(bodyOf(frame), valuesOfChunk(values, chunk), roundedInChunk(totalBytes, chunk, rounded));
      sealChunk(frame, {
        codec: codecOf(rounded),
        runHash: runHashOf(runId),
        shard: 0,
        ...chunkPlace(totalBytes, chunk),
        ...header,
      });
      return frame;
    });
  }

  rightFrames(lease: saf.v1.BlockLease, change: Partial<ChunkHeader> = {}): Uint8Array[] {
    return this.frames(lease, blockValues(this.#hand, lease.step, lease.firstSlot, lease.slotCount), change);
  }

  send(frames: readonly Uint8Array[]): void {
    const { bulk, subjects } = this.#edges;
    for (const frame of frames) bulk.publish(subjects.gradient(0, this.id), frame);
  }

  /** "All is sent": what the coordinator says to it. */
  end(lease: saf.v1.BlockLease, says: saf.v1.PushEnd.$Properties = {}): Promise<saf.v1.PushReply> {
    const { plan, layout } = this.#hand;
    return this.#end({
      ...whatIsIn(lease),
      leaseId: lease.leaseId,
      node: nodeOfBlock(plan.slots, { first: lease.firstSlot, count: lease.slotCount }),
      chunkCount: chunkCountOf(layout.pushSize * 4),
      ...says,
    });
  }

  /** The same for a state. */
  endState(lease: saf.v1.ExclusiveLease, says: saf.v1.PushEnd.$Properties = {}): Promise<saf.v1.PushReply> {
    return this.#end({
      ...whatIsIn(lease),
      leaseId: lease.leaseId,
      stepCount: lease.stepCount,
      ...says,
    });
  }

  /** A state whose frames travel in the end of its push: what it comes to is told with the next command. */
  async deliver(
    lease: saf.v1.ExclusiveLease,
    frames: Uint8Array[],
    says: saf.v1.PushEnd.$Properties = {},
  ): Promise<saf.v1.WorkerCommand> {
    const { bulk, subjects } = this.#edges;
    const before = this.commands.length;
    const { leaseId, stepCount } = lease;
    const whose = { ...whatIsIn(lease), leaseId, stepCount, workerId: this.id, runId: this.#hand.runId };
    const message = { ...whose, computeSeconds: 0.01, chunkCount: frames.length, frames, ...says };
    bulk.publish(subjects.push(this.id), writeMessage(wire.PushEnd, message));
    for (const deadline = Date.now() + PATIENCE_MS; Date.now() < deadline;) {
      const told = this.commands.slice(before).find(({ settled }) => settled != null);
      if (told !== undefined) return told;
      await bulk.flush();
      await new Promise((resolve) => setImmediate(resolve));
    }
    throw new Error(`${this.id} waited ${PATIENCE_MS} ms for what its push came to`);
  }

  /** Serves one exclusive lease as it should be, or only so many steps of it. */
  async serveStretch(
    lease: saf.v1.ExclusiveLease,
    steps: number = lease.stepCount,
  ): Promise<saf.v1.PushReply> {
    this.send(this.stateFrames(lease, stateAfter(this.#hand, lease.step, steps), { node: steps }));
    return this.endState(lease, { stepCount: steps });
  }

  async #end(says: saf.v1.PushEnd.$Properties): Promise<saf.v1.PushReply> {
    const { bulk, subjects } = this.#edges;
    const { runId } = this.#hand;
    const message = writeMessage(wire.PushEnd, {
      workerId: this.id,
      runId,
      computeSeconds: 0.01,
      ...says,
    });
    const reply = readMessage(
      wire.PushReply,
      await bulk.request(subjects.push(this.id), message, PATIENCE_MS),
    );
    if (reply === undefined) throw new Error("The coordinator answered a push with something else");
    return reply;
  }

  /** Serves one lease as it should be. */
  async serve(lease: saf.v1.BlockLease): Promise<saf.v1.PushReply> {
    this.send(this.rightFrames(lease));
    return this.end(lease);
  }

  /** Serves everything, until the steps are done. */
  async serveUntil(step: number): Promise<void> {
    for (;;) {
      const lease = await this.lease();
      await this.serve(lease);
      if (lease.step + 1 >= step) return;
    }
  }
}

/** What frames and their end repeat of a lease. */
function whatIsIn({ term, step, attempt }: { term: number; step: number; attempt: number }): {
  term: number;
  step: number;
  attempt: number;
} {
  return { term, step, attempt };
}

/** Chunks that a reply's bitmap names. */
export function missingChunks({ missing }: saf.v1.PushReply): number[] {
  return Array.from({ length: 8 * missing.length }, (_, chunk) => chunk).filter(
    (chunk) => (((missing[chunk >>> 3] as number) >>> (chunk & 7)) & 1) === 1,
  );
}
