/** One decision in the making: the book as it is so far, what follows, and why. Small steps that the handlers share. */
import { withUse } from "../pool/fairness.js";
import { afterFailure, rests } from "../pool/standing.js";
import {
  type GrantState,
  type JobRecord,
  type Lease,
  type LeaseBook,
  type Member,
  MOST_TAKEN,
  type UnitRecord,
  isOpen,
} from "./book.js";
import type { Effect, LeaseOutcome, Reason, ReopenReason } from "./events.js";

/** How a lease can end without a result. */
export type LostState = Exclude<GrantState, "held" | "raced" | "done">;

export class Turn {
  book: LeaseBook;
  readonly nowMs: number;
  readonly effects: Effect[] = [];
  readonly reasons: Reason[] = [];

  constructor(book: LeaseBook, nowMs: number) {
    this.book = book;
    this.nowMs = nowMs;
  }

  // ---- Writing ------------------------------------------------------------------------------------------------

  setMember(id: string, change: Partial<Member>): void {
    const member = this.book.members.get(id);
    if (member === undefined) return;
    if ("lease" in change) this.#count(member.lease, change.lease);
    const members = new Map(this.book.members).set(id, { ...member, ...change });
    this.book = { ...this.book, members };
  }

  /** The time of a lease that ends, however it does, is its account's. */
  #count(before: Lease | undefined, now: Lease | undefined): void {
    if (before === undefined || before.id === now?.id) return;
    const ms = this.nowMs - before.grantedMs;
    this.book = { ...this.book, used: withUse(this.book.used, before.account, ms) };
    this.effects.push({ kind: "held", account: before.account.name, ms });
  }

  setJob(id: string, change: Partial<JobRecord>): void {
    const job = this.book.jobs.get(id);
    if (job === undefined) return;
    this.book = { ...this.book, jobs: new Map(this.book.jobs).set(id, { ...job, ...change }) };
  }

  setUnit(jobId: string, record: UnitRecord): void {
    const job = this.book.jobs.get(jobId);
    if (job === undefined) return;
    this.setJob(jobId, { units: new Map(job.units).set(record.unit.id, record) });
  }

  /** A grant is over, or its holder is further with it. */
  setGrant(
    jobId: string,
    unitId: string,
    leaseId: number,
    change: { state?: GrantState; progress?: number },
  ): void {
    const record = this.book.jobs.get(jobId)?.units.get(unitId);
    if (record === undefined) return;
    const grants = record.grants.map((grant) =>
      grant.leaseId === leaseId ? { ...grant, ...change } : grant,
    );
    this.setUnit(jobId, { ...record, grants });
  }

  say(level: Reason["level"], text: string, about: Pick<Reason, "worker" | "fields"> = {}): void {
    this.reasons.push({ level, text, ...about });
  }

  // ---- Leases that end ------------------------------------------------------------------------------------------

  /** `dropLease` of a lease that its worker may still begin: it is told not to. */
  cancelLease(worker: string, reason: string): void {
    const lease = this.book.members.get(worker)?.lease;
    if (lease === undefined) return;
    this.dropLease(worker, "returned", "returned", reason);
    this.effects.push({ kind: "cancel", worker, leaseId: lease.id, reason });
  }

  /** A worker is through with a lease by its own word. */
  endedBy(worker: string, leaseId: number): void {
    const member = this.book.members.get(worker);
    if (member === undefined) return;
    const strayLease = member.strayLease === leaseId ? 0 : member.strayLease;
    this.setMember(worker, { strayLease, endedLease: leaseId });
  }

  /** A worker's lease ends without a result; its unit is offered again. `note`: why, in words. */
  dropLease(worker: string, state: LostState, outcome: LeaseOutcome, note: string): void {
    const member = this.book.members.get(worker);
    if (member?.lease === undefined) return;
    const { lease } = member;
    if (note !== "") this.tookAway(worker, note);
    this.setMember(worker, { lease: undefined, retries: member.retries + 1, note });
    this.effects.push({ kind: "ended", outcome });
    // The unit of an overdue lease was offered before.
    if (!lease.isOverdue) this.reopen(lease, state);
  }

  /** A worker loses its lease, and why: for those who look on. One that is overdue was taken away before. */
  tookAway(worker: string, reason: string): void {
    const lease = this.book.members.get(worker)?.lease;
    if (lease === undefined || lease.isOverdue) return;
    const { runId, jobId, unit } = lease;
    const taken = [...this.book.taken, { atMs: this.nowMs, worker, runId, jobId, unit, reason }];
    this.book = { ...this.book, taken: taken.slice(-MOST_TAKEN) };
  }

  /** The unit of a lease that ended so is open again, unless somebody else has done it or nobody wants it any more. */
  reopen({ id: leaseId, jobId, unit }: Pick<Lease, "id" | "jobId" | "unit">, state: LostState): void {
    this.setGrant(jobId, unit.id, leaseId, { state });
    const job = this.book.jobs.get(jobId);
    const record = job?.units.get(unit.id);
    if (job === undefined || record === undefined || !isOpen(record)) return;
    if (!record.grants.some((grant) => grant.leaseId === leaseId)) return;
    const other = record.grants.find((grant) => grant.state === "raced");
    // Its first holder has it still.
    if (other !== undefined) return this.setGrant(jobId, unit.id, other.leaseId, { state: "held" });
    if (!job.plan.wants(unit)) this.forgetUnit(job, unit.id);
    const why: ReopenReason = state === "failed" || state === "refused" ? "failed" : "given_back";
    this.effects.push({ kind: "reopened", jobId, unit, leaseId, why }, { kind: "units", jobId });
  }

  forgetUnit(job: JobRecord, unitId: string): void {
    const units = new Map(job.units);
    units.delete(unitId);
    this.setJob(job.id, { units, isPlanned: units.size > 0 });
  }

  /** Before its work is offered again, or it would be offered it first. */
  recordFailure(worker: string, reason: string): void {
    const member = this.book.members.get(worker);
    if (member === undefined) return;
    const standing = afterFailure(member.standing, this.book.rules.quarantine, this.nowMs);
    this.setMember(worker, { standing });
    if (!rests(standing, this.nowMs)) return;
    const { failures, restsUntilMs } = standing;
    this.effects.push({ kind: "member", change: "quarantined", worker }, { kind: "able" });
    this.say(
      "warn",
      `Worker ${worker} gets no work for ${Math.round(restsUntilMs - this.nowMs)} ms: ${failures} leases in a row failed (${reason.slice(0, 200)})`,
    );
  }
}
