/**
 * A training whose steps are leased many at a time to one worker, which sums and updates by the same shared code and
 * sends the state back. Its steps are committed then, one by one, as if they had come so. Same bits as training.ts.
 */
import { BODY_BYTES, type ChunkHeader, chunkCountOf } from "../../shared/core/chunk.js";
import { allFinite } from "../../shared/core/vectors/vector-memory.js";
import { learningRate, stepImages, totalSteps } from "../../shared/core/schedule.js";
import { stateParts, stateSize } from "../../shared/core/stretch.js";
import { ClusterError } from "../../shared/errors.js";
import { type saf, wire } from "../../shared/messages.js";
import type { Refusal } from "../../shared/metrics.js";
import { runHashOf } from "../../shared/run-hash.js";
import { AnchorWeights } from "./anchor-weights.js";
import { LeaseTimes } from "../leases/deadline.js";
import { type StepSum, checkState, stepsLeft, stretchLength } from "./stretch.js";
import { framesOf } from "./parameter-frames.js";
import { isDivergence } from "../pool/standing.js";
import type { LeaseFate, Work } from "../leases/job.js";
import type { Trainer } from "./trainer.js";
import {
  COLD_LEASE_MS,
  type TrainingEdges,
  type TrainingOptions,
  type TrainingState,
  diverged,
} from "./step-training.js";

export interface ExclusiveEdges extends Omit<TrainingEdges, "broadcast" | "mapped"> {
  /** How far the lease in work is: not committed yet, and perhaps never. */
  onProgress: (stepsDone: number, loss: number, accuracy: number) => void;
  /** Asks the holders of our leases to send what they have. */
  recall: () => void;
}

interface Holder {
  attempt: number;
  grantedMs: number;
  /** The lease was not given back. */
  active: boolean;
  /** Steps done, as the worker said last. */
  done: number;
  assembly: Assembly | undefined;
}

/** A state that comes in, chunk by chunk. */
interface Assembly {
  steps: number;
  stream: Float32Array;
  have: Uint8Array;
  refused: boolean;
}

/** The steps that are leased now: [first, first + count). */
interface Stretch {
  first: number;
  count: number;
  attempts: number;
  holders: Map<string, Holder>;
  open: boolean;
  /** Attempts by worker whose values were not finite. */
  spoiled: Map<string, number>;
}

type PushAnswer = { reply: saf.v1.PushReply.$Properties; fate: LeaseFate };

const { Status } = wire.PushReply;

export class ExclusiveTraining implements Trainer {
  readonly runId: string;
  readonly runHash: string;
  readonly #options: TrainingOptions;
  readonly #edges: ExclusiveEdges;
  /** Of one step. */
  readonly #times = new LeaseTimes();
  readonly #anchor: AnchorWeights;
  #parameters: Float32Array;
  #velocity: Float32Array;
  /** Made when somebody asks: a worker that goes on where it stopped does not. */
  #frames: { parameters?: Uint8Array[]; velocity?: Uint8Array[] } = {};
  #step: number;
  #stopAt: number;
  #stretch: Stretch | undefined;
  /** Length and time of a step of the last lease that came back. */
  #last = { steps: 0, stepMs: 0 };
  #idle: (() => void)[] = [];

  constructor(options: TrainingOptions, edges: ExclusiveEdges) {
    this.runId = options.runId;
    this.runHash = runHashOf(options.runId);
    this.#options = options;
    this.#edges = edges;
    this.#parameters = options.state.parameters.slice();
    this.#velocity = options.state.velocity.slice();
    this.#step = options.state.step;
    this.#stopAt = options.state.step;
    this.#anchor = new AnchorWeights(options.plan, options.run.network.augmentation, options.state.anchor);
    this.#keepAnchor();
  }

  #keepAnchor(): void {
    const identity = { runHash: this.runHash, term: this.#options.term, version: this.#step };
    this.#anchor.advance(() => this.#parameters.slice(), identity);
  }

  get step(): number {
    return this.#step;
  }

  get totalSteps(): number {
    return totalSteps(this.#options.plan);
  }

  snapshot(): TrainingState {
    return {
      step: this.#step,
      parameters: this.#parameters.slice(),
      velocity: this.#velocity.slice(),
      anchor: this.#anchor.kept,
    };
  }

  runTo(step: number): Promise<void> {
    this.#stopAt = Math.min(step, this.totalSteps);
    if (this.#step >= this.#stopAt) return Promise.resolve();
    const there = new Promise<void>((resolve) => this.#idle.push(resolve));
    this.#edges.wake();
    return there;
  }

  pause(): void {
    this.#stopAt = this.#step;
    if (this.#isHeld) this.#edges.recall();
    else this.#release();
  }

  giveUpStep(): void {
    if (this.#step >= this.#stopAt && this.#stretch === undefined) return;
    this.#stopAt = this.#step;
    this.#stretch = undefined;
    this.#release();
  }

  abandon(): void {
    this.#stopAt = this.#step;
    this.#release();
  }

  // ---- Leasing ------------------------------------------------------------------------------------------------

  next(workerId: string, _workers: number, isAlone: boolean): Work | undefined {
    if (this.#step >= this.#stopAt) return undefined;
    const first = this.#step;
    const left = stepsLeft(this.#options.plan, first, this.#stopAt);
    const count = stretchLength(left, this.#last.stepMs, this.#last.steps);
    this.#stretch ??= { first, count, attempts: 0, holders: new Map(), open: true, spoiled: new Map() };
    const stretch = this.#stretch;
    // What was not finite from a worker goes to another one, while there is one.
    if (!stretch.open || (stretch.spoiled.has(workerId) && !isAlone)) return undefined;
    stretch.open = false;
    stretch.attempts++;
    const grantedMs = this.#edges.clock();
    stretch.holders.set(workerId, {
      attempt: stretch.attempts,
      grantedMs,
      active: true,
      done: 0,
      assembly: undefined,
    });
    return {
      key: keyOf(stretch),
      attempt: stretch.attempts,
      images: this.#imagesOf(stretch),
      command: ({ leaseId, term, attempt }) => ({
        exclusive: {
          leaseId,
          term,
          runId: this.runId,
          step: stretch.first,
          stepCount: stretch.count,
          attempt,
        },
      }),
      limitMs: (warm) => this.#limitMs(stretch.count, warm),
    };
  }

  #limitMs(steps: number, warm: boolean): number {
    const floor = this.#options.leaseFloorMs;
    if (this.#last.steps === 0) return 2 * COLD_LEASE_MS;
    return Math.max(floor, steps * this.#times.limit(0, COLD_LEASE_MS)) + (warm ? 0 : COLD_LEASE_MS);
  }

  #imagesOf({ first, count }: Stretch): number {
    let images = 0;
    for (let step = first; step < first + count; step++) {
      const range = stepImages(this.#options.plan, step);
      images += range.end - range.first;
    }
    return images;
  }

  giveBack(work: Work): void {
    const stretch = this.#stretch;
    if (stretch === undefined || work.key !== keyOf(stretch)) return;
    for (const holder of stretch.holders.values()) {
      if (holder.attempt === work.attempt) holder.active = false;
    }
    if (this.#isHeld) return;
    stretch.open = true;
    if (this.#step >= this.#stopAt) this.#release();
    else this.#edges.wake();
  }

  onProgress(
    workerId: string,
    { steps, loss, accuracy }: saf.v1.StretchProgress.$Properties,
  ): number | undefined {
    const stretch = this.#stretch;
    const holder = stretch?.holders.get(workerId);
    const done = steps ?? 0;
    if (stretch === undefined || holder?.active !== true || done > stretch.count || done <= holder.done)
      return undefined;
    holder.done = done;
    this.#edges.onProgress(stretch.first + done, loss ?? 0, accuracy ?? 0);
    // A slow worker is no lost one while it moves.
    return this.#limitMs(stretch.count - done, true);
  }

  get #isHeld(): boolean {
    return [...(this.#stretch?.holders.values() ?? [])].some(({ active }) => active);
  }

  // ---- States that come back ----------------------------------------------------------------------------------

  onChunk(
    workerId: string,
    header: ChunkHeader,
    body: Uint8Array,
    isIntact: () => boolean,
  ): "accepted" | Refusal {
    const { layout } = this.#options;
    if (header.kind !== "state" || header.shard !== 0) return "size";
    const stretch = this.#stretch;
    if (stretch === undefined || header.step !== this.#step) return "stale";
    const holder = stretch.holders.get(workerId);
    const steps = header.node;
    if (holder === undefined || steps < 1 || steps > stretch.count) return "node";
    const size = stateSize(layout, steps);
    if (header.totalBytes !== 4 * size) return "size";

    if (holder.assembly?.steps !== steps) {
      const have = new Uint8Array(chunkCountOf(4 * size));
      holder.assembly = { steps, stream: new Float32Array(size), have, refused: false };
    }
    const { stream, have } = holder.assembly;
    if (have[header.chunk] === 1) return "duplicate";
    const start = (header.chunk * BODY_BYTES) / 4;
    new Uint8Array(stream.buffer).set(body, header.offset);
    if (!isIntact()) return "checksum";
    if (!allFinite(stream.subarray(start, start + body.byteLength / 4))) {
      holder.assembly.refused = true;
      return "nonfinite";
    }
    have[header.chunk] = 1;
    return "accepted";
  }

  onPushEnd(message: saf.v1.PushEnd): PushAnswer {
    const stretch = this.#stretch;
    if (stretch === undefined || message.step !== this.#step)
      return { reply: { status: Status.STALE }, fate: "done" };
    const holder = stretch.holders.get(message.workerId);
    const steps = message.stepCount;
    if (holder === undefined || steps < 1 || steps > stretch.count) {
      return {
        reply: { status: Status.REFUSED, reason: "these steps were not leased to you" },
        fate: "failed",
      };
    }
    const { assembly } = holder;
    if (assembly?.steps !== steps || assembly.have.includes(0))
      return this.#incomplete(stretch, message.workerId, steps);
    return this.#complete(stretch, holder, assembly, message);
  }

  /** Chunks are missing because they were lost, or because their values were refused. */
  #incomplete({ holders, spoiled }: Stretch, workerId: string, steps: number): PushAnswer {
    const holder = holders.get(workerId) as Holder;
    if (holder.assembly?.steps === steps && holder.assembly.refused) {
      holder.assembly = undefined;
      spoiled.set(workerId, (spoiled.get(workerId) ?? 0) + 1);
      if (isDivergence(spoiled, this.#edges.workers())) this.#edges.fail(diverged(this.#step, spoiled));
      return { reply: { status: Status.REFUSED, reason: "values that are not finite" }, fate: "failed" };
    }
    const chunks = chunkCountOf(4 * stateSize(this.#options.layout, steps));
    const missing = new Uint8Array(Math.ceil(chunks / 8));
    for (let chunk = 0; chunk < chunks; chunk++) {
      const have = holder.assembly?.steps === steps && holder.assembly.have[chunk] === 1;
      if (!have) missing[chunk >>> 3] = (missing[chunk >>> 3] as number) | (1 << (chunk & 7));
    }
    return { reply: { status: Status.MISSING, missing }, fate: "held" };
  }

  #complete(
    stretch: Stretch,
    holder: Holder,
    { stream, steps }: Assembly,
    message: saf.v1.PushEnd,
  ): PushAnswer {
    const { layout, plan } = this.#options;
    const parts = stateParts(layout, stream);
    const checked = checkState(layout, plan, stretch.first, steps, stream, parts);
    if (!checked.ok) {
      holder.assembly = undefined;
      this.#edges.fail(new ClusterError("protocol", `Cannot commit a state: ${checked.detail}`));
      return { reply: { status: Status.REFUSED, reason: checked.detail }, fate: "failed" };
    }
    const stepMs = timeOfStep(message.computeSeconds, this.#edges.clock() - holder.grantedMs, steps);
    this.#times.record(stepMs);
    this.#last = { steps, stepMs };
    this.#parameters = parts.parameters;
    this.#velocity = parts.velocity;
    this.#frames = {};
    this.#stretch = undefined;
    this.#step += steps;
    this.#keepAnchor();
    this.#report(stretch.first, checked.steps, { ...holder, worker: message.workerId, stepMs });
    // The worker that brought it is served next, when the coordinator has taken its lease back.
    if (this.#step >= this.#stopAt) this.#release();
    return { reply: { status: Status.OK }, fate: "done" };
  }

  /** Step by step, each at the moment at which it probably was done. */
  #report(
    first: number,
    sums: readonly StepSum[],
    { worker, attempt, stepMs }: { worker: string; attempt: number; stepMs: number },
  ): void {
    const { plan, run } = this.#options;
    const now = this.#edges.clock();
    sums.forEach(({ loss, hits, samples }, i) => {
      const step = first + i;
      const images = stepImages(plan, step);
      this.#edges.onCommit({
        step,
        epoch: images.epoch,
        firstImage: images.first,
        endImage: images.end,
        samples,
        loss: loss / samples,
        hits,
        learningRate: learningRate(run.train.stages, plan, step),
        blocks: [{ first: 0, count: plan.slots, worker, attempt, ms: stepMs }],
        barrierMs: 0,
        aggregateMs: 0,
        seconds: stepMs / 1000,
        atMs: now - (sums.length - 1 - i) * stepMs,
      });
    });
  }

  onResult(): { reply: saf.v1.TaskReply.$Properties; fate: LeaseFate } {
    return { reply: { accepted: false, reason: "this run is training" }, fate: "done" };
  }

  // ---- What a worker begins with ------------------------------------------------------------------------------

  parameterChunk(version: number, chunk: number): { frame: Uint8Array | undefined; latest: number } {
    const anchor = version === this.#step ? undefined : this.#anchor.frame(version, chunk);
    if (anchor !== undefined) return { frame: anchor, latest: this.#step };
    return this.#frame("parameters", this.#parameters, version, chunk);
  }

  velocityChunk(version: number, chunk: number): { frame: Uint8Array | undefined; latest: number } {
    return this.#frame("velocity", this.#velocity, version, chunk);
  }

  #frame(
    kind: "parameters" | "velocity",
    vector: Float32Array,
    version: number,
    chunk: number,
  ): { frame: Uint8Array | undefined; latest: number } {
    if (version !== this.#step) return { frame: undefined, latest: this.#step };
    const identity = { kind, runHash: this.runHash, term: this.#options.term, version };
    const frames = (this.#frames[kind] ??= framesOf(vector, identity));
    return { frame: frames[chunk], latest: this.#step };
  }

  describe(): saf.v1.RunSpec.$Properties {
    return this.#options.spec;
  }

  #release(): void {
    const waiting = this.#idle;
    this.#idle = [];
    for (const resolve of waiting) resolve();
  }
}

function keyOf({ first, count }: Stretch): string {
  return `steps ${first}-${first + count - 1}`;
}

/** The worker's own figure, if it can be true. */
function timeOfStep(computeSeconds: number, heldMs: number, steps: number): number {
  const told = 1000 * computeSeconds;
  return (told > 0 && told <= heldMs ? told : heldMs) / steps;
}
