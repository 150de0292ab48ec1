/** The book of leases as people see it: one function for the live page, its API and `saf status`. */
import type { PoolView, TakenAway, Wait, WorkerStanding } from "../../shared/pool-view.js";
import { type JobRecord, type Lease, type LeaseBook, type Member, isOpen, stateOf } from "./book.js";
import { median } from "./deadline.js";
import type { Unit } from "./unit.js";

/** Units of one run that are named; the others are counted. */
const MOST_NAMED = 3;
const MOST_SHOWN_TAKEN = 3;
/** This many times as long as usual is late. */
const LATE = 2;

export function poolView(book: LeaseBook, nowMs: number): PoolView {
  return {
    workers: [...book.members.values()].map((member) => standingOf(book, member, nowMs)),
    waits: waitsOf(book, nowMs),
    taken: takenOf(book, nowMs),
  };
}

function standingOf({ jobs }: LeaseBook, { id, lease, standing }: Member, nowMs: number): WorkerStanding {
  const grants = lease === undefined ? [] : (jobs.get(lease.jobId)?.units.get(lease.unit.id)?.grants ?? []);
  return {
    id,
    holds:
      lease === undefined
        ? null
        : {
            runId: lease.runId,
            unit: wordsOfUnit(lease.unit),
            attempt: grants.find(({ leaseId }) => leaseId === lease.id)?.attempt ?? 1,
            held_seconds: (nowMs - lease.grantedMs) / 1000,
            deadline_seconds: (lease.deadlineMs - nowMs) / 1000,
          },
    rests_seconds: Math.max(0, standing.restsUntilMs - nowMs) / 1000,
  };
}

function takenOf({ taken }: LeaseBook, nowMs: number): TakenAway[] {
  return taken
    .slice(-MOST_SHOWN_TAKEN)
    .reverse()
    .map(({ runId, worker, unit, reason, atMs }) => ({
      ...{ runId, worker, reason },
      unit: wordsOfUnit(unit),
      ago_seconds: (nowMs - atMs) / 1000,
    }));
}

// ---- What is waited for -----------------------------------------------------------------------------------------

function waitsOf(book: LeaseBook, nowMs: number): Wait[] {
  return [...book.jobs.values()].flatMap((job) => {
    const texts = waitsOfJob(book, job, nowMs);
    return texts.map(({ text, isLate }) => ({ runId: job.runId, text, is_late: isLate }));
  });
}

interface JobWait {
  text: string;
  isLate: boolean;
}

function waitsOfJob(book: LeaseBook, job: JobRecord, nowMs: number): JobWait[] {
  const missing = [...job.units.values()].filter(({ done }) => done === undefined);
  const what = nameOf(job);
  if (book.isPaused) return [{ text: `${what} waits for the connection to NATS`, isLate: true }];
  if (book.members.size === 0) return [{ text: `${what} waits for a worker: none is there`, isLate: true }];
  const held = [...book.members.values()]
    .flatMap(({ id, lease }) => (lease?.jobId === job.id && isMissing(job, lease) ? [{ id, lease }] : []))
    .sort((a, b) => a.lease.grantedMs - b.lease.grantedMs);
  const open = missing.filter(isOpen).length;
  // Who helps with a unit that is late is named behind its first holder.
  const units = [...new Set(held.map(({ lease }) => lease.unit.id))];
  const named = units.slice(0, MOST_NAMED).flatMap((unit) => {
    const [first, ...helpers] = held.filter(({ lease }) => lease.unit.id === unit);
    return first === undefined
      ? []
      : [
          heldWait(
            job,
            what,
            first,
            helpers.map(({ id }) => id),
            nowMs,
          ),
        ];
  });
  const more = units.length - named.length;
  return [
    ...named,
    ...(more > 0 ? [{ text: `${what} waits for ${more} more in work`, isLate: false }] : []),
    ...openWait(book, what, { open, held: held.length }, nowMs),
  ];
}

function isMissing({ units }: JobRecord, { unit }: Lease): boolean {
  return units.get(unit.id)?.done === undefined;
}

/** "step 120", "steps 8–71", "the evaluation" */
function nameOf({ plan, units }: JobRecord): string {
  const [first] = units.values();
  return first?.unit.words?.whole ?? plan.title ?? "the work";
}

function heldWait(
  job: JobRecord,
  what: string,
  { id, lease }: { id: string; lease: Lease },
  helpers: readonly string[],
  nowMs: number,
): JobWait {
  const heldMs = nowMs - lease.grantedMs;
  const piece = lease.unit.words?.part;
  const of = piece === undefined ? `${id}` : `${piece} of ${id}`;
  const untilMs = lease.deadlineMs - nowMs;
  const deadline = lease.isOverdue
    ? `overdue for ${seconds(-untilMs)} and offered to others`
    : `deadline in ${seconds(untilMs)}`;
  const usual = median(job.times.get(lease.unit.patience.series) ?? []) * lease.unit.patience.scale;
  // A series of which nothing is known has no usual time: NaN is in no relation.
  const isLate = lease.isOverdue || heldMs > LATE * usual;
  const waits = what.startsWith("steps ") ? "wait" : "waits";
  const also = helpers.length === 0 ? "" : `; ${helpers.join(", ")} computes it too`;
  return { text: `${what} ${waits} for ${of}: held for ${seconds(heldMs)}, ${deadline}${also}`, isLate };
}

function openWait(
  { members }: LeaseBook,
  what: string,
  { open, held }: { open: number; held: number },
  nowMs: number,
): JobWait[] {
  if (open === 0) return [];
  const pieces = open === 1 ? "1 piece of work is" : `${open} pieces of work are`;
  const states = [...members.values()].map((member) => stateOf(member, nowMs));
  const resting = states.filter((state) => state === "quarantined").length;
  const free = states.filter((state) => state === "idle").length;
  const resters = resting === 0 ? "" : `, ${resting} ${resting === 1 ? "rests" : "rest"} after failures`;
  const why = free > 0 ? "not leased yet" : `open: no worker is free${resters}`;
  return [{ text: `${what}: ${pieces} ${why}`, isLate: held === 0 && free === 0 }];
}

const wordsOfUnit = ({ id, words }: Unit): string => words?.name ?? id;

/** "142 ms", "4.2 s", "3 min" */
function seconds(ms: number): string {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  return ms < 100_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 60_000)} min`;
}
