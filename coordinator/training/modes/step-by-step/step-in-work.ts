/** The step in work: its blocks that were leased, which pushes of them were refused, and what is measured of it. */
import { nodeOfBlock } from "../../../../shared/core/slots.js";
import type { Tracer } from "../../../../shared/tracing.js";
import type { GrantedLease } from "../../../leases/job.js";
import type { SquaredNorms } from "../../shard.js";
import { HostGroups } from "./host-groups.js";
import type { BlockUnit } from "./plan.js";
import { type Stage, StepTrace } from "./step-trace.js";

/** The norms of a step take half a millisecond, so not every step is measured. */
const NORMS_EVERY_MS = 1000;

/** `spoiled`: values that are not finite; `refused`: counts that cannot be. */
export interface RefusedPush {
  outcome: "spoiled" | "refused";
  reason: string;
}

/** A block that somebody was leased. */
export interface LeasedBlock {
  unit: BlockUnit;
  /** By worker: why a chunk of its push was refused. Asked once: the next attempt begins anew. */
  refused: Map<string, RefusedPush>;
}

export class StepInWork {
  readonly step: number;
  readonly openedMs: number;
  /** Time spent on its chunks. */
  aggregateMs = 0;
  /** Undefined in a step that is not measured. */
  readonly norms: SquaredNorms | undefined;
  /** Of blocks that are summed on the way here. */
  readonly groups: HostGroups;
  readonly #slots: number;
  /** By the node of the tree that they sum. */
  readonly #blocks = new Map<number, LeasedBlock>();
  readonly #trace: StepTrace | undefined;

  constructor(
    { step, slots, openedMs }: { step: number; slots: number; openedMs: number },
    trace: StepTrace | undefined,
    measuresNorms: boolean,
  ) {
    this.step = step;
    this.#slots = slots;
    this.groups = new HostGroups(slots);
    this.openedMs = openedMs;
    this.#trace = trace;
    this.norms = measuresNorms ? { gradient: 0, update: 0 } : undefined;
  }

  get traceId(): string | undefined {
    return this.#trace?.traceId;
  }

  /** Returns what the lease carries for tracing. */
  leased(unit: BlockUnit, { worker, attempt, atMs }: GrantedLease): string {
    const node = nodeOfBlock(this.#slots, unit.block);
    const known = this.#blocks.get(node);
    if (known?.unit !== unit) this.#blocks.set(node, { unit, refused: new Map() });
    return this.#trace?.leased(worker, unit.block, attempt, atMs) ?? "";
  }

  /** The block that sums this node; undefined when nobody was leased one. */
  blockAt(node: number): LeasedBlock | undefined {
    return this.#blocks.get(node);
  }

  finished(worker: string, atMs: number): void {
    this.#trace?.finished(worker, atMs);
  }

  did(stage: Stage, beganMs: number, endedMs: number): void {
    this.#trace?.did(stage, beganMs, endedMs);
  }

  /** `failed`: the step was given up. */
  end(atMs: number, failed?: string): void {
    this.#trace?.end(atMs, failed);
  }
}

/** Opens steps, one after another. */
export class StepOpener {
  readonly #run: string;
  readonly #slots: number;
  readonly #tracer: Tracer | undefined;
  #normsMs = -Infinity;

  constructor(run: string, slots: number, tracer: Tracer | undefined) {
    this.#run = run;
    this.#slots = slots;
    this.#tracer = tracer;
  }

  open(step: number, nowMs: number): StepInWork {
    const trace = this.#tracer && StepTrace.begin(this.#tracer, this.#run, step, nowMs);
    const measuresNorms = nowMs - this.#normsMs >= NORMS_EVERY_MS;
    if (measuresNorms) this.#normsMs = nowMs;
    return new StepInWork({ step, slots: this.#slots, openedMs: nowMs }, trace, measuresNorms);
  }
}
