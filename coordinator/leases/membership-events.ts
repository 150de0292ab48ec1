/** Workers come, are heard of, go, and get lost. */
import { lostWorkers } from "../pool/membership.js";
import { GOOD_STANDING } from "../pool/standing.js";
import type { EngineFingerprint } from "../../shared/fingerprint.js";
import { type Lease, type Member, enginesProblem } from "./book.js";
import { limitOf } from "./deadline.js";
import { crowdOf, paceOfOthersNow, usualOfOthers } from "./load.js";
import { withoutWorker } from "./pace.js";
import type { EventOf, LeaseOutcome, StretchProgress } from "./events.js";
import type { LostState, Turn } from "./turn.js";

export function joined(turn: Turn, event: EventOf<"joined">): void {
  const { worker, incarnation, engine, pid, leaseId, host = "" } = event;
  const known = turn.book.members.get(worker);
  const isRestart = known !== undefined && known.incarnation !== incarnation;
  if (known === undefined)
    turn.say("info", `Worker ${worker} joined`, { worker, fields: { engine: engine.engine, pid } });
  if (known === undefined || isRestart) tellMixture(turn, worker, engine);
  if (isRestart) turn.dropLease(worker, "lost", "lost", "its process was started again");
  // A worker that joins forgets what waits; what it works on it names.
  else if (known?.lease !== undefined && known.lease.id !== leaseId)
    turn.dropLease(worker, "returned", "returned", "it joined again and did not know of the lease");
  const before = turn.book.members.get(worker) ?? stranger(worker, engine);
  const isStray = leaseId !== 0 && before.lease?.id !== leaseId && before.endedLease !== leaseId;
  const member = {
    ...before,
    incarnation,
    engine,
    pid,
    host,
    lastSeenMs: turn.nowMs,
    strayLease: isStray ? leaseId : 0,
    warm: isRestart ? new Set<string>() : before.warm,
  };
  const members = new Map(turn.book.members).set(worker, member);
  turn.book = { ...turn.book, members, followed: undefined };
  turn.effects.push({ kind: "member", change: "joined", worker }, { kind: "able" });
}

/** A worker of other bits is here only where the pool takes such. */
function tellMixture(turn: Turn, worker: string, engine: EngineFingerprint): void {
  const why = enginesProblem(turn.book, worker, engine);
  if (why !== undefined)
    turn.say("warn", `Worker ${worker} makes the weights depend on who computes what: ${why}`, { worker });
}

function stranger(id: string, engine: EngineFingerprint): Member {
  return {
    id,
    incarnation: 0,
    engine,
    pid: 0,
    host: "",
    lastSeenMs: 0,
    lease: undefined,
    strayLease: 0,
    endedLease: 0,
    untold: undefined,
    lastRun: "",
    warm: new Set(),
    leaseMs: 0,
    imagesPerSecond: 0,
    images: 0,
    rssBytes: 0,
    retries: 0,
    standing: GOOD_STANDING,
    note: "",
  };
}

export function heard(turn: Turn, event: EventOf<"heard">): void {
  const { worker, incarnation, isOurTerm, leaseId, rssBytes, progress } = event;
  const member = turn.book.members.get(worker);
  if (member === undefined || member.incarnation !== incarnation || !isOurTerm) {
    turn.effects.push({ kind: "rejoin", worker });
    return;
  }
  turn.setMember(worker, { lastSeenMs: turn.nowMs, rssBytes });
  const { lease } = member;
  if (lease !== undefined && leaseId === lease.id) {
    turn.setMember(worker, { strayLease: 0 });
    if (progress !== undefined) advanced(turn, worker, lease, progress);
    return;
  }
  const isLate =
    lease !== undefined && turn.nowMs - lease.grantedMs - lease.unseenMs > 2 * turn.book.rules.heartbeatMs;
  if (isLate) takeBack(turn, worker, lease, leaseId);
  // Between a result and the next lease a heartbeat still names the old one; a worker that stays with it is busy.
  const isStray = leaseId !== 0 && (isLate || (lease === undefined && leaseId !== member.endedLease));
  turn.setMember(worker, { strayLease: isStray ? leaseId : 0 });
}

/** A worker that works on something else did not get the command, or has not come to it: it is not to begin any more. */
function takeBack(turn: Turn, worker: string, lease: Lease, named: number): void {
  const works = named === 0 ? "says that it is idle" : "names another lease";
  const heldMs = Math.round(turn.nowMs - lease.grantedMs);
  const why = `its heartbeat ${works} ${heldMs} ms after lease ${lease.id} was given`;
  turn.cancelLease(worker, why);
  turn.say("debug", `Lease ${lease.id} of worker ${worker} is taken back: ${why}`);
}

/** A slow worker is no lost one while it moves. */
function advanced(turn: Turn, worker: string, lease: Lease, progress: StretchProgress): void {
  const { unit, jobId } = lease;
  // What is committed in one piece has no progress, whatever is said of it.
  if (unit.isExclusive !== true) return;
  const job = turn.book.jobs.get(jobId);
  const grant = job?.units.get(unit.id)?.grants.find((candidate) => candidate.leaseId === lease.id);
  const { steps } = progress;
  if (job === undefined || grant?.state !== "held" || steps > unit.steps || steps <= grant.progress) return;
  turn.setGrant(jobId, unit.id, lease.id, { progress: steps });
  const left = { ...unit.patience, scale: (unit.patience.scale * (unit.steps - steps)) / unit.steps };
  const moreMs = limitOf(left, job.times.get(left.series) ?? [], true);
  const deadlineMs = Math.max(lease.deadlineMs, turn.nowMs + moreMs);
  turn.setMember(worker, { lease: { ...lease, deadlineMs } });
  turn.effects.push({ kind: "progress", jobId, unit, progress });
}

/** Of a process that has a successor nothing counts any more. */
function isFormer(turn: Turn, worker: string, incarnation: number): boolean {
  const member = turn.book.members.get(worker);
  return member !== undefined && incarnation < member.incarnation;
}

export function returned(turn: Turn, event: EventOf<"returned">): void {
  const { worker, incarnation, leaseId, reason, hasFailed } = event;
  if (isFormer(turn, worker, incarnation)) return;
  turn.endedBy(worker, leaseId);
  if (turn.book.members.get(worker)?.lease?.id !== leaseId) return;
  if (hasFailed) turn.recordFailure(worker, reason);
  turn.dropLease(worker, "returned", "returned", `it gave the lease back: ${reason.slice(0, 200)}`);
}

export function left(turn: Turn, { worker, incarnation, reason }: EventOf<"left">): void {
  if (!turn.book.members.has(worker) || isFormer(turn, worker, incarnation)) return;
  turn.say("info", `Worker ${worker} left: ${reason.slice(0, 200)}`, { worker });
  turn.tookAway(worker, `it left: ${reason.slice(0, 200)}`);
  forget(turn, worker, "returned", "returned");
}

/** Of a successor that has joined already it says nothing. */
export function died(turn: Turn, { worker, pid }: EventOf<"died">): void {
  if (turn.book.members.get(worker)?.pid !== pid) return;
  turn.say("warn", `Worker ${worker} is lost: its process ${pid} has ended`, { worker });
  turn.effects.push({ kind: "member", change: "lost", worker });
  turn.tookAway(worker, `its process ${pid} has ended`);
  forget(turn, worker, "lost", "lost");
}

function forget(turn: Turn, worker: string, state: LostState, outcome: LeaseOutcome): void {
  turn.dropLease(worker, state, outcome, "");
  const members = new Map(turn.book.members);
  members.delete(worker);
  const jobs = [...turn.book.jobs].map(
    ([id, job]) => [id, { ...job, paces: withoutWorker(job.paces, worker) }] as const,
  );
  turn.book = { ...turn.book, members, jobs: new Map(jobs) };
  turn.effects.push({ kind: "member", change: "gone", worker }, { kind: "able" });
}

export function connectionChanged(turn: Turn, isConnected: boolean): void {
  turn.book = { ...turn.book, isPaused: !isConnected };
  turn.effects.push({ kind: "able" });
  if (!isConnected) {
    turn.say("warn", "Lost the connection to NATS; waiting for it");
    return;
  }
  // Nobody could be heard of meanwhile.
  for (const id of turn.book.members.keys()) turn.setMember(id, { lastSeenMs: turn.nowMs });
  turn.effects.push({ kind: "announce" });
  turn.say("info", "Connected to NATS again");
}

export function superseded(turn: Turn, term: number): void {
  turn.book = { ...turn.book, isPaused: true };
  turn.effects.push({ kind: "able" });
  turn.say("warn", `Another coordinator leads the pool now, with term ${term}: the workers are its own`);
}

/** Without a worker for so many heartbeats, while some say that they have joined a later coordinator. */
const FORSAKEN_HEARTBEATS = 30;
/** Who says so, says it again sooner. */
const FOLLOWED_HEARTBEATS = 15;

/** A worker's word: it costs nobody anything while another worker is here. */
export function follows(turn: Turn, { worker, term }: EventOf<"follows">): void {
  const { members, followed } = turn.book;
  if (members.size > 0) return;
  if (followed === undefined)
    turn.say("warn", `Worker ${worker} has joined a later coordinator, of term ${term}`, { worker });
  const { sinceMs = turn.nowMs, term: highest = 0 } = followed ?? {};
  turn.book = { ...turn.book, followed: { term: Math.max(term, highest), sinceMs, lastMs: turn.nowMs } };
}

/** We were out of reach when it came, and never heard of it. */
function giveWay(turn: Turn): void {
  const { followed, rules } = turn.book;
  if (followed === undefined) return;
  if (turn.nowMs - followed.lastMs > FOLLOWED_HEARTBEATS * rules.heartbeatMs)
    turn.book = { ...turn.book, followed: undefined };
  else if (turn.nowMs - followed.sinceMs > FORSAKEN_HEARTBEATS * rules.heartbeatMs)
    turn.effects.push({ kind: "superseded", term: followed.term });
}

/** A timer may be late by so much of a heartbeat. */
const NOT_LATE = 0.1;

export function ticked(turn: Turn, { lateMs = 0 }: EventOf<"tick">): void {
  if (turn.book.isPaused) return;
  if (lateMs > NOT_LATE * turn.book.rules.heartbeatMs) forgive(turn, lateMs);
  giveWay(turn);
  for (const id of lostWorkers(turn.book.members, turn.book.rules.heartbeatMs, turn.nowMs)) {
    const silentMs = turn.nowMs - (turn.book.members.get(id)?.lastSeenMs ?? 0);
    turn.say("warn", `Worker ${id} is lost: no heartbeat for ${Math.round(silentMs)} ms`, { worker: id });
    turn.effects.push({ kind: "member", change: "lost", worker: id });
    turn.tookAway(id, `no heartbeat for ${Math.round(silentMs)} ms`);
    forget(turn, id, "lost", "lost");
  }
  // All of them beside the others as they are now: of those who are late together none is the last one.
  const late = [...turn.book.members].flatMap(([id, { lease }]) =>
    lease === undefined || lease.isOverdue || lease.deadlineMs > turn.nowMs
      ? []
      : [{ id, lease, ...lateness(turn, id, lease) }],
  );
  for (const { id, lease, isOver, isAlone } of late) if (isOver) expire(turn, id, lease, isAlone);
}

/** A lease is late only where it takes so many times as long as those of the others take now. */
const LATE_TIMES = 3;
/** But after so many times its limit in any case: all of them may hang. */
const MOST_LIMITS = 20;

/** `isOver`: a lease behind its deadline is to be given to others; `isAlone`: it is late beside them. */
function lateness(
  { book, nowMs }: Turn,
  worker: string,
  lease: Lease,
): { isOver: boolean; isAlone: boolean } {
  const { jobId, unit, grantedMs, unseenMs, deadlineMs } = lease;
  const job = book.jobs.get(jobId);
  if (job === undefined) return { isOver: true, isAlone: true };
  const crowd = crowdOf(book, job, unit.patience.series, nowMs);
  const first = job.units.get(unit.id)?.grants[0];
  const paceNow = paceOfOthersNow(crowd, { worker, sinceMs: first?.grantedMs ?? grantedMs }) ?? 0;
  const slowdown = Math.max(1, paceNow / (usualOfOthers(crowd, worker) ?? Infinity));
  const [heldMs, limitMs] = [nowMs - grantedMs - unseenMs, deadlineMs - grantedMs - unseenMs];
  const isAlone = heldMs >= Math.max(slowdown * limitMs, LATE_TIMES * paceNow * unit.images);
  return { isOver: isAlone || heldMs >= MOST_LIMITS * limitMs, isAlone };
}

/** We stood still, or had too much to do: what workers said meanwhile waits to be read, and is not late by that. */
function forgive(turn: Turn, lateMs: number): void {
  const since = (ms: number): number => Math.min(lateMs, Math.max(0, turn.nowMs - ms));
  for (const [id, { lastSeenMs, lease }] of turn.book.members) {
    turn.setMember(id, { lastSeenMs: lastSeenMs + since(lastSeenMs) });
    if (lease === undefined) continue;
    const moreMs = since(lease.grantedMs);
    const [unseenMs, deadlineMs] = [lease.unseenMs + moreMs, lease.deadlineMs + moreMs];
    turn.setMember(id, { lease: { ...lease, unseenMs, deadlineMs } });
  }
}

/** Its unit is offered to others; a late result still counts if it comes first. */
function expire(turn: Turn, worker: string, lease: Lease, isAlone: boolean): void {
  const heldMs = Math.round(turn.nowMs - lease.grantedMs);
  const retries = (turn.book.members.get(worker)?.retries ?? 0) + 1;
  const note = `lease ${lease.id} is overdue after ${heldMs} ms`;
  turn.tookAway(worker, note);
  turn.setMember(worker, { lease: { ...lease, isOverdue: true }, retries, note });
  turn.effects.push({ kind: "ended", outcome: "expired" }, { kind: "able" });
  turn.say(
    "warn",
    `Lease ${lease.id} of worker ${worker} is overdue after ${heldMs} ms; leasing ${lease.unit.id} again`,
  );
  // Who is late lease after lease holds up everybody: it rests like one that fails. Where all are late it is not to blame.
  if (isAlone) turn.recordFailure(worker, note);
  turn.reopen(lease, "expired");
}
