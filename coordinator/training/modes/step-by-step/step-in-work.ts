/** What is measured of the step in work, and which pushes of it were refused; nothing here decides. */
import type { Block } from "../../../../shared/core/slots.js";
import type { Tracer } from "../../../../shared/tracing.js";
import type { SquaredNorms } from "../../shard.js";
import { type Stage, StepTrace } from "./step-trace.js";

/** The norms of a step take half a millisecond, so not every step is measured. */
const NORMS_EVERY_MS = 1000;

/** `spoiled`: values that are not finite; `refused`: counts that cannot be. */
export interface RefusedPush {
  outcome: "spoiled" | "refused";
  reason: string;
}

export class StepInWork {
  readonly openedMs: number;
  /** Time spent on its chunks. */
  aggregateMs = 0;
  /** Undefined in a step that is not measured. */
  readonly norms: SquaredNorms | undefined;
  /** Pushes of which a chunk was refused, by worker and node. */
  readonly #refused = new Map<string, RefusedPush>();
  readonly #trace: StepTrace | undefined;

  constructor(openedMs: number, trace: StepTrace | undefined, measuresNorms: boolean) {
    this.openedMs = openedMs;
    this.#trace = trace;
    this.norms = measuresNorms ? { gradient: 0, update: 0 } : undefined;
  }

  get traceId(): string | undefined {
    return this.#trace?.traceId;
  }

  /** Returns what the lease carries for tracing. */
  leased(worker: string, block: Block, attempt: number, atMs: number): string {
    return this.#trace?.leased(worker, block, attempt, atMs) ?? "";
  }

  finished(worker: string, atMs: number): void {
    this.#trace?.finished(worker, atMs);
  }

  did(stage: Stage, beganMs: number, endedMs: number): void {
    this.#trace?.did(stage, beganMs, endedMs);
  }

  refuse(worker: string, node: number, why: RefusedPush): void {
    this.#refused.set(`${worker} ${node}`, why);
  }

  /** Why a chunk of this push was refused. Asked once: the next attempt begins anew. */
  takeRefused(worker: string, node: number): RefusedPush | undefined {
    const key = `${worker} ${node}`;
    const why = this.#refused.get(key);
    this.#refused.delete(key);
    return why;
  }

  /** `failed`: the step was given up. */
  end(atMs: number, failed?: string): void {
    this.#trace?.end(atMs, failed);
  }
}

/** Opens steps, one after another. */
export class StepOpener {
  readonly #run: string;
  readonly #tracer: Tracer | undefined;
  #normsMs = -Infinity;

  constructor(run: string, tracer: Tracer | undefined) {
    this.#run = run;
    this.#tracer = tracer;
  }

  open(step: number, nowMs: number): StepInWork {
    const trace = this.#tracer && StepTrace.begin(this.#tracer, this.#run, step, nowMs);
    const measuresNorms = nowMs - this.#normsMs >= NORMS_EVERY_MS;
    if (measuresNorms) this.#normsMs = nowMs;
    return new StepInWork(nowMs, trace, measuresNorms);
  }
}
