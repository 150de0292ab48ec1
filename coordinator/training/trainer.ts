/**
 * A training as a job: a mode says which units come next and what becomes of them, versions hold parameters and momentum,
 * and this carries the two out, from stop to stop, without knowing which mode it is.
 */
import { totalSteps } from "../../shared/core/schedule.js";
import type { ChunkHeader } from "../../shared/core/chunk.js";
import { type saf, wire } from "../../shared/messages.js";
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
import { type Commit, NO_WORK, type Unit, type WorkPlan } from "../leases/unit.js";
import { deadlyUnit } from "../leases/deadly-unit.js";
import { diverged } from "./diverged.js";
import type { MakeMode, Mode } from "./modes/mode.js";
import type { TrainingEdges, TrainingOptions } from "./training-types.js";
import { Versions } from "./versions.js";

const NOT_BEGUN: Verdict<saf.v1.PushReply.$Properties> = {
  reply: { status: wire.PushReply.Status.STALE },
  settled: { outcome: "done", reason: "" },
};

export class Trainer implements Job {
  readonly id: string;
  readonly runHash: string;
  readonly #options: TrainingOptions;
  readonly #edges: TrainingEdges;
  readonly #desk: JobDesk;
  readonly #versions: Versions;
  /** Those in which it has trained. */
  readonly #modes = new Map<MakeMode, Mode>();
  /** The one of now; undefined until `runTo`. */
  #mode: Mode | undefined;
  #stopAt: number;
  #stopped: (() => void)[] = [];

  constructor(options: TrainingOptions, edges: TrainingEdges, desk: (jobId: string) => JobDesk) {
    this.id = `${options.runId}/train`;
    this.runHash = runHashOf(options.runId);
    this.#options = options;
    this.#edges = edges;
    this.#desk = desk(this.id);
    this.#versions = new Versions(options, this.runHash, edges.mapped);
    this.#stopAt = options.state.step;
  }

  get runId(): string {
    return this.#options.runId;
  }

  get account(): TrainingOptions["account"] {
    return this.#options.account;
  }

  /** Gives its memory back: nothing may be asked of it any more. */
  dispose(): void {
    this.#mode?.giveUp("given up");
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
    return this.#mode?.plan({ step: this.step, stopAt: this.#stopAt }) ?? NO_WORK;
  }

  /** A copy of the state after the last committed step. */
  snapshot(): TrainingState {
    return this.#versions.snapshot();
  }

  /** Trains in this mode until `step` steps are committed; resolves then. Leases are given only in between. */
  runTo(step: number, make: MakeMode): Promise<void> {
    const before = this.#mode;
    this.#mode = this.#modeOf(make);
    this.#stopAt = Math.min(step, this.totalSteps);
    if (this.#isThere) return Promise.resolve();
    const stopped = new Promise<void>((resolve) => this.#stopped.push(resolve));
    // A mode is handed units of its own only.
    this.#desk.replan({ isFresh: this.#mode !== before });
    return stopped;
  }

  #modeOf(make: MakeMode): Mode {
    const known = this.#modes.get(make);
    if (known !== undefined) return known;
    const { leases } = this.#desk;
    const mode = make({ options: this.#options, edges: this.#edges, versions: this.#versions, leases });
    this.#modes.set(make, mode);
    return mode;
  }

  /** Brings the work in hand to an end, as its mode does that early, and resolves `runTo`: the first Ctrl-C. */
  pause(): void {
    const { stopAt, recalls } = this.#mode?.pause() ?? { stopAt: this.step, recalls: false };
    this.#stopAt = stopAt;
    this.#desk.replan();
    if (recalls) this.#desk.recall();
    else if (this.#isThere) this.#release();
  }

  /**
   * Gives the work in hand up, as if it had never begun; resolves `runTo`: nobody is there to finish it, or what it comes to
   * is of no use.
   */
  giveUpStep(): void {
    this.#stopAt = this.step;
    this.#mode?.giveUp("given up");
    this.#desk.replan({ isFresh: true });
    this.#release();
  }

  get #isThere(): boolean {
    return this.step >= this.#stopAt;
  }

  #release(): void {
    for (const resolve of this.#stopped.splice(0)) resolve();
  }

  // ---- Leases -------------------------------------------------------------------------------------------------

  command(unit: Unit, lease: GrantedLease): saf.v1.WorkerCommand.$Properties {
    const { leaseId, term, attempt, hungMs: patienceMs } = lease;
    const { runId } = this;
    if (this.#mode === undefined) throw new RangeError(`"${unit.id}" of ${this.id} was never planned`);
    return this.#mode.command(unit, lease, {
      leaseId,
      term,
      runId,
      attempt,
      recipe: recipeOf(this.#options.spec),
      patienceMs,
    });
  }

  opening(unit: Unit): readonly Uint8Array[] {
    return this.#mode?.opening?.(unit) ?? [];
  }

  onChunk(workerId: string, header: ChunkHeader, body: Uint8Array, isIntact: () => boolean): ChunkVerdict {
    return this.#mode?.onChunk(workerId, header, body, isIntact) ?? { fate: "stale" };
  }

  onPushEnd(message: saf.v1.PushEnd): Verdict<saf.v1.PushReply.$Properties> {
    return this.#mode?.onPushEnd(message) ?? NOT_BEGUN;
  }

  onCommit(commit: Commit, units: readonly CommittedUnit[]): void {
    this.#mode?.commit(commit, units);
    if (this.#isThere) this.#release();
  }

  onProgress(unit: Unit, progress: StretchProgress): void {
    this.#mode?.onProgress?.(unit, progress);
  }

  /** Nobody holds what was to be finished. */
  onReopened(unit: Unit): void {
    const fault = deadlyUnit(this.#desk.leases.record(unit.id), this.#options.mostLosses);
    if (fault !== undefined) this.#edges.fail(fault);
    if (this.#isThere && !this.#desk.leases.isHeld) this.#release();
  }

  onDiverged(_unit: Unit, attempts: ReadonlyMap<string, number>): void {
    this.#edges.fail(diverged(this.step, attempts));
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
