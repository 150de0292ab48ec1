/** The trace of one step: leases to workers, and the coordinator's own work on what they push. */
import type { Span, Tracer } from "../../../../shared/tracing.js";
import type { Block } from "../../../../shared/core/slots.js";

/** From the first to the last time that something was done; a step's chunks are summed, applied and sent one by one. */
interface Stretch {
  beganMs: number;
  endedMs: number;
}

const STAGES = ["reduce", "update", "publish"] as const;
export type Stage = (typeof STAGES)[number];

export class StepTrace {
  readonly #tracer: Tracer;
  readonly #root: Span;
  readonly #leases = new Map<string, Span>();
  readonly #stages = new Map<Stage, Stretch>();

  private constructor(tracer: Tracer, root: Span) {
    this.#tracer = tracer;
    this.#root = root;
  }

  /** Undefined for a step that is not traced: nearly all. */
  static begin(tracer: Tracer, run: string, step: number, startMs: number): StepTrace | undefined {
    const root = tracer.start("step", { startMs, attributes: { "saf.run": run, "saf.step": step } });
    return root === undefined ? undefined : new StepTrace(tracer, root);
  }

  get traceId(): string {
    return this.#root.traceId;
  }

  /** Returns what the lease carries, so that the worker's spans hang below it. */
  leased(worker: string, { first, count }: Block, attempt: number, startMs: number): string {
    const lease = this.#tracer.start("lease", {
      parent: this.#root.traceparent,
      kind: "producer",
      startMs,
      attributes: {
        "saf.worker": worker,
        "saf.first_slot": first,
        "saf.slots": count,
        "saf.attempt": attempt,
      },
    });
    if (lease === undefined) return "";
    this.#leases.set(worker, lease);
    return lease.traceparent;
  }

  /** The worker's block is complete. */
  finished(worker: string, ms: number): void {
    this.#leases.get(worker)?.end({ ms });
  }

  did(stage: Stage, beganMs: number, endedMs: number): void {
    if (this.#tracer.part !== undefined) {
      this.#tracer.part(stage, beganMs, endedMs);
      return;
    }
    const known = this.#stages.get(stage);
    if (known === undefined) this.#stages.set(stage, { beganMs, endedMs });
    else known.endedMs = endedMs;
  }

  /** `failed`: the step was given up. */
  end(ms: number, failed?: string): void {
    for (const stage of STAGES) {
      const stretch = this.#stages.get(stage);
      if (stretch === undefined) continue;
      const { beganMs, endedMs } = stretch;
      this.#tracer.start(stage, { parent: this.#root.traceparent, startMs: beganMs })?.end({ ms: endedMs });
    }
    // Leases that another worker's copy made superfluous.
    for (const lease of this.#leases.values()) lease.end({ ms, failed: "not needed any more" });
    this.#root.end({ ms, ...(failed === undefined ? {} : { failed }) });
  }
}
