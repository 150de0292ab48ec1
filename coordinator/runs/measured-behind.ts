/**
 * Measures of the final weights that are cheap enough to be made behind the last step, in the lease of its worker: nobody need
 * be asked again. Of an evaluation that costs more, every task is a lease of its own, so that all workers share it.
 */
import type { saf } from "../../shared/messages.js";
import type { TaskRecord, TaskSpec } from "../../shared/records/task.js";
import type { Network } from "../../shared/networks/network.js";
import { type PictureFacts, samplesOf } from "../evaluation/samples.js";
import { checkedResult } from "../evaluation/task-result.js";

/** Forward passes of one image: a moment, whatever the network. */
const MOST_PASSES = 200;

export interface BehindRecord {
  record: TaskRecord;
  seconds: number;
}

interface Found {
  worker: string;
  results: readonly saf.v1.TaskResult.$Properties[];
}

export class MeasuredBehind {
  /** To be measured behind the last step; their ids are not known before its weights are. */
  readonly tasks: readonly TaskSpec[];
  readonly #facts: PictureFacts & { outputs: number };
  #found: Found | undefined;

  /** `tasks`: all that is to be measured of the final weights. */
  constructor(tasks: readonly TaskSpec[], { outputs, input }: Network, labels: Uint8Array) {
    const passes = tasks.reduce((sum, task) => sum + task.passes, 0);
    this.tasks = passes <= MOST_PASSES ? tasks : [];
    this.#facts = { outputs, image: input, labelOf: (index) => labels[index] ?? 0 };
  }

  /** What the worker of the last steps found, in the order of `tasks`; untrusted. */
  found(worker: string, results: readonly saf.v1.TaskResult.$Properties[]): void {
    this.#found = { worker, results };
  }

  /** Of these tasks of the final weights, those that were measured and fit. */
  recordsOf(wanted: readonly TaskSpec[]): BehindRecord[] {
    if (this.#found === undefined) return [];
    const { worker, results } = this.#found;
    const byShape = new Map(this.tasks.map((task, i) => [shapeOf(task), results[i]]));
    return wanted.flatMap((task) => {
      const result = byShape.get(shapeOf(task));
      return result === undefined ? [] : this.#recordOf(task, worker, result);
    });
  }

  #recordOf(task: TaskSpec, worker: string, result: saf.v1.TaskResult.$Properties): BehindRecord[] {
    // Decoded inner messages are whole, but the generated types call them partial.
    const whole = result as saf.v1.TaskResult;
    const checked = checkedResult(task, whole, this.#facts.outputs);
    if (checked === undefined) return [];
    const record = { task, worker, ...checked, samples: samplesOf(task, whole, this.#facts) };
    return [{ record, seconds: whole.computeSeconds }];
  }
}

/** What decides a task's outcome besides the weights. */
function shapeOf({ measure, strengths, firstImage, imageCount }: TaskSpec): string {
  return JSON.stringify([measure, strengths, firstImage, imageCount]);
}
