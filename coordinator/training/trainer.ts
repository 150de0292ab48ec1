/**
 * A training as a job. Its mode says which units come next and when they commit; shards hold parameters, momentum and sums;
 * this carries the two out: frames in, commits, frames out.
 */
import { learningRate, stepSamples, totalSteps } from "../../shared/core/schedule.js";
import { ClusterError } from "../../shared/errors.js";
import type { ChunkHeader } from "../../shared/core/chunk.js";
import type { saf } from "../../shared/messages.js";
import type { TrainingState } from "../../shared/records/checkpoint.js";
import { recipeOf, runHashOf } from "../../shared/run-hash.js";
import type { CommittedUnit, StretchProgress } from "../leases/events.js";
import type {
  ChunkVerdict,
  FrameAnswer,
  FrameRequest,
  GrantedLease,
  Job,
  JobDesk,
  Verdict,
} from "../leases/job.js";
import type { Commit, Unit, WorkPlan } from "../leases/unit.js";
import { committedStep, committedStretch } from "./modes/step-by-step/committed-step.js";
import { Gradients } from "./modes/step-by-step/gradients.js";
import type { LeaseKind } from "./modes/mode.js";
import { blockOf, stepByStep } from "./modes/step-by-step/plan.js";
import { type LastStretch, stretchOf, stretches } from "./modes/stretches/plan.js";
import type { Shard } from "./shard.js";
import { States } from "./modes/stretches/states.js";
import { type StepInWork, StepOpener } from "./modes/step-by-step/step-in-work.js";
import type { TrainingEdges, TrainingOptions } from "./training-types.js";
import { Versions } from "./versions.js";

/** How far the training is to go, and how. */
interface Course {
  stopAt: number;
  kind: LeaseKind;
  lastStretch: LastStretch;
}

export class Trainer implements Job {
  readonly id: string;
  readonly runHash: string;
  readonly #options: TrainingOptions;
  readonly #edges: TrainingEdges;
  readonly #desk: JobDesk;
  readonly #versions: Versions;
  readonly #parts: { opener: StepOpener; gradients: Gradients; states: States };
  readonly #course: Course;
  #work: StepInWork | undefined;
  #stopped: (() => void)[] = [];

  constructor(options: TrainingOptions, edges: TrainingEdges, desk: (jobId: string) => JobDesk) {
    this.id = `${options.runId}/train`;
    this.runHash = runHashOf(options.runId);
    this.#options = options;
    this.#edges = edges;
    this.#desk = desk(this.id);
    this.#versions = new Versions(options, this.runHash, edges.mapped);
    this.#course = { stopAt: options.state.step, kind: "step", lastStretch: { steps: 0, stepMs: 0 } };
    this.#parts = this.#receivers(edges.tracer);
  }

  #receivers(tracer: TrainingEdges["tracer"]): { opener: StepOpener; gradients: Gradients; states: States } {
    const { layout, plan, run } = this.#options;
    const { leases } = this.#desk;
    return {
      opener: new StepOpener(run.name, tracer),
      gradients: new Gradients(this.#versions.shards, leases, this.#edges.clock, {
        slots: plan.slots,
        step: () => (this.#work === undefined ? undefined : { step: this.step, work: this.#work }),
        onSum: (shard, chunk) => this.#update(shard, chunk),
      }),
      states: new States(leases, {
        layout,
        plan,
        step: () => this.step,
      }),
    };
  }

  get runId(): string {
    return this.#options.runId;
  }

  /** Gives its memory back: nothing may be asked of it any more. */
  dispose(): void {
    this.#endStep("given up");
    this.#versions.dispose();
  }

  // ---- Where it stands ----------------------------------------------------------------------------------------

  /** Steps committed. */
  get step(): number {
    return this.#versions.step;
  }

  get totalSteps(): number {
    return totalSteps(this.#options.plan);
  }

  get plan(): WorkPlan {
    const { plan, leaseFloorMs: floorMs } = this.#options;
    const { kind, lastStretch } = this.#course;
    const course = { step: this.step, stopAt: this.#course.stopAt };
    if (kind === "step") return stepByStep({ plan, floorMs }, course);
    return stretches({ plan, floorMs }, course, lastStretch);
  }

  /** A copy of the state after the last committed step. */
  snapshot(): TrainingState {
    return this.#versions.snapshot();
  }

  /** Trains until `step` steps are committed; resolves then. Leases are given only in between. */
  runTo(step: number, kind: LeaseKind): Promise<void> {
    this.#course.kind = kind;
    this.#course.stopAt = Math.min(step, this.totalSteps);
    if (this.#isThere) return Promise.resolve();
    const stopped = new Promise<void>((resolve) => this.#stopped.push(resolve));
    this.#desk.replan();
    return stopped;
  }

  /** Finishes the step in work, or what was done of a stretch, and resolves `runTo`: the first Ctrl-C. */
  pause(): void {
    const { leases } = this.#desk;
    const finishes = this.#course.kind === "step" && leases.hasBegun;
    this.#course.stopAt = finishes ? this.step + 1 : this.step;
    this.#desk.replan();
    if (this.#course.kind === "exclusive" && leases.isHeld) this.#desk.recall();
    else if (this.#isThere) this.#release();
  }

  /** Gives the work in hand up, as if it had never begun; resolves `runTo`: nobody is there to finish it. */
  giveUpStep(): void {
    this.#course.stopAt = this.step;
    this.#endStep("given up");
    this.#desk.replan({ isFresh: true });
    this.#release();
  }

  /** Gives up; resolves `runTo`. The state is of no use then. */
  abandon(): void {
    this.#course.stopAt = this.step;
    this.#desk.replan();
    this.#release();
  }

  get #isThere(): boolean {
    return this.step >= this.#course.stopAt;
  }

  #release(): void {
    for (const resolve of this.#stopped.splice(0)) resolve();
  }

  // ---- Leases -------------------------------------------------------------------------------------------------

  command(unit: Unit, lease: GrantedLease): saf.v1.WorkerCommand.$Properties {
    const { leaseId, term, attempt, worker, atMs } = lease;
    const common = { leaseId, term, runId: this.runId, attempt, recipe: recipeOf(this.#options.spec) };
    if (this.#course.kind === "exclusive") {
      const { first, count } = stretchOf(unit.id);
      return { exclusive: { ...common, step: first, stepCount: count } };
    }
    const { step, first, count } = blockOf(unit.id);
    this.#work ??= this.#parts.opener.open(step, atMs);
    const traceparent = this.#work.leased(worker, { first, count }, attempt, atMs);
    return { block: { ...common, step, firstSlot: first, slotCount: count, traceparent } };
  }

  onProgress({ id }: Unit, { steps, loss, accuracy }: StretchProgress): void {
    this.#edges.onProgress?.(stretchOf(id).first + steps, loss, accuracy);
  }

  /** Nobody holds what was to be finished. */
  onReopened(): void {
    if (this.#isThere && !this.#desk.leases.isHeld) this.#release();
  }

  onDiverged(_unit: Unit, attempts: ReadonlyMap<string, number>): void {
    this.#edges.fail(diverged(this.step, attempts));
  }

  onChunk(workerId: string, header: ChunkHeader, body: Uint8Array, isIntact: () => boolean): ChunkVerdict {
    const { gradients, states } = this.#parts;
    const kind = this.#course.kind === "step" ? "gradient" : "state";
    if (header.kind !== kind) return { fate: "size" };
    return (kind === "gradient" ? gradients : states).onChunk(workerId, header, body, isIntact);
  }

  onPushEnd(message: saf.v1.PushEnd): Verdict<saf.v1.PushReply.$Properties> {
    const { gradients, states } = this.#parts;
    return (this.#course.kind === "step" ? gradients : states).onPushEnd(message);
  }

  // ---- Steps --------------------------------------------------------------------------------------------------

  /** The sum of a chunk is complete: it becomes part of the next version at once, while others are still summed. */
  #update(shard: Shard, chunk: number): void {
    const { plan, run } = this.#options;
    const { clock, broadcast } = this.#edges;
    const beganMs = clock();
    const rule = {
      learningRate: learningRate(run.train.stages, plan, this.step),
      momentum: run.train.momentum,
      weightDecay: run.train.weightDecay,
      samples: stepSamples(plan, this.step),
    };
    const frame = shard.update(chunk, rule, this.#versions.identity(this.step + 1), this.#work?.norms);
    const updatedMs = clock();
    if (frame === "overflow") this.#edges.fail(overflown(this.step));
    else if (frame !== undefined) broadcast(shard.range.index, frame);
    this.#work?.did("update", beganMs, updatedMs);
    this.#work?.did("publish", updatedMs, clock());
  }

  onCommit({ step, steps }: Commit, units: readonly CommittedUnit[]): void {
    if (this.#course.kind === "step") this.#commitStep(step, units);
    else this.#commitStretch(step, steps, units);
    if (this.#isThere) this.#release();
  }

  #commitStep(step: number, units: readonly CommittedUnit[]): void {
    const work = this.#work;
    if (work === undefined) throw new RangeError(`Step ${step} was never begun`);
    const atMs = this.#edges.clock();
    const committed = committedStep(this.#options, step, units, this.#versions.tail(), work, atMs);
    work.end(atMs);
    this.#work = undefined;
    this.#versions.commit();
    const expected = stepSamples(this.#options.plan, step);
    if (committed.samples === expected) {
      this.#edges.onCommit(committed);
      return;
    }
    const counted = `Step ${step} counted ${committed.samples} images, expected ${expected}`;
    this.#edges.fail(new ClusterError("protocol", counted));
  }

  #commitStretch(first: number, steps: number, units: readonly CommittedUnit[]): void {
    const { parts, sums } = this.#parts.states.take();
    const [unit] = units;
    if (unit === undefined) throw new RangeError(`Nobody computed the steps from ${first} on`);
    this.#course.lastStretch = { steps, stepMs: unit.stepMs };
    this.#versions.replace(parts, steps);
    for (const step of committedStretch(this.#options, first, sums, unit, this.#edges.clock()))
      this.#edges.onCommit(step);
  }

  #endStep(why: string): void {
    this.#versions.giveUpStep();
    this.#work?.end(this.#edges.clock(), why);
    this.#work = undefined;
  }

  // ---- What workers ask for -----------------------------------------------------------------------------------

  parameterFrame(request: FrameRequest): FrameAnswer {
    return this.#versions.parameterFrame(request);
  }

  velocityFrame(request: FrameRequest): FrameAnswer {
    return this.#versions.velocityFrame(request);
  }

  describe(): saf.v1.RunSpec.$Properties {
    return this.#options.spec;
  }
}

const SMALLER_STEPS = "lower train.learning_rate, or resume from an earlier checkpoint";

function overflown(step: number): ClusterError {
  const what = `The weights after step ${step} are not finite, though every gradient was`;
  return new ClusterError("diverged", what, { hint: SMALLER_STEPS });
}

/** `attempts`: by worker, those whose values were not finite. */
function diverged(step: number, attempts: ReadonlyMap<string, number>): ClusterError {
  const count = [...attempts.values()].reduce((sum, more) => sum + more, 0);
  return new ClusterError(
    "diverged",
    `The gradient of step ${step} is not finite in ${count} attempts of ${[...attempts.keys()].join(" and ")}`,
    { hint: SMALLER_STEPS },
  );
}
