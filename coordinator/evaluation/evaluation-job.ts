/**
 * An evaluation as a job: one set of weights under perturbations, cut into tasks of one measure and one range of images.
 * A task is idempotent: its id is a hash of everything that decides the outcome, and its first result counts.
 */
import { createHash } from "node:crypto";
import { isShort } from "../../shared/core/chunk.js";
import { ONLY_SHARD } from "../../shared/core/shards.js";
import { ClusterError } from "../../shared/errors.js";
import type { NetworkSettings } from "../../shared/config/network.js";
import { MEASURES_VERSION } from "../../shared/measures.js";
import type { saf } from "../../shared/messages.js";
import { recipeOf } from "../../shared/run-hash.js";
import type { TaskState } from "../../shared/metrics.js";
import { seriesOf } from "../../shared/results.js";
import type { TaskRecord, TaskSpec } from "../../shared/records/task.js";
import type { Span, Tracer } from "../../shared/tracing.js";
import { type PlannedMeasure, labelOf, patienceMs, taskImages } from "./plan/measures.js";
import { samplesOf } from "./samples.js";
import { checkedResult } from "./task-result.js";
import { deadlyUnit } from "../leases/deadly-unit.js";
import { type UnitRecord, grantOf, isHeld } from "../leases/book.js";
import type { ReopenReason } from "../leases/events.js";
import type { FrameAnswer, FrameRequest, GrantedLease, Job, JobDesk, Verdict } from "../leases/job.js";
import type { Unit, WorkPlan } from "../leases/unit.js";
import type { Account } from "../pool/fairness.js";
import { fixedPlan } from "./fixed-plan.js";
import { refused } from "./refused.js";
import { ServedWeights } from "./served-weights.js";

/** What decides the outcomes of an evaluation, besides the measures. */
export interface EvaluatedWeights {
  /** SHA-256 of the weights. */
  checkpoint: string;
  /** Those of the network, where it is not the paper's: the same weights answer otherwise at another width. */
  settings?: NetworkSettings | undefined;
  /** SHA-256 of the data set. */
  dataset: string;
  seed: number;
  testImages: number;
}

/** Cheap measures first, so that curves appear early. */
export function planTasks(weights: EvaluatedWeights, measures: readonly PlannedMeasure[]): TaskSpec[] {
  const byCost = [...measures].sort((a, b) => a.passes - b.passes);
  return byCost.flatMap((planned) =>
    ranges(Math.min(planned.images, weights.testImages), taskImages(planned)).map(({ first, count }) => {
      const task = {
        ...labelOf(planned.measure),
        measure: planned.measure,
        strengths: planned.strengths,
        firstImage: first,
        imageCount: count,
      };
      const { checkpoint, settings, dataset, seed } = weights;
      const network = settings === undefined ? [] : [settings];
      const identity = JSON.stringify([MEASURES_VERSION, checkpoint, dataset, seed, task, ...network]);
      return {
        ...task,
        id: createHash("sha256").update(identity).digest("hex").slice(0, 24),
        sampleCount: first === 0 ? planned.samples : 0,
        patienceMs: patienceMs(planned, count),
        passes: planned.passes * count,
      };
    }),
  );
}

function ranges(images: number, size: number): { first: number; count: number }[] {
  return Array.from({ length: Math.ceil(images / size) }, (_, i) => ({
    first: i * size,
    count: Math.min(size, images - i * size),
  }));
}

/** A worker that serves a run for the first time fetches weights and images before it begins. */
const COLD_START_MS = 60_000;
const WARM_LEASE_FLOOR_MS = 60_000;

export interface EvaluationEdges {
  clock: () => number;
  /** Stores the result; called once a task. `seconds`: from its lease to this. */
  onRecord: (record: TaskRecord, seconds: number, traceId: string | undefined) => void;
  /** How many tasks are in which state, whenever that changes. */
  onTasks?: (standing: TaskStanding) => void;
  /** A task goes to somebody again: it could not be computed, or its worker was lost or late. */
  onRetry?: (reason: ReopenReason) => void;
  /** A task that no worker can do: the evaluation cannot be finished. */
  fail: (error: ClusterError) => void;
  /** Without one nothing is traced. */
  tracer?: Tracer;
}

export interface EvaluationOptions {
  runId: string;
  /** In whose name it asks for workers. */
  account?: Account | undefined;
  /** Workers that may be lost at one task before the evaluation fails; any number when undefined. */
  mostLosses?: number | undefined;
  spec: saf.v1.RunSpec.$Properties;
  term: number;
  version: number;
  parameters: Float32Array;
  tasks: readonly TaskSpec[];
  outputs: number;
  image: { height: number; width: number; channels: number };
  /** True class of a test image. */
  labelOf: (index: number) => number;
}

/** Tasks by state. */
export type TaskStanding = Record<TaskState, number>;

/** A task at which several workers failed cannot be done; one alone is asked more often before that is believed. */
const MOST_FAILURES = { several: 3, one: 10 };

/** What changes while it runs; who holds which task stands in the book. */
interface InHand {
  isStopped: boolean;
  /** The newest reason why a task could not be computed. */
  lastError: string;
  /** Results that were accepted and are stored once the book has them. */
  arrived: { record: TaskRecord; seconds: number; traceId: string | undefined }[];
  /** By lease. */
  spans: Map<number, Span>;
}

export class EvaluationJob implements Job {
  readonly id: string;
  readonly runHash: string;
  readonly #options: EvaluationOptions;
  readonly #edges: EvaluationEdges;
  readonly #desk: JobDesk;
  readonly #tasks: ReadonlyMap<string, TaskSpec>;
  readonly #weights: ServedWeights;
  readonly #now: InHand = { isStopped: false, lastError: "no reason", arrived: [], spans: new Map() };
  #finish: () => void = () => undefined;
  readonly done: Promise<void>;

  constructor(options: EvaluationOptions, edges: EvaluationEdges, desk: (jobId: string) => JobDesk) {
    this.id = `${options.runId}/evaluate`;
    this.#weights = new ServedWeights(options);
    this.runHash = this.#weights.runHash;
    this.#options = options;
    this.#edges = edges;
    this.#desk = desk(this.id);
    this.#tasks = new Map(options.tasks.map((task) => [task.id, task]));
    this.done = new Promise((resolve) => {
      this.#finish = resolve;
    });
    edges.onTasks?.({ pending: this.#tasks.size, running: 0, done: 0 });
    if (this.#tasks.size === 0) this.#finish();
  }

  get runId(): string {
    return this.#options.runId;
  }

  get account(): EvaluationOptions["account"] {
    return this.#options.account;
  }

  get plan(): WorkPlan {
    return fixedPlan(this.#now.isStopped ? [] : [...this.#tasks.values()].map(unitOf), "the evaluation");
  }

  /**
   * Images × strengths measured so far, and in all; and the share of the work by its cost, for a strong attack on few
   * images takes longer than all clean ones.
   */
  get progress(): { done: number; total: number; workDone: number; detail: string } {
    const records = this.#desk.leases.records();
    const tasksOf = (chosen: (record: UnitRecord) => boolean): TaskSpec[] =>
      records.filter(chosen).map(({ unit }) => this.#taskOf(unit));
    const images = ({ imageCount, strengths }: TaskSpec): number => imageCount * strengths.length;
    const cost = ({ passes }: TaskSpec): number => passes;
    const sum = (tasks: Iterable<TaskSpec>, weight: (task: TaskSpec) => number): number =>
      [...tasks].reduce((total, task) => total + weight(task), 0);
    const done = tasksOf((record) => record.done !== undefined);
    const kinds = new Set(tasksOf(isHeld).map((task) => task.attack ?? task.kind));
    return {
      done: sum(done, images),
      total: sum(this.#tasks.values(), images),
      workDone: sum(done, cost) / sum(this.#tasks.values(), cost),
      detail: [...kinds].join(", "),
    };
  }

  #taskOf({ id }: Unit): TaskSpec {
    const task = this.#tasks.get(id);
    if (task === undefined) throw new RangeError(`There is no task ${id}`);
    return task;
  }

  /** No new tasks; `done` resolves at once. */
  stop(): void {
    this.#now.isStopped = true;
    this.#desk.replan();
    this.#finish();
  }

  command(
    unit: Unit,
    { leaseId, term, attempt, worker, atMs, hungMs: patienceMs }: GrantedLease,
  ): saf.v1.WorkerCommand.$Properties {
    const task = this.#taskOf(unit);
    const span = this.#trace(task, worker, atMs);
    if (span !== undefined) this.#now.spans.set(leaseId, span);
    return {
      task: {
        leaseId,
        term,
        runId: this.runId,
        recipe: recipeOf(this.#options.spec),
        taskId: task.id,
        version: this.#options.version,
        measureJson: JSON.stringify(task.measure),
        strengths: [...task.strengths],
        firstImage: task.firstImage,
        imageCount: task.imageCount,
        attempt,
        patienceMs,
        sampleCount: task.sampleCount,
        traceparent: span?.traceparent ?? "",
      },
    };
  }

  opening(): readonly Uint8Array[] {
    const { parameters, version } = this.#options;
    if (!isShort(parameters.byteLength)) return [];
    const { frame } = this.#weights.frame({ shard: ONLY_SHARD, version, chunk: 0 });
    return frame === undefined ? [] : [frame];
  }

  #trace(task: TaskSpec, worker: string, startMs: number): Span | undefined {
    return this.#edges.tracer?.start("evaluation task", {
      kind: "producer",
      startMs,
      attributes: {
        "saf.run": this.runId,
        "saf.attack": task.attack ?? task.kind,
        "saf.first_image": task.firstImage,
        "saf.images": task.imageCount,
        "saf.strengths": task.strengths.length,
        "saf.worker": worker,
      },
    });
  }

  onReopened(unit: Unit, leaseId: number, why: ReopenReason): void {
    this.#edges.onRetry?.(why);
    this.#endSpan(leaseId, { failed: why });
    if (why === "failed") this.#countFailures(unit);
    const fault = deadlyUnit(this.#desk.leases.record(unit.id), this.#options.mostLosses);
    if (fault !== undefined) this.#edges.fail(fault);
  }

  #endSpan(leaseId: number, how: { failed?: string } = {}): string | undefined {
    const span = this.#now.spans.get(leaseId);
    this.#now.spans.delete(leaseId);
    span?.end(how);
    return span?.traceId;
  }

  /** Computing it failed on the worker; perhaps another can. */
  #countFailures(unit: Unit): void {
    const failed = this.#desk.leases.record(unit.id)?.grants.filter(({ state }) => state === "failed") ?? [];
    const workers = new Set(failed.map(({ worker }) => worker));
    if (failed.length < (workers.size > 1 ? MOST_FAILURES.several : MOST_FAILURES.one)) return;
    const { attack, kind, firstImage } = this.#taskOf(unit);
    const what = `${attack ?? kind} on images from ${firstImage} on`;
    this.#edges.fail(new ClusterError("unexpected", `Cannot measure ${what}: ${this.#now.lastError}`));
  }

  onUnits(): void {
    const records = this.#desk.leases.records();
    const done = records.filter((record) => record.done !== undefined).length;
    const running = records.filter((record) => record.done === undefined && isHeld(record)).length;
    this.#edges.onTasks?.({ pending: this.#tasks.size - done - running, running, done });
    for (const { record, seconds, traceId } of this.#now.arrived.splice(0))
      this.#edges.onRecord(record, seconds, traceId);
    if (done === this.#tasks.size) this.#finish();
  }

  onResult(message: saf.v1.TaskResult): Verdict<saf.v1.TaskReply.$Properties> {
    const record = this.#desk.leases.record(message.taskId);
    const task = this.#tasks.get(message.taskId);
    if (record === undefined || task === undefined) return refused("no such task");
    const grant = grantOf(record, message.workerId);
    if (grant === undefined) return refused("this task was not leased to you");
    if (record.done !== undefined)
      return { reply: { accepted: false, reason: "duplicate" }, settled: { outcome: "done", reason: "" } };
    const unitId = task.id;
    if (message.error?.message) {
      this.#now.lastError = message.error.message.slice(0, 500);
      const reason = "noted";
      return { reply: { accepted: false, reason }, settled: { unitId, outcome: "failed", reason } };
    }
    const checked = checkedResult(task, message, this.#options.outputs);
    if (checked === undefined) return refused("the result does not fit the task", unitId);
    const samples = samplesOf(task, message, this.#options);
    const seconds = (this.#edges.clock() - grant.grantedMs) / 1000;
    const traceId = this.#endSpan(grant.leaseId);
    const measured = { task, worker: message.workerId, ...checked, samples };
    this.#now.arrived.push({ record: measured, seconds, traceId });
    const toldMs = 1000 * message.computeSeconds;
    return { reply: { accepted: true }, completed: { unitId, steps: 1, toldMs } };
  }

  parameterFrame(request: FrameRequest): FrameAnswer {
    return this.#weights.frame(request);
  }

  describe(): saf.v1.RunSpec.$Properties {
    return this.#options.spec;
  }
}

function unitOf(task: TaskSpec): Unit {
  const name = wordsOf(task);
  return {
    id: task.id,
    words: { name, part: name },
    images: task.imageCount * task.strengths.length,
    steps: 1,
    patience: {
      series: seriesOf(task),
      scale: 1,
      floorMs: WARM_LEASE_FLOOR_MS,
      unknownMs: task.patienceMs,
      warmUpMs: COLD_START_MS,
    },
  };
}

/** "pgd-40 at 5 strengths, images 0–99" */
function wordsOf({ attack, kind, strengths, firstImage, imageCount }: TaskSpec): string {
  const what = attack ?? kind;
  const strong = strengths.length === 1 ? "" : ` at ${strengths.length} strengths`;
  return `${what}${strong}, images ${firstImage}–${firstImage + imageCount - 1}`;
}
