/**
 * The book of leases: who is in the pool, who holds which unit until when, at which attempt, what failed, and who computed
 * what. It is a value: decide.ts makes the next one from an event, and nothing else keeps an account of holders.
 */
import type { EngineFingerprint } from "../../shared/fingerprint.js";
import { type MixedEngines, enginesOfPool, spoils } from "../pool/engines.js";
import type { Account, UsedTimes } from "../pool/fairness.js";
import { type QuarantineRule, type Standing, isDivergence, rests } from "../pool/standing.js";
import type { LeaseTimes } from "./deadline.js";
import type { Paces } from "./pace.js";
import type { Unit, WorkPlan } from "./unit.js";

/**
 * How a grant stands. `returned`: its worker gave it back or was given up; `refused`: what came does not fit; `failed`: the
 * worker could not compute it; `spoiled`: its values were not finite; `expired`: its deadline passed, and a late result
 * still counts if it comes first. `raced`: in time, but another worker has it too, and whoever is first counts.
 */
export type GrantState =
  "held" | "raced" | "done" | "returned" | "lost" | "expired" | "refused" | "failed" | "spoiled";

/** One lease of a unit, for as long as the unit is remembered. */
export interface Grant {
  leaseId: number;
  worker: string;
  /** Of its worker, when it got the lease. */
  engine: EngineFingerprint;
  host: string;
  /** Which lease of the unit it is, from 1. */
  attempt: number;
  grantedMs: number;
  state: GrantState;
  /** Steps done, as its worker told last. */
  progress: number;
}

/** Who computed a unit. */
export interface Done {
  worker: string;
  engine: EngineFingerprint;
  attempt: number;
  /** From the lease to the last byte of the result. */
  ms: number;
  atMs: number;
  /** Time of one step of it, as its worker measured it if that can be true. */
  stepMs: number;
}

export interface UnitRecord {
  unit: Unit;
  /** All leases of it, the oldest first. */
  grants: readonly Grant[];
  done: Done | undefined;
}

export interface JobRecord {
  id: string;
  account: Account;
  /** A worker that has served this run before has its network and images. */
  runId: string;
  plan: WorkPlan;
  /** The plan's units were asked for; they are, until the next commit, these. */
  isPlanned: boolean;
  /** How many units the plan cut: a commit wants all of them, also those that are not here any more. */
  unitCount: number;
  units: ReadonlyMap<string, UnitRecord>;
  /** Number of its newest lease; 0 while it had none. */
  lastServed: number;
  /** Times by series (Patience.series). */
  times: ReadonlyMap<string, LeaseTimes>;
  /** How fast workers are at its units. */
  paces: Paces;
  /** The affinity of the unit that each worker held last. */
  affinities: ReadonlyMap<string, string>;
}

export interface Lease {
  id: number;
  jobId: string;
  /** Whom its time is counted for. */
  account: Account;
  runId: string;
  unit: Unit;
  grantedMs: number;
  /** Of the time since then, what passed while we looked at nothing. */
  unseenMs: number;
  deadlineMs: number;
  /** Its unit was offered to others already. */
  isOverdue: boolean;
}

export interface Member {
  id: string;
  /** Start time of the process, ms since 1970: a restarted worker has a later one. */
  incarnation: number;
  engine: EngineFingerprint;
  /** Of its process, on its own machine. */
  pid: number;
  /** Equal for workers that share memory among themselves; empty: it has no mates. */
  host: string;
  lastSeenMs: number;
  lease: Lease | undefined;
  /**
   * A lease that is not its own any more (taken away, or another coordinator's) and on which it works still; 0: none. Such a
   * worker is busy, not free.
   */
  strayLease: number;
  /** The last lease that it was through with by its own word: a heartbeat may still name it. */
  endedLease: number;
  /** The lease that it brought to an end last, while it has not said how long that took it. */
  untold: { leaseId: number; jobId: string; series: string; mostMs: number } | undefined;
  /** The run that it was leased work of last; empty while it was leased none. */
  lastRun: string;
  /** Runs whose images and network it has loaded. */
  warm: ReadonlySet<string>;
  /** Exponentially weighted time of its leases, and images a second within them. */
  leaseMs: number;
  imagesPerSecond: number;
  /** Images computed so far. */
  images: number;
  rssBytes: number;
  /** Leases that it did not bring to an end. */
  retries: number;
  standing: Standing;
  /** Why its last lease was taken away, in words; empty while none was. */
  note: string;
}

/** A lease that was taken away from its worker before it brought a result. */
export interface TakenLease {
  atMs: number;
  worker: string;
  runId: string;
  jobId: string;
  unit: Unit;
  /** In words. */
  reason: string;
}

/** The newest that are remembered. */
export const MOST_TAKEN = 8;

export interface PoolRules {
  heartbeatMs: number;
  quarantine: QuarantineRule;
  /** Deadlines that an engine may be silent for before it counts as hung; 0: never. */
  hungAfter: number;
  mixedEngines: MixedEngines;
}

export interface LeaseBook {
  rules: PoolRules;
  nextLease: number;
  /** NATS is out of reach: what would be said now is lost, so nothing is leased. */
  isPaused: boolean;
  /** Engines that have computed committed steps, in the order in which they did: the runs stay with their bits. */
  committedEngines: readonly EngineFingerprint[];
  members: ReadonlyMap<string, Member>;
  /** A later coordinator that workers say they have joined, while none is here. */
  followed: { term: number; sinceMs: number; lastMs: number } | undefined;
  /** In the order in which they came. */
  jobs: ReadonlyMap<string, JobRecord>;
  /** Leases that have ended; those that go on come on top. */
  used: UsedTimes;
  /** The last leases that were taken away, the oldest first. */
  taken: readonly TakenLease[];
}

/** `committedEngines`: of the runs as they were left. */
export function emptyBook(rules: PoolRules, committedEngines: readonly EngineFingerprint[] = []): LeaseBook {
  const nobody = { members: new Map(), followed: undefined, jobs: new Map(), used: new Map(), taken: [] };
  return { rules, nextLease: 1, isPaused: false, committedEngines, ...nobody };
}

/** In place of a lease's number: another coordinator gave it. */
export const FOREIGN_LEASE = -1;

// ---- Questions ------------------------------------------------------------------------------------------------

/** Somebody holds it, and its deadline has not passed. */
export function isHeld({ grants }: UnitRecord): boolean {
  return grants.some(({ state }) => state === "held");
}

/** Two have it in time, and whoever is first counts. */
export function isRaced({ grants, done }: UnitRecord): boolean {
  return done === undefined && grants.some(({ state }) => state === "raced");
}

/** It can be leased. */
export function isOpen(record: UnitRecord): boolean {
  return record.done === undefined && !isHeld(record);
}

/** A worker's newest lease of a unit, whatever became of it. */
export function grantOf(record: UnitRecord | undefined, worker: string): Grant | undefined {
  return record?.grants.findLast((grant) => grant.worker === worker);
}

/** Workers that may get work, without those in quarantine and those that are overdue: one that hangs keeps its heartbeat. */
export function ableCount({ members }: LeaseBook, nowMs: number): number {
  return [...members.values()].filter(
    ({ lease, strayLease, standing }) =>
      lease?.isOverdue !== true && strayLease === 0 && !rests(standing, nowMs),
  ).length;
}

/** Attempts by worker whose values were not finite. */
export function spoiledBy({ grants }: UnitRecord): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { worker, state } of grants) {
    if (state === "spoiled") counts.set(worker, (counts.get(worker) ?? 0) + 1);
  }
  return counts;
}

/** Its values are not finite, and that is the training's fault. */
export function isDiverged(record: UnitRecord, book: LeaseBook): boolean {
  return isDivergence(spoiledBy(record), book.members.size);
}

/** Why a worker with this engine would spoil the pool's weights; undefined where it would not. */
export function enginesProblem(
  { committedEngines, members }: LeaseBook,
  worker: string,
  engine: EngineFingerprint,
): string | undefined {
  const others = [...members.values()].filter(({ id }) => id !== worker).map((member) => member.engine);
  return spoils(engine, enginesOfPool(committedEngines, others));
}

/** The same, where such a worker is not taken in. */
export function refusesEngine(
  book: LeaseBook,
  worker: string,
  engine: EngineFingerprint,
): string | undefined {
  return book.rules.mixedEngines === "refuse" ? enginesProblem(book, worker, engine) : undefined;
}

/** What each account has had of the workers' time so far, in ms by its share, leases that go on included. */
export function usedTimes({ members, used }: LeaseBook, nowMs: number): Map<string, number> {
  const times = new Map(used);
  for (const { lease } of members.values()) {
    if (lease === undefined) continue;
    const { name, share } = lease.account;
    times.set(name, (times.get(name) ?? 0) + (nowMs - lease.grantedMs) / share);
  }
  return times;
}

/** Who is idle, or works on something in time. */
export function takingPart({ members }: LeaseBook, nowMs: number): Member[] {
  return [...members.values()].filter(
    (member) => member.strayLease === 0 && ["idle", "busy"].includes(stateOf(member, nowMs)),
  );
}

export type MemberState = "idle" | "busy" | "straggling" | "quarantined";

export function stateOf({ lease, strayLease, standing }: Member, nowMs: number): MemberState {
  if (lease !== undefined) return lease.isOverdue ? "straggling" : "busy";
  if (strayLease !== 0) return "busy";
  return rests(standing, nowMs) ? "quarantined" : "idle";
}
