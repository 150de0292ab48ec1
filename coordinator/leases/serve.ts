/** Who gets which unit: idle workers one after another, jobs by their fair share, units in their order. */
import { type Account, type Share, type UsedTimes, fairOrder, withPassedOver } from "../pool/fairness.js";
import { helps, speedsOf } from "./balance.js";
import {
  type JobRecord,
  type LeaseBook,
  type Member,
  type UnitRecord,
  ableCount,
  isOpen,
  spoiledBy,
  stateOf,
  usedTimes,
} from "./book.js";
import { MOST_DOUBLINGS, hungLimitOf, limitOf, ownLimit, queueLimit } from "./deadline.js";
import { distanceToMates, relayFor, servingOrder } from "./mates.js";
import { paceOf, usualOfAll } from "./pace.js";
import { type LateUnit, lateUnits, takeoverFor } from "./second-copies.js";
import type { Turn } from "./turn.js";
import type { Unit } from "./unit.js";

/** Gives work to every idle worker that some job has work for. `first` comes first: what it needs is in its engine still. */
export function serveAll(turn: Turn, first?: string): void {
  if (turn.book.isPaused) return;
  for (const id of servingOrder(turn.book, first)) serve(turn, id);
  takeOverAll(turn);
}

function serve(turn: Turn, id: string): void {
  const member = idle(turn, id);
  if (member === undefined) return;
  const times = usedTimes(turn.book, turn.nowMs);
  const passed = new Map<string, Account>();
  for (const open of jobsFor(turn, member, times)) {
    const job = planned(turn, open);
    const chosen = unitFor(turn, job, member);
    if (chosen !== undefined) {
      passOver(turn, passed, { times, served: job.account });
      grant(turn, job, member, chosen);
      return;
    }
    if (hasNothing(turn, job, member)) passed.set(job.account.name, job.account);
  }
}

function idle({ book, nowMs }: Turn, id: string): Member | undefined {
  const member = book.members.get(id);
  return member !== undefined && stateOf(member, nowMs) === "idle" ? member : undefined;
}

/** In the order in which this worker serves them. */
function jobsFor({ book, nowMs }: Turn, member: Member, times = usedTimes(book, nowMs)): JobRecord[] {
  return fairOrder([...book.jobs.values()], (job) => shareOf(book, job, member, times));
}

/** Whoever is still idle gets what another one holds, where it will have it much sooner. */
function takeOverAll(turn: Turn): void {
  let known: Map<string, LateUnit[]> | undefined;
  for (const id of turn.book.members.keys()) {
    const member = idle(turn, id);
    if (member === undefined) continue;
    const late = (known ??= lateByJob(turn));
    if (late.size === 0) return;
    const hasOne = jobsFor(turn, member).some((job) => takeOver(turn, job, member, late.get(job.id) ?? []));
    if (hasOne) known = undefined;
  }
}

/** It was the turn of accounts that have nothing to lease. */
function passOver(
  turn: Turn,
  passed: ReadonlyMap<string, Account>,
  { times, served }: { times: UsedTimes; served: Account },
): void {
  if (passed.size === 0 || (passed.size === 1 && passed.has(served.name))) return;
  const held = new Set([...turn.book.members.values()].map(({ lease }) => lease?.account.name));
  const placeOf = ({ name, priority }: Account) => ({ name, priority, usedMs: times.get(name) ?? 0 });
  const others = [...passed.values()].filter(({ name }) => name !== served.name);
  const places = others.map((account) => ({ ...placeOf(account), isHeld: held.has(account.name) }));
  turn.book = { ...turn.book, used: withPassedOver(turn.book.used, places, placeOf(served)) };
}

/** Of jobs of which anything is late. */
function lateByJob({ book, nowMs }: Turn): Map<string, LateUnit[]> {
  const all = [...book.jobs].map(([id, job]) => [id, lateUnits(book, job, nowMs)] as const);
  return new Map(all.filter(([, late]) => late.length > 0));
}

function takeOver(turn: Turn, job: JobRecord, member: Member, late: readonly LateUnit[]): boolean {
  const takeover = takeoverFor(job, member, late, turn.nowMs);
  if (takeover === undefined) return false;
  const { record, holder, leftMs } = takeover;
  const first = record.grants.find(({ state }) => state === "held");
  if (first === undefined) return false;
  const heldMs = Math.round(turn.nowMs - first.grantedMs);
  const why = `worker ${member.id} computes it too: after ${heldMs} ms it needs about ${Math.round(leftMs)} ms more`;
  turn.setGrant(job.id, record.unit.id, first.leaseId, { state: "raced" });
  turn.setMember(holder, { note: `lease ${first.leaseId} is slow, ${why}` });
  turn.say("debug", `Worker ${holder} is slow with ${record.unit.id} of ${job.id}; ${why}`);
  const current = turn.book.jobs.get(job.id);
  const raced = current?.units.get(record.unit.id);
  if (current !== undefined && raced !== undefined) grant(turn, current, member, raced);
  return true;
}

function shareOf({ members }: LeaseBook, job: JobRecord, { lastRun }: Member, times: UsedTimes): Share {
  const held = [...members.values()].filter(({ lease }) => lease?.jobId === job.id).length;
  const { priority, name, isSteady } = job.account;
  const goesOn = isSteady && lastRun === job.runId;
  return { priority, usedMs: times.get(name) ?? 0, goesOn, held, lastServed: job.lastServed };
}

/** The job with its units; they are cut for those who are here when the first of them is leased. */
function planned(turn: Turn, job: JobRecord): JobRecord {
  if (job.isPlanned) return job;
  const units = job.plan.units({ speeds: (series) => speedsOf(turn.book, job, series, turn.nowMs) });
  if (units.length === 0) return job;
  const records = units.map((unit): [string, UnitRecord] => [unit.id, { unit, grants: [], done: undefined }]);
  const change = { isPlanned: true, unitCount: records.length, units: new Map(records) };
  turn.setJob(job.id, change);
  return { ...job, ...change };
}

/**
 * The unit that a worker gets, if that helps: the closest to what its mates hold, of several the one that it should go on with,
 * or else the first at all.
 */
function unitFor(turn: Turn, job: JobRecord, member: Member): UnitRecord | undefined {
  const last = job.affinities.get(member.id);
  const isNext = ({ unit }: UnitRecord): boolean => last === undefined || unit.affinity === last;
  const isGood = ({ unit }: UnitRecord): boolean => helps(turn.book, job, member, unit, turn.nowMs);
  const distance = distanceToMates(turn.book, job, member);
  if (distance !== undefined)
    return [...openFor(turn, job, member)]
      .sort((one, other) => distance(one) - distance(other) || Number(isNext(other)) - Number(isNext(one)))
      .find(isGood);
  let first: UnitRecord | undefined;
  for (const record of openFor(turn, job, member)) {
    if (!isNext(record) && first !== undefined) continue;
    if (!isGood(record)) continue;
    if (isNext(record)) return record;
    first = record;
  }
  return first;
}

/** In their order. */
function* openFor(turn: Turn, job: JobRecord, { id }: Member): Generator<UnitRecord> {
  // What was not finite from a worker goes to another one, while there is one.
  const isAlone = ableCount(turn.book, turn.nowMs) <= 1;
  for (const record of job.units.values()) {
    if (!isOpen(record) || !job.plan.wants(record.unit)) continue;
    if (record.grants.length > 0 && !isAlone && spoiledBy(record).has(id)) continue;
    yield record;
  }
}

function hasNothing(turn: Turn, job: JobRecord, member: Member): boolean {
  return openFor(turn, job, member).next().done === true;
}

/** What one of its steps may take. */
function oneStepOf({ patience, images, steps }: Unit): Pick<Unit, "patience" | "images"> {
  return { patience: { ...patience, scale: patience.scale / steps }, images: images / steps };
}

function limitFor(
  turn: Turn,
  job: JobRecord,
  member: Member,
  { patience, images }: Pick<Unit, "patience" | "images">,
): number {
  const { series } = patience;
  const times = job.times.get(series) ?? [];
  const pace = paceOf(job.paces, series, member.id, turn.nowMs);
  const toldMs = limitOf(patience, times, member.warm.has(job.runId));
  const limitMs = queueLimit(toldMs, (usualOfAll(job.paces, series, turn.nowMs) ?? 0) * images);
  return ownLimit(limitMs, pace === undefined ? undefined : pace * images);
}

function grant(turn: Turn, job: JobRecord, member: Member, record: UnitRecord): void {
  const { unit } = record;
  const now = turn.nowMs;
  const leaseId = turn.book.nextLease;
  const attempt = record.grants.length + 1;
  // A second one that is late too was given too little time.
  const late = record.grants.filter(({ state }) => state === "expired").length;
  const limitMs = limitFor(turn, job, member, unit) * 2 ** Math.min(late, MOST_DOUBLINGS);
  const stepMs = limitFor(turn, job, member, oneStepOf(unit));
  const hungMs = hungLimitOf(turn.book.rules.hungAfter, stepMs, attempt);
  const isCold = !member.warm.has(job.runId);
  turn.book = { ...turn.book, nextLease: leaseId + 1 };
  turn.setMember(member.id, {
    lastRun: job.runId,
    lease: {
      id: leaseId,
      jobId: job.id,
      account: job.account,
      runId: job.runId,
      unit,
      grantedMs: now,
      unseenMs: 0,
      deadlineMs: now + limitMs,
      isOverdue: false,
    },
  });
  const granted = {
    leaseId,
    worker: member.id,
    engine: member.engine,
    host: member.host,
    attempt,
    grantedMs: now,
    state: "held" as const,
    progress: 0,
  };
  turn.setUnit(job.id, { ...record, grants: [...record.grants, granted] });
  turn.setJob(job.id, {
    lastServed: leaseId,
    ...(unit.affinity === undefined
      ? {}
      : { affinities: new Map(job.affinities).set(member.id, unit.affinity) }),
  });
  turn.effects.push(
    {
      ...{
        kind: "lease",
        worker: member.id,
        jobId: job.id,
        unit,
        leaseId,
        attempt,
        atMs: now,
        hungMs,
        isCold,
      },
      relay: relayFor(turn.book, member),
    },
    { kind: "units", jobId: job.id },
  );
  const again = attempt === 1 ? "" : `, attempt ${attempt}`;
  turn.say("debug", `Worker ${member.id} gets ${unit.id} of ${job.id} for ${Math.round(limitMs)} ms${again}`);
}
