/**
 * An evaluation as a job: one set of weights under perturbations, cut into tasks of one kind and one range of images.
 * A task is idempotent: its id is a hash of everything that decides the outcome, and its first result counts.
 */
import { createHash } from "node:crypto";
import { type saf, wire } from "../shared/messages.js";
import type { Refusal } from "../shared/metrics.js";
import type { PerturbationKind, SampleImage } from "../shared/results.js";
import { runHashOf } from "../shared/run-hash.js";
import { LeaseTimes } from "./core/deadline.js";
import { framesOf } from "./core/parameter-frames.js";
import type { Job, LeaseFate, Work } from "./job.js";

/** The smallest evaluation work: one kind, all its strengths, one range of images. */
export interface TaskSpec {
  id: string;
  kind: PerturbationKind;
  strengths: readonly number[];
  firstImage: number;
  imageCount: number;
  sampleCount: number;
}

/** Outcome per image of one task at one strength. */
export interface TaskOutcome {
  strength: number;
  predictions: Uint8Array;
  confidences: Float32Array;
  wrong: Uint8Array;
}

export interface TaskRecord {
  task: TaskSpec;
  worker: string;
  outcomes: TaskOutcome[];
  samples: SampleImage[];
}

export interface EvaluationPlan {
  /** SHA-256 of the weights. */
  checkpoint: string;
  protocol: string;
  seed: number;
  /** Batch norm during the attack: part of the outcome. */
  bn: "train" | "eval";
  kinds: readonly PerturbationKind[];
  strengths: readonly number[];
  /** Images of the perturbed kinds; `clean` measures all of `testImages`. */
  images: number;
  testImages: number;
  attackBatch: number;
  /** Pictures per kind and strength. */
  samples: number;
}

/** Images of one task: without gradients, and (about; whole attack batches) with them. */
const CHEAP_TASK_IMAGES = 1000;
const ATTACK_TASK_IMAGES = 200;
const COLD_LEASE_MS = 120_000;
const WARM_LEASE_FLOOR_MS = 60_000;

/** Cheap kinds first, so that curves appear early. Clean images stand for strength 0. */
export function planTasks(plan: EvaluationPlan): TaskSpec[] {
  const order: PerturbationKind[] = ["clean", "noisy", "nonsense", "adversarial"];
  return order
    .filter((kind) => plan.kinds.includes(kind))
    .flatMap((kind) => {
      const images = kind === "clean" ? plan.testImages : Math.min(plan.images, plan.testImages);
      const strengths = kind === "clean" ? [0] : plan.strengths;
      const attacks = kind === "adversarial" || kind === "nonsense";
      const size = attacks
        ? plan.attackBatch * Math.max(1, Math.round(ATTACK_TASK_IMAGES / plan.attackBatch))
        : CHEAP_TASK_IMAGES;
      return ranges(images, size).map(({ first, count }) => {
        const task = { kind, strengths, firstImage: first, imageCount: count };
        const identity = JSON.stringify([
          plan.checkpoint,
          plan.protocol,
          plan.seed,
          plan.bn,
          plan.attackBatch,
          task,
        ]);
        return {
          ...task,
          id: createHash("sha256").update(identity).digest("hex").slice(0, 24),
          sampleCount: first === 0 ? plan.samples : 0,
        };
      });
    });
}

function ranges(images: number, size: number): { first: number; count: number }[] {
  return Array.from({ length: Math.ceil(images / size) }, (_, i) => ({
    first: i * size,
    count: Math.min(size, images - i * size),
  }));
}

export interface EvaluationEdges {
  clock: () => number;
  /** Stores the result; called once a task. */
  onRecord: (record: TaskRecord) => void;
  wake: () => void;
}

export interface EvaluationOptions {
  runId: string;
  spec: saf.v1.RunSpec.$Properties;
  epoch: number;
  version: number;
  parameters: Float32Array;
  tasks: readonly TaskSpec[];
  outputs: number;
  image: { height: number; width: number; channels: number };
  /** True class of a test image. */
  labelOf: (index: number) => number;
}

interface TaskState {
  task: TaskSpec;
  state: "open" | "leased" | "done";
  attempts: number;
}

export class EvaluationJob implements Job {
  readonly runId: string;
  readonly runHash: string;
  readonly #options: EvaluationOptions;
  readonly #edges: EvaluationEdges;
  readonly #tasks: TaskState[];
  readonly #frames: Uint8Array[];
  readonly #times = new Map<PerturbationKind, LeaseTimes>();
  #left: number;
  #stopped = false;
  #finished: () => void = () => undefined;
  readonly done: Promise<void>;

  constructor(options: EvaluationOptions, edges: EvaluationEdges) {
    this.runId = options.runId;
    this.runHash = runHashOf(options.runId);
    this.#options = options;
    this.#edges = edges;
    this.#tasks = options.tasks.map((task) => ({ task, state: "open", attempts: 0 }));
    this.#left = this.#tasks.length;
    this.done = new Promise((resolve) => {
      this.#finished = resolve;
    });
    if (this.#left === 0) this.#finished();
    this.#frames = framesOf(options.parameters, {
      runHash: this.runHash,
      epoch: options.epoch,
      version: options.version,
    });
  }

  /** Images × strengths measured so far, and in all. */
  get progress(): { done: number; total: number; detail: string } {
    const weight = ({ imageCount, strengths }: TaskSpec): number => imageCount * strengths.length;
    const sum = (states: TaskState[]): number => states.reduce((total, { task }) => total + weight(task), 0);
    const kinds = new Set(this.#tasks.filter(({ state }) => state === "leased").map(({ task }) => task.kind));
    return {
      done: sum(this.#tasks.filter(({ state }) => state === "done")),
      total: sum(this.#tasks),
      detail: [...kinds].join(", "),
    };
  }

  /** No new tasks; `done` resolves at once. */
  stop(): void {
    this.#stopped = true;
    this.#finished();
  }

  next(): Work | undefined {
    const state = this.#stopped ? undefined : this.#tasks.find((candidate) => candidate.state === "open");
    if (state === undefined) return undefined;
    const { task } = state;
    state.state = "leased";
    state.attempts++;
    const times = this.#times.get(task.kind) ?? new LeaseTimes();
    this.#times.set(task.kind, times);
    return {
      key: task.id,
      attempt: state.attempts,
      images: task.imageCount * task.strengths.length,
      command: ({ leaseId, epoch, attempt }) => ({
        task: {
          leaseId,
          epoch,
          runId: this.runId,
          taskId: task.id,
          version: this.#options.version,
          kind: task.kind,
          strengths: [...task.strengths],
          firstImage: task.firstImage,
          imageCount: task.imageCount,
          attempt,
          sampleCount: task.sampleCount,
        },
      }),
      limitMs: (warm) => (warm ? times.limit(WARM_LEASE_FLOOR_MS, COLD_LEASE_MS) : COLD_LEASE_MS),
    };
  }

  giveBack(work: Work): void {
    const state = this.#tasks.find(({ task }) => task.id === work.key);
    if (state?.state !== "leased") return;
    state.state = "open";
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
    if (state.state === "done") return { reply: { accepted: false, reason: "duplicate" }, fate: "done" };
    const outcomes = checkedOutcomes(state.task, message, this.#options.outputs);
    if (outcomes === undefined) {
      return { reply: { accepted: false, reason: "the result does not fit the task" }, fate: "failed" };
    }
    state.state = "done";
    this.#times.get(state.task.kind)?.record(1000 * message.computeSeconds);
    this.#edges.onRecord({
      task: state.task,
      worker: message.workerId,
      outcomes,
      samples: this.#samples(state.task, message),
    });
    this.#left--;
    if (this.#left === 0) this.#finished();
    return { reply: { accepted: true }, fate: "done" };
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

/** The outcomes, if every size, strength and class fits the task. */
function checkedOutcomes(
  task: TaskSpec,
  message: saf.v1.TaskResult,
  outputs: number,
): TaskOutcome[] | undefined {
  if (message.outcomes.length !== task.strengths.length) return undefined;
  const checked: TaskOutcome[] = [];
  for (const [i, strength] of task.strengths.entries()) {
    const { strength: told, predictions, confidences, wrong } = message.outcomes[i] as saf.v1.StrengthOutcome;
    const fits =
      told === strength &&
      predictions?.length === task.imageCount &&
      wrong?.length === task.imageCount &&
      confidences?.length === 4 * task.imageCount &&
      predictions.every((prediction) => prediction < outputs) &&
      wrong.every((flag) => flag <= 1);
    if (!fits) return undefined;
    checked.push({
      strength,
      // Copies: decoded bytes are views of the message, and Buffer's own slice would be one too.
      predictions: new Uint8Array(predictions),
      confidences: new Float32Array(new Uint8Array(confidences).buffer),
      wrong: new Uint8Array(wrong),
    });
  }
  return checked;
}
