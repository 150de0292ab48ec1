/**
 * A training as a job: leases the blocks of one step, sums what comes, updates the parameters and publishes them, chunk
 * by chunk as the sums complete. A step commits when the last chunk's sum is complete.
 */
import { BODY_BYTES, type ChunkHeader, bodyLength, chunkCountOf } from "../../shared/core/chunk.js";
import { type Layout, TAIL } from "../../shared/core/layout.js";
import { squaredDistance, squaredNorm } from "../../shared/core/norms.js";
import { type UpdateRanges, updateRange } from "../../shared/core/optimizer.js";
import { BufferPool, TreeSum } from "../../shared/core/reduction.js";
import {
  type StepPlan,
  learningRate,
  stepImages,
  stepSamples,
  totalSteps,
} from "../../shared/core/schedule.js";
import { type Block, nodeOfBlock, planBlocks, slotRange } from "../../shared/core/slots.js";
import { VectorMemory } from "../../shared/core/vectors/vector-memory.js";
import type { MappedMemory } from "../../shared/bus.js";
import { ClusterError } from "../../shared/errors.js";
import { type saf, wire } from "../../shared/messages.js";
import type { ResolvedRun } from "../../shared/resolve.js";
import { runHashOf } from "../../shared/run-hash.js";
import type { Tracer } from "../../shared/tracing.js";
import { AnchorWeights, type KeptWeights } from "./anchor-weights.js";
import { LeaseTimes } from "../leases/deadline.js";
import { FramedVector, type FrameIdentity, frameBytes } from "./parameter-frames.js";
import { isDivergence } from "../pool/standing.js";
import type { ChunkFate, LeaseFate, Work } from "../leases/job.js";
import { StepTrace } from "./step-trace.js";
import type { Trainer } from "./trainer.js";

/** The whole state between two steps. */
export interface TrainingState {
  /** Steps committed; also the version of the parameters. */
  step: number;
  parameters: Float32Array;
  velocity: Float32Array;
  /** Flag A: the weights on which it makes its images, from the second epoch on. */
  anchor?: KeptWeights | undefined;
}

/** What is known about a committed step. */
export interface CommittedStep {
  step: number;
  epoch: number;
  /** Positions [first, end) in the epoch's order. */
  firstImage: number;
  endImage: number;
  samples: number;
  /** Mean over the samples, before the update. */
  loss: number;
  hits: number;
  learningRate: number;
  blocks: { first: number; count: number; worker: string; attempt: number; ms: number }[];
  /** Between the first and the last finished block. */
  barrierMs: number;
  /** Summing, updating and publishing; 0 where a worker did that by itself. */
  aggregateMs: number;
  /** Euclidean norms of mean gradient and update of the weights, where they were measured. */
  norms?: { gradient: number; update: number };
  /** From the step's first lease to its commit. */
  seconds: number;
  /** When it was done, by the coordinator's clock. */
  atMs: number;
  /** Where the step was traced. */
  traceId?: string;
}

export interface TrainingEdges {
  clock: () => number;
  /** Broadcasts one chunk frame of the next version. */
  broadcast: (frame: Uint8Array) => void;
  /** Where frames are broadcast from without a copy, if there is such a place. */
  mapped?: MappedMemory | undefined;
  onCommit: (step: CommittedStep) => void;
  /** New work is there. */
  wake: () => void;
  /** Workers in the pool. */
  workers: () => number;
  fail: (error: ClusterError) => void;
  /** Without one nothing is traced. */
  tracer?: Tracer;
}

export interface TrainingOptions {
  runId: string;
  /** Shortest deadline of a lease. */
  leaseFloorMs: number;
  run: ResolvedRun;
  layout: Layout;
  plan: StepPlan;
  term: number;
  spec: saf.v1.RunSpec.$Properties;
  state: TrainingState;
}

/** The norms of a step take half a millisecond, so not every step is measured. */
const NORMS_EVERY_MS = 1000;
/** A worker that has to load the engine's network and the images first gets this long. */
export const COLD_LEASE_MS = 60_000;

const NO_VALUES = new Float32Array();
/** A cache line. */
const FRAME_ALIGNMENT = 64;

/** A block of the step in work. */
interface BlockState {
  block: Block;
  node: number;
  attempts: number;
  /** Workers that hold or held it in this step. */
  holders: Map<string, { attempt: number; grantedMs: number }>;
  /** Waiting to be leased. */
  open: boolean;
  /** Chunks counted so far. */
  chunks: number;
  /** Workers whose push had values that are not finite: in this attempt, and attempts that ended so. */
  spoiledBy: Set<string>;
  spoiled: Map<string, number>;
  finished: { worker: string; attempt: number; ms: number; atMs: number } | undefined;
}

export class TrainingJob implements Trainer {
  readonly runId: string;
  readonly runHash: string;
  readonly #options: TrainingOptions;
  readonly #edges: TrainingEdges;
  readonly #pushBytes: number;
  readonly #pools: BufferPool[];
  readonly #trees: TreeSum[];
  readonly #times = new LeaseTimes();
  readonly #memory: VectorMemory;
  readonly #releaseFrames: (() => void)[] = [];
  readonly #anchor: AnchorWeights;
  readonly #tail = new Float32Array(TAIL.length);
  /** The current version, and the next one as it comes into being. The step may have to be given up. */
  #current: FramedVector;
  #next: FramedVector;
  #velocity: Float32Array;
  #nextVelocity: Float32Array;
  /** Ranges of the step in work that are updated. */
  #rangesDone = 0;
  #step: number;
  #stopAt: number;
  #blocks: BlockState[] = [];
  /** The first slot that each worker had in its last block. */
  readonly #lastSlot = new Map<string, number>();
  #openedMs = 0;
  /** Time spent on the step's chunks, but for the one in work, which began then. */
  #aggregateMs = 0;
  #chunkBeganMs = 0;
  #normsMs = -Infinity;
  /** Squared, as the ranges complete; undefined in a step that is not measured. */
  #norms: { gradient: number; update: number } | undefined;
  #trace: StepTrace | undefined;
  #idle: (() => void)[] = [];

  constructor(options: TrainingOptions, edges: TrainingEdges) {
    const { layout, plan, state } = options;
    this.runId = options.runId;
    this.runHash = runHashOf(options.runId);
    this.#options = options;
    this.#edges = edges;
    this.#pushBytes = layout.pushSize * 4;
    const chunks = chunkCountOf(this.#pushBytes);
    const lengths = Array.from({ length: chunks }, (_, chunk) => bodyLength(this.#pushBytes, chunk) / 4);
    const memory = edges.mapped?.vectors ?? new VectorMemory();
    this.#memory = memory;
    const shared = new Map<number, BufferPool>();
    this.#pools = lengths.map((length) => {
      const pool = shared.get(length) ?? new BufferPool(length, memory);
      shared.set(length, pool);
      return pool;
    });
    this.#trees = this.#pools.map((pool) => new TreeSum(plan.slots, pool));
    this.#current = this.#framedVector();
    this.#next = this.#framedVector();
    this.#current.write(state.parameters);
    this.#velocity = memory.copyOf(state.velocity);
    this.#nextVelocity = memory.allocate(layout.size);
    this.#step = state.step;
    this.#stopAt = state.step;
    this.#anchor = new AnchorWeights(plan, options.run.network.augmentation, state.anchor);
    this.#anchor.advance(() => this.#current.read(), this.#identity(this.#step));
  }

  #framedVector(): FramedVector {
    const { size } = this.#options.layout;
    const { mapped } = this.#edges;
    const shared = mapped?.allocate(frameBytes(size));
    const bytes = shared ?? this.#memory.reserve(frameBytes(size), FRAME_ALIGNMENT);
    this.#releaseFrames.push(() =>
      shared === undefined ? this.#memory.release(bytes, FRAME_ALIGNMENT) : mapped?.release(shared),
    );
    return new FramedVector(size, bytes, shared !== undefined);
  }

  dispose(): void {
    this.#clearStep();
    for (const release of this.#releaseFrames.splice(0)) release();
    for (const pool of new Set(this.#pools)) pool.dispose();
    for (const vector of [this.#velocity, this.#nextVelocity]) this.#memory.release(vector);
  }

  /** Steps committed. */
  get step(): number {
    return this.#step;
  }

  get totalSteps(): number {
    return totalSteps(this.#options.plan);
  }

  /** A copy of the state after the last committed step. */
  snapshot(): TrainingState {
    return {
      step: this.#step,
      parameters: this.#current.read(),
      velocity: new Float32Array(this.#velocity),
      anchor: this.#anchor.kept,
    };
  }

  /** Trains until `step` steps are committed; resolves then. Leases are open only in between. */
  runTo(step: number): Promise<void> {
    this.#stopAt = Math.min(step, this.totalSteps);
    if (this.#step >= this.#stopAt) return Promise.resolve();
    if (this.#blocks.length === 0) this.#edges.wake();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** Finishes the step in work and resolves: the first Ctrl-C. Without workers it stops at once. */
  pause(): void {
    this.#stopAt = this.#blocks.some((block) => block.holders.size > 0) ? this.#step + 1 : this.#step;
    if (this.#stopAt === this.#step) this.#release();
  }

  /** Gives the step in work up, for nobody is there to finish it: as if it had never begun. Resolves `runTo`. */
  giveUpStep(): void {
    if (this.#step >= this.#stopAt) return;
    this.#stopAt = this.#step;
    this.#clearStep();
    this.#release();
  }

  /** Gives the step in work up, for it went wrong; resolves `runTo`. The state is of no use then. */
  abandon(): void {
    this.#stopAt = this.#step;
    this.#release();
  }

  // ---- Leasing ------------------------------------------------------------------------------------------------

  next(workerId: string, workers: number, isAlone: boolean): Work | undefined {
    if (this.#step >= this.#stopAt) return undefined;
    if (this.#blocks.length === 0) this.#openStep(workers);
    // What was not finite from a worker goes to another one, while there is one.
    const mayHave = ({ spoiled }: BlockState): boolean => isAlone || !spoiled.has(workerId);
    const open = this.#blocks.filter(
      (candidate) => candidate.open && candidate.finished === undefined && mayHave(candidate),
    );
    // The slots it had last: their inputs it has made while it waited.
    const block = open.find((candidate) => candidate.block.first === this.#lastSlot.get(workerId)) ?? open[0];
    if (block === undefined) return undefined;
    this.#lastSlot.set(workerId, block.block.first);
    block.open = false;
    block.attempts++;
    const grantedMs = this.#edges.clock();
    block.holders.set(workerId, { attempt: block.attempts, grantedMs });
    const step = this.#step;
    const traceparent = this.#trace?.leased(workerId, block.block, block.attempts, grantedMs) ?? "";
    const floor = this.#options.leaseFloorMs;
    return {
      key: keyOf(step, block.block),
      attempt: block.attempts,
      images: this.#imagesOf(block.block),
      command: ({ leaseId, term, attempt }) => ({
        block: {
          leaseId,
          term,
          runId: this.runId,
          step,
          firstSlot: block.block.first,
          slotCount: block.block.count,
          attempt,
          traceparent,
        },
      }),
      limitMs: (warm) => (warm ? this.#times.limit(floor, COLD_LEASE_MS) : COLD_LEASE_MS),
    };
  }

  #imagesOf({ first, count }: Block): number {
    const { plan } = this.#options;
    const samples = stepSamples(plan, this.#step);
    return (
      slotRange(samples, plan.slots, first + count - 1).end - slotRange(samples, plan.slots, first).start
    );
  }

  giveBack(work: Work): void {
    const block = this.#blocks.find((candidate) => work.key === keyOf(this.#step, candidate.block));
    if (block === undefined || block.finished !== undefined) return;
    block.open = true;
    this.#edges.wake();
  }

  #openStep(workers: number): void {
    const { slots } = this.#options.plan;
    this.#openedMs = this.#edges.clock();
    this.#aggregateMs = 0;
    const { tracer } = this.#edges;
    this.#trace = tracer && StepTrace.begin(tracer, this.#options.run.name, this.#step, this.#openedMs);
    const measures = this.#openedMs - this.#normsMs >= NORMS_EVERY_MS;
    if (measures) this.#normsMs = this.#openedMs;
    this.#norms = measures ? { gradient: 0, update: 0 } : undefined;
    this.#blocks = planBlocks(slots, workers).map((block) => ({
      block,
      node: nodeOfBlock(slots, block),
      attempts: 0,
      holders: new Map(),
      open: true,
      chunks: 0,
      spoiledBy: new Set(),
      spoiled: new Map(),
      finished: undefined,
    }));
  }

  // ---- Gradients ----------------------------------------------------------------------------------------------

  onChunk(
    workerId: string,
    header: ChunkHeader,
    body: Uint8Array,
    isIntact: () => boolean,
    held: string | undefined,
  ): ChunkFate {
    if (header.kind !== "gradient" || header.shard !== 0 || header.totalBytes !== this.#pushBytes)
      return "size";
    if (header.step !== this.#step || this.#blocks.length === 0) return "stale";
    const block = this.#blocks.find((candidate) => candidate.node === header.node);
    if (block === undefined || !block.holders.has(workerId)) return "node";
    const tree = this.#trees[header.chunk] as TreeSum;
    this.#chunkBeganMs = this.#edges.clock();
    const outcome = tree.addBytes(header.node, body, isIntact);
    switch (outcome) {
      case "duplicate":
        return "duplicate";
      case "nonfinite":
        block.spoiledBy.add(workerId);
        return "nonfinite";
      case "no-such-node":
        return "node";
      case "wrong-size":
        return "size";
      case "torn":
        return "checksum";
      case "added":
        this.#countChunk(block, workerId);
        this.#trace?.did("reduce", this.#chunkBeganMs, this.#edges.clock());
        if (tree.root !== undefined) this.#finishRange(header.chunk, tree.root);
        this.#aggregateMs += this.#edges.clock() - this.#chunkBeganMs;
        // A worker that was lost and came back may finish an old block while it holds another one.
        return block.finished !== undefined && held === keyOf(header.step, block.block)
          ? "completed"
          : "accepted";
    }
  }

  /** Whoever brings a block's last missing chunk gets the credit. */
  #countChunk(block: BlockState, workerId: string): void {
    block.chunks++;
    if (block.chunks < this.#trees.length) return;
    const { attempt, grantedMs } = block.holders.get(workerId) as { attempt: number; grantedMs: number };
    const atMs = this.#edges.clock();
    block.finished = { worker: workerId, attempt, ms: atMs - grantedMs, atMs };
    this.#trace?.finished(workerId, atMs);
    // The worker's own figure comes a little later (onPushEnd); the next lease may be given before.
    if (this.#times.isEmpty) this.#times.record(block.finished.ms);
  }

  onPushEnd(message: saf.v1.PushEnd): { reply: saf.v1.PushReply.$Properties; fate: LeaseFate } {
    const { Status } = wire.PushReply;
    const { slots } = this.#options.plan;
    if (message.step !== this.#step || this.#blocks.length === 0) {
      this.#recordTime(message);
      return { reply: { status: Status.STALE }, fate: "done" };
    }
    const block = this.#blocks.find((candidate) => candidate.node === message.node);
    const holder = block?.holders.get(message.workerId);
    if (block === undefined || holder === undefined || message.node >= 2 * slots) {
      return {
        reply: { status: Status.REFUSED, reason: "this block was not leased to you" },
        fate: "failed",
      };
    }
    const missing = this.#trees.flatMap((tree, chunk) => (tree.covers(message.node) ? [] : [chunk]));
    if (missing.length > 0) return this.#incomplete(block, message.workerId, missing);
    this.#recordTime(message);
    return { reply: { status: Status.OK }, fate: "done" };
  }

  onResult(): { reply: saf.v1.TaskReply.$Properties; fate: LeaseFate } {
    return { reply: { accepted: false, reason: "this run is training" }, fate: "done" };
  }

  parameterChunk(version: number, chunk: number): { frame: Uint8Array | undefined; latest: number } {
    const frame =
      version === this.#step
        ? this.#current.copy(chunk, this.#identity(version))
        : this.#anchor.frame(version, chunk);
    return { frame, latest: this.#step };
  }

  describe(): saf.v1.RunSpec.$Properties {
    return this.#options.spec;
  }

  /** Chunks are missing because they were lost, or because their values were refused. */
  #incomplete(
    block: BlockState,
    workerId: string,
    missing: number[],
  ): { reply: saf.v1.PushReply.$Properties; fate: LeaseFate } {
    const { Status } = wire.PushReply;
    if (block.spoiledBy.delete(workerId)) {
      block.spoiled.set(workerId, (block.spoiled.get(workerId) ?? 0) + 1);
      if (isDivergence(block.spoiled, this.#edges.workers()))
        this.#edges.fail(diverged(this.#step, block.spoiled));
      return { reply: { status: Status.REFUSED, reason: "values that are not finite" }, fate: "failed" };
    }
    const bitmap = new Uint8Array(Math.ceil(this.#trees.length / 8));
    for (const chunk of missing) bitmap[chunk >>> 3] = (bitmap[chunk >>> 3] as number) | (1 << (chunk & 7));
    return { reply: { status: Status.MISSING, missing: bitmap }, fate: "held" };
  }

  #recordTime(message: saf.v1.PushEnd): void {
    // The worker's own figures: compute and wait, not the time it was queued behind other processes of this machine.
    this.#times.record(1000 * (message.computeSeconds + message.waitSeconds));
  }

  // ---- Commit -------------------------------------------------------------------------------------------------

  #finishRange(chunk: number, sums: Float32Array): void {
    const { layout, plan, run } = this.#options;
    const { clock } = this.#edges;
    const beganMs = clock();
    const start = (chunk * BODY_BYTES) / 4;
    const rule = {
      learningRate: learningRate(run.train.stages, plan, this.#step),
      momentum: run.train.momentum,
      weightDecay: run.train.weightDecay,
      samples: stepSamples(plan, this.#step),
    };
    const ranges = {
      sums,
      current: this.#current.bodies[chunk] ?? NO_VALUES,
      velocity: this.#velocity.subarray(start, start + sums.length),
      next: this.#next.bodies[chunk] ?? NO_VALUES,
      moved: this.#nextVelocity.subarray(start, start + sums.length),
    };
    this.#next.open(chunk);
    updateRange(layout, rule, start, ranges);
    if (this.#norms !== undefined) this.#addNorms(this.#norms, start, ranges, rule.samples);
    for (let i = Math.max(0, layout.size - start); i < sums.length; i++) {
      this.#tail[start + i - layout.size] = sums[i] as number;
    }
    const updatedMs = clock();
    if (chunk < this.#next.bodies.length)
      this.#edges.broadcast(this.#next.seal(chunk, this.#identity(this.#step + 1)));
    this.#trace?.did("update", beganMs, updatedMs);
    this.#trace?.did("publish", updatedMs, clock());
    this.#rangesDone++;
    if (this.#rangesDone === this.#trees.length) this.#commit(rule.learningRate, rule.samples);
  }

  /** Of the weights only: a running moment has no gradient. */
  #addNorms(
    norms: { gradient: number; update: number },
    start: number,
    { sums, current, next }: UpdateRanges,
    samples: number,
  ): void {
    for (const { role, offset, size } of this.#options.layout.tensors) {
      const [from, to] = [
        Math.max(start, offset) - start,
        Math.min(start + sums.length, offset + size) - start,
      ];
      if (role === "moment" || from >= to) continue;
      norms.gradient += squaredNorm(sums.subarray(from, to)) / samples ** 2;
      norms.update += squaredDistance(next.subarray(from, to), current.subarray(from, to));
    }
  }

  #commit(rate: number, expectedSamples: number): void {
    const { plan } = this.#options;
    const samples = this.#tail[TAIL.samples] as number;
    const loss = (this.#tail[TAIL.loss] as number) / expectedSamples;
    const { epoch, first, end } = stepImages(plan, this.#step);
    const ends = this.#blocks.map((block) => block.finished?.atMs ?? 0);
    const atMs = this.#edges.clock();
    const committed: CommittedStep = {
      step: this.#step,
      epoch,
      firstImage: first,
      endImage: end,
      samples,
      loss,
      hits: this.#tail[TAIL.hits] as number,
      learningRate: rate,
      blocks: this.#blocks.map(({ block, finished }) => ({
        ...block,
        worker: finished?.worker ?? "",
        attempt: finished?.attempt ?? 0,
        ms: finished?.ms ?? 0,
      })),
      barrierMs: Math.max(...ends) - Math.min(...ends),
      aggregateMs: this.#aggregateMs + atMs - this.#chunkBeganMs,
      ...(this.#norms === undefined
        ? {}
        : { norms: { gradient: Math.sqrt(this.#norms.gradient), update: Math.sqrt(this.#norms.update) } }),
      seconds: (atMs - this.#openedMs) / 1000,
      atMs,
      ...(this.#trace === undefined ? {} : { traceId: this.#trace.traceId }),
    };
    this.#trace?.end(atMs);
    this.#clearStep();
    [this.#current, this.#next] = [this.#next, this.#current];
    [this.#velocity, this.#nextVelocity] = [this.#nextVelocity, this.#velocity];
    this.#step++;
    this.#anchor.advance(() => this.#current.read(), this.#identity(this.#step));
    if (samples !== expectedSamples) {
      this.#edges.fail(
        new ClusterError(
          "protocol",
          `Step ${committed.step} counted ${samples} images, expected ${expectedSamples}`,
        ),
      );
      return;
    }
    this.#edges.onCommit(committed);
    if (this.#step >= this.#stopAt) this.#release();
    else this.#edges.wake();
  }

  /** Nothing of the step in work is left; chunks of it that still come are late. */
  #clearStep(): void {
    for (const tree of this.#trees) tree.release();
    this.#rangesDone = 0;
    this.#blocks = [];
    this.#trace?.end(this.#edges.clock(), "given up");
    this.#trace = undefined;
  }

  #release(): void {
    const waiting = this.#idle;
    this.#idle = [];
    for (const resolve of waiting) resolve();
  }

  #identity(version: number): FrameIdentity {
    return { runHash: this.runHash, term: this.#options.term, version };
  }
}

/** `attempts`: by worker, those whose values were not finite. */
export function diverged(step: number, attempts: ReadonlyMap<string, number>): ClusterError {
  const count = [...attempts.values()].reduce((sum, more) => sum + more, 0);
  return new ClusterError(
    "diverged",
    `The gradient of step ${step} is not finite in ${count} attempts of ${[...attempts.keys()].join(" and ")}`,
    { hint: "lower train.learning_rate, or resume from an earlier checkpoint" },
  );
}

function keyOf(step: number, block: Block): string {
  return `step ${step} slots ${block.first}-${block.first + block.count - 1}`;
}
