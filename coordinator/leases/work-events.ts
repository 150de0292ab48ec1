/** Jobs want work done, and results of it come back. */
import { RUNS_KEPT } from "../../shared/loaded-runs.js";
import { withEngines } from "../pool/engines.js";
import { type Account, COMMON_ACCOUNT, withAccount } from "../pool/fairness.js";
import { GOOD_STANDING } from "../pool/standing.js";
import {
  type Done,
  type JobRecord,
  type Lease,
  type Member,
  type UnitRecord,
  grantOf,
  isDiverged,
  isOpen,
  spoiledBy,
  usedTimes,
} from "./book.js";
import { withTime } from "./deadline.js";
import { withPace } from "./pace.js";
import type { CommittedUnit, EventOf } from "./events.js";
import type { Turn } from "./turn.js";
import type { Unit, WorkPlan } from "./unit.js";

/** Weight of what was before in a worker's running means. */
const SMOOTHING = 0.9;

export function planned(
  turn: Turn,
  { jobId, runId, account = COMMON_ACCOUNT, plan, isFresh }: EventOf<"planned">,
): void {
  const known = turn.book.jobs.get(jobId);
  if (known === undefined) openAccount(turn, account);
  const units = known === undefined || isFresh ? new Map<string, UnitRecord>() : wantedUnits(known, plan);
  const nothingYet = {
    unitCount: 0,
    lastServed: 0,
    times: new Map(),
    affinities: new Map(),
    paces: new Map(),
  };
  const job = { ...nothingYet, ...known, id: jobId, runId, account, plan, units, isPlanned: units.size > 0 };
  turn.book = { ...turn.book, jobs: new Map(turn.book.jobs).set(jobId, job) };
  turn.effects.push({ kind: "units", jobId });
}

/** An account that had no work did not wait either. */
function openAccount(turn: Turn, account: Account): void {
  const present = new Map(
    [...turn.book.jobs.values()].map((job) => [job.account.name, job.account.priority]),
  );
  if (present.has(account.name)) return;
  const times = usedTimes(turn.book, turn.nowMs);
  const places = [...present].map(([name, priority]) => ({ priority, usedMs: times.get(name) ?? 0 }));
  turn.book = { ...turn.book, used: withAccount(turn.book.used, account, places) };
}

/** What is in work goes on; what is open and not wanted any more is dropped. */
function wantedUnits({ units }: JobRecord, plan: WorkPlan): Map<string, UnitRecord> {
  return new Map([...units].filter(([, record]) => plan.wants(record.unit) || !isOpen(record)));
}

export function withdrawn(turn: Turn, jobId: string): void {
  const jobs = new Map(turn.book.jobs);
  jobs.delete(jobId);
  turn.book = { ...turn.book, jobs };
  for (const [id, { lease }] of turn.book.members) {
    if (lease?.jobId !== jobId) continue;
    turn.setMember(id, { lease: undefined, strayLease: lease.id });
    turn.effects.push({ kind: "cancel", worker: id, leaseId: lease.id, reason: "the job is over" });
  }
}

export function recalled(turn: Turn, jobId: string): void {
  for (const [worker, { lease }] of turn.book.members) {
    if (lease?.jobId === jobId) turn.effects.push({ kind: "halt", worker, leaseId: lease.id });
  }
}

export function computed(turn: Turn, event: EventOf<"computed">): void {
  const { jobId, unitId, worker, steps, toldMs, leaseId } = event;
  if (leaseId !== undefined) turn.endedBy(worker, leaseId);
  const record = turn.book.jobs.get(jobId)?.units.get(unitId);
  const grant = grantOf(record, worker);
  if (record === undefined || grant === undefined || record.done !== undefined) return;
  const ms = turn.nowMs - grant.grantedMs;
  const stepMs = timeOfStep(toldMs, ms, steps);
  const { engine, attempt } = grant;
  const done: Done = { worker, engine, attempt, ms, atMs: turn.nowMs, stepMs };
  turn.setUnit(jobId, { ...record, done });
  turn.setGrant(jobId, unitId, grant.leaseId, { state: "done" });
  const { series, scale } = record.unit.patience;
  const partMs = (stepMs * record.unit.steps) / scale;
  recordTime(turn, jobId, { series, ms: partMs }, toldMs === undefined);
  const lease = turn.book.members.get(worker)?.lease;
  if (lease?.jobId === jobId && lease.unit.id === unitId) {
    finishLease(turn, worker, lease);
    if (toldMs === undefined) turn.setMember(worker, { untold: heldOf(lease, turn.nowMs) });
  }
  advance(turn, jobId, { unit: record.unit, worker, steps, stepMs });
}

/** The worker's own figure, if it can be true. */
function timeOfStep(toldMs: number | undefined, heldMs: number, steps: number): number {
  const isTrue = toldMs !== undefined && toldMs > 0 && toldMs <= heldMs;
  return (isTrue ? toldMs : heldMs) / steps;
}

/**
 * What a worker says of the time that its lease took counts once for each lease, and only as far as it can be true: deadlines
 * of all workers follow from it.
 */
function takeTold(turn: Turn, { jobId, worker, leaseId, told }: EventOf<"settled">): void {
  const member = turn.book.members.get(worker);
  if (told === undefined || jobId === undefined || member === undefined) return;
  const known = member.lease?.id === leaseId ? heldOf(member.lease, turn.nowMs) : member.untold;
  if (known?.leaseId !== leaseId || known.jobId !== jobId || known.series !== told.series) return;
  turn.setMember(worker, { untold: undefined });
  recordTime(turn, jobId, { series: told.series, ms: Math.min(told.ms, known.mostMs) }, false);
}

function heldOf({ id: leaseId, jobId, unit, grantedMs }: Lease, nowMs: number): Member["untold"] {
  const { series, scale } = unit.patience;
  return { leaseId, jobId, series, mostMs: (nowMs - grantedMs) / scale };
}

/** `isStopgap`: counts only while nothing better is known; the worker's own figure comes a little later. */
function recordTime(
  turn: Turn,
  jobId: string,
  { series, ms }: { series: string; ms: number },
  isStopgap: boolean,
): void {
  const job = turn.book.jobs.get(jobId);
  const times = job?.times.get(series) ?? [];
  if (job === undefined || (isStopgap && times.length > 0)) return;
  turn.setJob(jobId, { times: new Map(job.times).set(series, withTime(times, ms)) });
}

/** Commits when the plan says so: then the units of what comes next take the place of those that are done. */
function advance(
  turn: Turn,
  jobId: string,
  last: { unit: Unit; worker: string; steps: number; stepMs: number },
): void {
  const job = turn.book.jobs.get(jobId);
  if (job === undefined) return;
  const records = [...job.units.values()];
  const isComplete = records.length === job.unitCount && records.every((record) => record.done !== undefined);
  const next = job.plan.advance(last, isComplete);
  if (next !== undefined) {
    const units = records.flatMap(({ unit, done }): CommittedUnit[] =>
      done === undefined ? [] : [{ unit, ...done }],
    );
    turn.setJob(jobId, { plan: next.plan, units: new Map(), isPlanned: false });
    const engines = units.map(({ engine }) => engine);
    turn.book = { ...turn.book, committedEngines: withEngines(turn.book.committedEngines, engines) };
    turn.effects.push({ kind: "commit", jobId, commit: next.commit, units });
  }
  turn.effects.push({ kind: "units", jobId });
}

/** The worker is through with its lease, whatever it was good for. */
function finishLease(turn: Turn, worker: string, lease: Lease): void {
  const member = turn.book.members.get(worker);
  if (member === undefined) return;
  const ms = turn.nowMs - lease.grantedMs;
  recordPace(turn, worker, lease, !member.warm.has(lease.runId));
  turn.setMember(worker, {
    lease: undefined,
    standing: lease.isOverdue ? member.standing : GOOD_STANDING,
    warm: new Set([...member.warm].filter((runId) => runId !== lease.runId).slice(1 - RUNS_KEPT)).add(
      lease.runId,
    ),
    leaseMs: smooth(member.leaseMs, ms),
    imagesPerSecond: smooth(member.imagesPerSecond, lease.unit.images / (ms / 1000)),
    images: member.images + lease.unit.images,
  });
  turn.effects.push({ kind: "ended", outcome: "done" });
}

function recordPace(turn: Turn, worker: string, { jobId, unit, grantedMs }: Lease, isCold: boolean): void {
  const job = turn.book.jobs.get(jobId);
  if (job === undefined || unit.images === 0) return;
  const lease = { images: unit.images, ms: turn.nowMs - grantedMs, atMs: turn.nowMs, isCold };
  turn.setJob(jobId, { paces: withPace(job.paces, { series: unit.patience.series, worker }, lease) });
}

/** An exponentially weighted mean that begins with its first value. */
function smooth(mean: number, value: number): number {
  return mean === 0 ? value : SMOOTHING * mean + (1 - SMOOTHING) * value;
}

export function settled(turn: Turn, event: EventOf<"settled">): void {
  const { jobId, unitId, worker, leaseId, outcome, reason } = event;
  turn.endedBy(worker, leaseId);
  const record = turn.book.jobs.get(jobId ?? "")?.units.get(unitId ?? "");
  takeTold(turn, event);
  const lease = turn.book.members.get(worker)?.lease;
  if (outcome === "done") {
    if (lease?.id !== leaseId) return;
    finishLease(turn, worker, lease);
    // Somebody else's copy came first, or its step is closed; were neither true, the unit would be leased to nobody.
    if (isHeldBy(turn, lease)) turn.reopen(lease, "returned");
    return;
  }
  const grant = record?.grants.find((one) => one.leaseId === leaseId && one.worker === worker);
  if (jobId !== undefined && record !== undefined && grant !== undefined && grant.state !== "done")
    turn.setGrant(jobId, record.unit.id, leaseId, { state: outcome });
  const what = record?.unit.id ?? "what it sent";
  turn.say("warn", `The result of worker ${worker} for ${what} is refused: ${reason.slice(0, 200)}`, {
    worker,
  });
  if (lease?.id === leaseId) {
    turn.recordFailure(worker, reason);
    turn.dropLease(worker, outcome, "returned", reason.slice(0, 200));
  }
  if (outcome === "spoiled" && jobId !== undefined) reportDivergence(turn, jobId, unitId ?? "");
}

function isHeldBy(turn: Turn, { id, jobId, unit }: Lease): boolean {
  const grants = turn.book.jobs.get(jobId)?.units.get(unit.id)?.grants ?? [];
  return grants.some(({ leaseId, state }) => leaseId === id && state === "held");
}

function reportDivergence(turn: Turn, jobId: string, unitId: string): void {
  const record = turn.book.jobs.get(jobId)?.units.get(unitId);
  if (record === undefined || !isDiverged(record, turn.book)) return;
  turn.effects.push({ kind: "diverged", jobId, unit: record.unit, attempts: spoiledBy(record) });
}
