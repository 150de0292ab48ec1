/**
 * An evaluation as a job: one set of weights under perturbations, cut into tasks of one measure and one range of images.
 * A task is idempotent: its id is a hash of everything that decides the outcome, and its first result counts.
 */
import { createHash } from "node:crypto";
import { ClusterError } from "../../shared/errors.js";
import { type saf, wire } from "../../shared/messages.js";
import type { Refusal } from "../../shared/metrics.js";
import type { SampleImage, SeriesLabel } from "../../shared/results.js";
import { seriesOf } from "../../shared/results.js";
import { runHashOf } from "../../shared/run-hash.js";
import type { Span, Tracer } from "../../shared/tracing.js";
import { LeaseTimes } from "../leases/deadline.js";
import { type PlannedMeasure, labelOf, patienceMs, taskImages } from "./plan/measures.js";
import { framesOf } from "../training/parameter-frames.js";
import { checkedResult } from "./task-result.js";
import type { Job, LeaseFate, Work } from "../leases/job.js";
import type { TaskRecord, TaskSpec } from "../../shared/records/task.js";

/** What decides the outcomes of an evaluation, besides the measures. */
export interface EvaluatedWeights {
  /** SHA-256 of the weights. */
  checkpoint: string;
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
      const { checkpoint, dataset, seed } = weights;
      const identity = JSON.stringify([checkpoint, dataset, seed, task]);
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
  onRetry?: (reason: "failed" | "given_back") => void;
  wake: () => void;
  /** A task that no worker can do: the evaluation cannot be finished. */
  fail: (error: ClusterError) => void;
  /** Without one nothing is traced. */
  tracer?: Tracer;
}

export interface EvaluationOptions {
  runId: string;
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
export interface TaskStanding {
  pending: number;
  running: number;
  done: number;
}

interface TaskState {
  task: TaskSpec;
  state: "open" | "leased" | "done";
  attempts: number;
  /** When it was leased last. */
  leasedMs: number;
  /** Why it is given out again, when it is. */
  retry: "failed" | "given_back";
  /** Of its newest lease. */
  span: Span | undefined;
  /** Who failed at it, once for each time. */
  failedBy: string[];
  /** Who was ever leased it: nobody else's result counts. */
  holders: Set<string>;
}

/** A task at which several workers failed cannot be done; one alone is asked more often before that is believed. */
const MOST_FAILURES = { several: 3, one: 10 };

export class EvaluationJob implements Job {
  readonly runId: string;
  readonly runHash: string;
  readonly #options: EvaluationOptions;
  readonly #edges: EvaluationEdges;
  readonly #tasks: TaskState[];
  readonly #frames: Uint8Array[];
  readonly #times = new Map<string, LeaseTimes>();
  #left: number;
  #standing: TaskStanding;
  #stopped = false;
  #finished: () => void = () => undefined;
  readonly done: Promise<void>;

  constructor(options: EvaluationOptions, edges: EvaluationEdges) {
    this.runId = options.runId;
    this.runHash = runHashOf(options.runId);
    this.#options = options;
    this.#edges = edges;
    this.#tasks = options.tasks.map((task) => ({
      task,
      state: "open",
      attempts: 0,
      leasedMs: 0,
      retry: "given_back",
      span: undefined,
      failedBy: [],
      holders: new Set(),
    }));
    this.#left = this.#tasks.length;
    this.#standing = { pending: this.#left, running: 0, done: 0 };
    edges.onTasks?.(this.#standing);
    this.done = new Promise((resolve) => {
      this.#finished = resolve;
    });
    if (this.#left === 0) this.#finished();
    this.#frames = framesOf(options.parameters, {
      runHash: this.runHash,
      term: options.term,
      version: options.version,
    });
  }

  /** Images × strengths measured so far, and in all. */
  /** Also the share of the work, by its cost: a strong attack on few images takes longer than all clean ones. */
  get progress(): { done: number; total: number; workDone: number; detail: string } {
    const images = ({ imageCount, strengths }: TaskSpec): number => imageCount * strengths.length;
    const sum = (states: TaskState[], weight: (task: TaskSpec) => number): number =>
      states.reduce((total, { task }) => total + weight(task), 0);
    const done = this.#tasks.filter(({ state }) => state === "done");
    const cost = ({ passes }: TaskSpec): number => passes;
    const leased = this.#tasks.filter(({ state }) => state === "leased");
    const kinds = new Set(leased.map(({ task }) => task.attack ?? task.kind));
    return {
      done: sum(done, images),
      total: sum(this.#tasks, images),
      workDone: sum(done, cost) / sum(this.#tasks, cost),
      detail: [...kinds].join(", "),
    };
  }

  /** No new tasks; `done` resolves at once. */
  stop(): void {
    this.#stopped = true;
    this.#finished();
  }

  next(workerId: string): Work | undefined {
    const state = this.#stopped ? undefined : this.#tasks.find((candidate) => candidate.state === "open");
    if (state === undefined) return undefined;
    const { task } = state;
    this.#move(state, "leased");
    state.attempts++;
    state.holders.add(workerId);
    state.leasedMs = this.#edges.clock();
    state.span = this.#edges.tracer?.start("evaluation task", {
      kind: "producer",
      startMs: state.leasedMs,
      attributes: {
        "saf.run": this.runId,
        "saf.attack": task.attack ?? task.kind,
        "saf.first_image": task.firstImage,
        "saf.images": task.imageCount,
        "saf.strengths": task.strengths.length,
        "saf.worker": workerId,
      },
    });
    const traceparent = state.span?.traceparent ?? "";
    const times = this.#times.get(seriesOf(task)) ?? new LeaseTimes();
    this.#times.set(seriesOf(task), times);
    return {
      key: task.id,
      attempt: state.attempts,
      images: task.imageCount * task.strengths.length,
      command: ({ leaseId, term, attempt }) => ({
        task: {
          leaseId,
          term,
          runId: this.runId,
          taskId: task.id,
          version: this.#options.version,
          measureJson: JSON.stringify(task.measure),
          strengths: [...task.strengths],
          firstImage: task.firstImage,
          imageCount: task.imageCount,
          attempt,
          sampleCount: task.sampleCount,
          traceparent,
        },
      }),
      limitMs: (warm) =>
        warm ? times.limit(WARM_LEASE_FLOOR_MS, task.patienceMs) : COLD_START_MS + task.patienceMs,
    };
  }

  giveBack(work: Work): void {
    const state = this.#tasks.find(({ task }) => task.id === work.key);
    if (state?.state !== "leased") return;
    this.#move(state, "open");
    this.#edges.onRetry?.(state.retry);
    state.span?.end({ failed: state.retry });
    state.retry = "given_back";
    this.#edges.wake();
  }

  onChunk(): Refusal {
    return "stale";
  }

  onPushEnd(): { reply: saf.v1.PushReply.$Properties; fate: LeaseFate } {
    return { reply: { status: wire.PushReply.Status.STALE }, fate: "done" };
  }

  onResult(message: saf.v1.TaskResult): { reply: saf.v1.TaskReply.$Properties; fate: LeaseFate } {
    const state = this.#tasks.find(({ task }) => task.id === message.taskId);
    if (state === undefined) return { reply: { accepted: false, reason: "no such task" }, fate: "failed" };
    if (!state.holders.has(message.workerId))
      return { reply: { accepted: false, reason: "this task was not leased to you" }, fate: "failed" };
    if (state.state === "done") return { reply: { accepted: false, reason: "duplicate" }, fate: "done" };
    if (message.error?.message) return this.#onFailure(state, message);
    const checked = checkedResult(state.task, message, this.#options.outputs);
    if (checked === undefined) {
      state.retry = "failed";
      return { reply: { accepted: false, reason: "the result does not fit the task" }, fate: "failed" };
    }
    this.#move(state, "done");
    this.#times.get(seriesOf(state.task))?.record(1000 * message.computeSeconds);
    const record = {
      task: state.task,
      worker: message.workerId,
      ...checked,
      samples: this.#samples(state.task, message),
    };
    state.span?.end();
    this.#edges.onRecord(record, (this.#edges.clock() - state.leasedMs) / 1000, state.span?.traceId);
    this.#left--;
    if (this.#left === 0) this.#finished();
    return { reply: { accepted: true }, fate: "done" };
  }

  #move(state: TaskState, to: TaskState["state"]): void {
    const labels = { open: "pending", leased: "running", done: "done" } as const;
    this.#standing[labels[state.state]]--;
    this.#standing[labels[to]]++;
    state.state = to;
    this.#edges.onTasks?.(this.#standing);
  }

  /** Computing it failed on the worker; perhaps another can. */
  #onFailure(
    state: TaskState,
    { workerId, error }: saf.v1.TaskResult,
  ): { reply: saf.v1.TaskReply.$Properties; fate: LeaseFate } {
    const { task, failedBy } = state;
    state.retry = "failed";
    failedBy.push(workerId);
    const limit = new Set(failedBy).size > 1 ? MOST_FAILURES.several : MOST_FAILURES.one;
    if (failedBy.length >= limit) {
      const what = `${task.attack ?? task.kind} on images from ${task.firstImage} on`;
      const reason = error?.message?.slice(0, 500) ?? "no reason";
      this.#edges.fail(new ClusterError("unexpected", `Cannot measure ${what}: ${reason}`));
    }
    return { reply: { accepted: false, reason: "noted" }, fate: "failed" };
  }

  parameterChunk(version: number, chunk: number): { frame: Uint8Array | undefined; latest: number } {
    const { version: latest } = this.#options;
    return { frame: version === latest ? this.#frames[chunk] : undefined, latest };
  }

  describe(): saf.v1.RunSpec.$Properties {
    return this.#options.spec;
  }

  #samples(task: TaskSpec, message: saf.v1.TaskResult): SampleImage[] {
    const { height, width, channels } = this.#options.image;
    const pixels = height * width * channels;
    const firsts = message.samples.slice(0, task.sampleCount * task.strengths.length);
    return firsts.flatMap((sample) => {
      const index = sample.index ?? 0;
      const inside = index >= task.firstImage && index < task.firstImage + task.imageCount;
      if (!inside || sample.pixels?.length !== pixels) return [];
      return [
        {
          kind: task.kind,
          ...seriesLabel(task),
          strength: sample.strength ?? 0,
          index,
          label: task.kind === "nonsense" ? null : this.#options.labelOf(index),
          prediction: sample.prediction ?? 0,
          confidence: sample.confidence ?? 0,
          right: sample.right ?? false,
          height,
          width,
          channels,
          pixels: Buffer.from(sample.pixels).toString("base64"),
        },
      ];
    });
  }
}

function seriesLabel({ protocol, attack, norm }: SeriesLabel): SeriesLabel {
  return {
    ...(protocol === undefined ? {} : { protocol }),
    ...(attack === undefined ? {} : { attack }),
    ...(norm === undefined ? {} : { norm }),
  };
}
