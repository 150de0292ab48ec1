/**
 * A worker that a test drives by hand: it speaks the real protocol over any Bus, and sends what the test makes up.
 * Its gradients are made by a formula, so that a run of them has one right end, computed here without the product's sums.
 */
import type { Bus, BusMessage } from "../../shared/bus.js";
import {
  BODY_BYTES,
  type ChunkHeader,
  HEADER_BYTES,
  bodyLength,
  chunkCountOf,
  sealChunk,
} from "../../shared/core/chunk.js";
import { type Layout, TAIL, initialParameters } from "../../shared/core/layout.js";
import { updateRange } from "../../shared/core/optimizer.js";
import { type StepPlan, learningRate, stepImages } from "../../shared/core/schedule.js";
import { nodeOfBlock, slotRange } from "../../shared/core/slots.js";
import { PROTOCOL_VERSION, readMessage, type saf, wire, writeMessage } from "../../shared/messages.js";
import type { ResolvedRun } from "../../shared/resolve.js";
import { runHashOf } from "../../shared/run-hash.js";
import type { Subjects } from "../../shared/subjects.js";
import { hash } from "./reference-inputs.js";

const PATIENCE_MS = 30_000;

// ---- The run that is served -----------------------------------------------------------------------------------

export interface HandRun {
  runId: string;
  run: ResolvedRun;
  layout: Layout;
  plan: StepPlan;
}

/** What slot j of step t yields: small numbers that no two slots share, and its true number of samples. */
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
  return values;
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
    updateRange(layout, rule, 0, blockValues(hand, step, 0, plan.slots), weights, velocity, weights);
  }
  return weights;
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
  #wake: () => void = () => undefined;
  epoch = 0;
  incarnation = 1;

  constructor(id: string, hand: HandRun, edges: HandWorkerEdges) {
    this.id = id;
    this.#hand = hand;
    this.#edges = edges;
    edges.control.subscribe(edges.subjects.command(id), ({ data }: BusMessage) => {
      const block = readMessage(wire.WorkerCommand, data)?.block;
      if (block == null) return;
      this.#leases.push(block as saf.v1.BlockLease);
      this.#wake();
    });
  }

  /** Asks to join, as a healthy worker unless `says` differs. */
  async join(says: saf.v1.JoinRequest.$Properties = {}): Promise<saf.v1.JoinReply> {
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
    const reply = readMessage(wire.JoinReply, await control.request(subjects.join, request, PATIENCE_MS));
    if (reply === undefined) throw new Error("The coordinator answered a join with something else");
    if (reply.accepted) this.epoch = reply.epoch;
    return reply;
  }

  /** Joins a coordinator that may still be starting. */
  async joinWhenThere(): Promise<void> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      try {
        const reply = await this.join();
        if (!reply.accepted) throw new Error(reply.reason);
        return;
      } catch (error) {
        if ((error as { failure?: string }).failure !== "no-responders" || Date.now() > deadline) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }

  beat(says: saf.v1.Heartbeat.$Properties = {}): void {
    const { control, subjects } = this.#edges;
    const { epoch, incarnation } = this;
    control.publish(
      subjects.heartbeat(this.id),
      writeMessage(wire.Heartbeat, { workerId: this.id, incarnation, epoch, ...says }),
    );
  }

  giveBack(leaseId: number, leaving: boolean, failed = false): void {
    const { control, subjects } = this.#edges;
    const message = { workerId: this.id, leaseId, reason: "by hand", leaving, failed };
    control.publish(subjects.lease(this.id), writeMessage(wire.LeaseReturn, message));
  }

  /** The next block that is leased to us. */
  async lease(): Promise<saf.v1.BlockLease> {
    const deadline = setTimeout(() => this.#wake(), PATIENCE_MS);
    if (this.#leases.length === 0) await new Promise<void>((resolve) => (this.#wake = resolve));
    clearTimeout(deadline);
    const lease = this.#leases.shift();
    if (lease === undefined) throw new Error(`${this.id} waited ${PATIENCE_MS} ms for a lease`);
    return lease;
  }

  get hasLease(): boolean {
    return this.#leases.length > 0;
  }

  /** All frames of a push, as the product's workers make them; `change` alters what a header says. */
  frames(lease: saf.v1.BlockLease, values: Float32Array, change: Partial<ChunkHeader> = {}): Uint8Array[] {
    const { plan, runId } = this.#hand;
    const totalBytes = values.byteLength;
    const chunkCount = chunkCountOf(totalBytes);
    return Array.from({ length: chunkCount }, (_, chunk) => {
      const offset = chunk * BODY_BYTES;
      const frame = new Uint8Array(HEADER_BYTES + bodyLength(totalBytes, chunk));
      frame.set(
        new Uint8Array(values.buffer, values.byteOffset + offset, frame.byteLength - HEADER_BYTES),
        HEADER_BYTES,
      );
      sealChunk(frame, {
        kind: "gradient",
        codec: "fp32",
        runHash: runHashOf(runId),
        epoch: lease.epoch,
        step: lease.step,
        node: nodeOfBlock(plan.slots, { first: lease.firstSlot, count: lease.slotCount }),
        attempt: lease.attempt,
        shard: 0,
        chunk,
        chunkCount,
        offset,
        totalBytes,
        ...change,
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
  async end(lease: saf.v1.BlockLease, says: saf.v1.PushEnd.$Properties = {}): Promise<saf.v1.PushReply> {
    const { bulk, subjects } = this.#edges;
    const { plan, runId, layout } = this.#hand;
    const message = writeMessage(wire.PushEnd, {
      workerId: this.id,
      leaseId: lease.leaseId,
      epoch: lease.epoch,
      runId,
      step: lease.step,
      node: nodeOfBlock(plan.slots, { first: lease.firstSlot, count: lease.slotCount }),
      attempt: lease.attempt,
      chunkCount: chunkCountOf(layout.pushSize * 4),
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

/** Chunks that a reply's bitmap names. */
export function missingChunks({ missing }: saf.v1.PushReply): number[] {
  return Array.from({ length: 8 * missing.length }, (_, chunk) => chunk).filter(
    (chunk) => (((missing[chunk >>> 3] as number) >>> (chunk & 7)) & 1) === 1,
  );
}
