/** The book of leases and its decisions without a bus: a job is served by names, and what it answers is decided on. */
import { emptyBook, isHeld, type LeaseBook } from "../../coordinator/leases/book.js";
import { decide } from "../../coordinator/leases/decide.js";
import type { Effect, LeaseEvent } from "../../coordinator/leases/events.js";
import type { Job, JobDesk, Verdict } from "../../coordinator/leases/job.js";
import type { Unit } from "../../coordinator/leases/unit.js";
import type { saf } from "../../shared/messages.js";
import { WASM } from "./fingerprints.js";

export interface Leased {
  worker: string;
  unit: Unit;
  leaseId: number;
  attempt: number;
  command: saf.v1.WorkerCommand.$Properties;
}

export class BookDesk {
  book: LeaseBook = emptyBook({
    heartbeatMs: 1000,
    quarantine: { after: 1000, firstMs: 1000 },
    hungAfter: 10,
    mixedEngines: "refuse",
  });
  nowMs = 0;
  /** Every lease that was given, the oldest first. */
  readonly leases: Leased[] = [];
  readonly #jobs = new Map<string, Job>();
  readonly #inbox: LeaseEvent[] = [];
  #isDeciding = false;

  readonly desk = (jobId: string): JobDesk => {
    const records = (): ReturnType<JobDesk["leases"]["records"]> => [
      ...(this.book.jobs.get(jobId)?.units.values() ?? []),
    ];
    return {
      leases: {
        record: (unitId) => this.book.jobs.get(jobId)?.units.get(unitId),
        records,
        get isHeld() {
          return records().some(isHeld);
        },
        get hasBegun() {
          return records().some(({ grants }) => grants.length > 0);
        },
      },
      replan: ({ isFresh } = { isFresh: false }) => {
        const job = this.#jobs.get(jobId);
        if (job !== undefined)
          this.take({ kind: "planned", jobId, runId: job.runId, plan: job.plan, isFresh });
      },
      recall: () => this.take({ kind: "recalled", jobId }),
    };
  };

  add(job: Job): void {
    this.#jobs.set(job.id, job);
    this.take({ kind: "planned", jobId: job.id, runId: job.runId, plan: job.plan, isFresh: false });
  }

  join(worker: string): void {
    this.take({ kind: "joined", worker, incarnation: 1, engine: WASM, pid: 1, leaseId: 0 });
  }

  /** What a job answers to a message of a worker about its newest lease. */
  conclude(job: Job, worker: string, verdict: Verdict<unknown>): void {
    const { completed, settled } = verdict;
    const leaseId = this.leases.findLast((lease) => lease.worker === worker)?.leaseId ?? 0;
    if (completed !== undefined) this.take({ kind: "computed", jobId: job.id, worker, ...completed });
    if (settled === undefined) return;
    const { unitId, outcome, reason, told } = settled;
    this.take({ kind: "settled", jobId: job.id, unitId, worker, leaseId, outcome, reason, told });
  }

  take(event: LeaseEvent): void {
    this.#inbox.push(event);
    if (this.#isDeciding) return;
    this.#isDeciding = true;
    for (;;) {
      const next = this.#inbox.shift() ?? { kind: "serve" as const, first: undefined };
      const { book, effects } = decide(this.book, next, this.nowMs);
      this.book = book;
      for (const effect of effects) this.#carryOut(effect);
      if (next.kind === "serve" && this.#inbox.length === 0) break;
    }
    this.#isDeciding = false;
  }

  #carryOut(effect: Effect): void {
    const job = "jobId" in effect ? this.#jobs.get(effect.jobId) : undefined;
    if (job === undefined) return;
    if (effect.kind === "lease") {
      const { worker, unit, leaseId, attempt } = effect;
      this.leases.push({
        worker,
        unit,
        leaseId,
        attempt,
        command: job.command(unit, { ...effect, term: 1 }),
      });
    } else if (effect.kind === "commit") job.onCommit?.(effect.commit, effect.units);
    else if (effect.kind === "reopened") job.onReopened?.(effect.unit, effect.leaseId, effect.why);
    else if (effect.kind === "units") job.onUnits?.();
  }
}
