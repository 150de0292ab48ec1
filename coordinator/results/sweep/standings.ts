/** Who is ahead: trials of one setting gathered over their seeds, then ordered by what is wanted. */
import { type Constraint, type Objective, holds, lossOf } from "../../../shared/config/objectives.js";
import type { TrialRow } from "../../../shared/records/sweep-line.js";
import type { SweepResults } from "./data.js";
import { type Estimate, estimateOf } from "./estimates.js";

/** A setting with all its seeds. */
export interface Contender {
  /** In the order of their numbers. */
  members: readonly TrialRow[];
  /** Constraints that not all of its members meet. */
  unmet: readonly string[];
}

export interface Standing extends Contender {
  /** From 1 on; undefined of one that is behind (`behindOf`). */
  place: number | undefined;
  /** The best of its members by the board's first objective: its weights are the ones to take. */
  best: TrialRow;
  /** In the order of the objectives. */
  estimates: readonly (Estimate | undefined)[];
  /** Nobody is at least as good in every objective and better in one. Of several objectives only. */
  isOnFront: boolean;
}

export interface Field {
  contenders: readonly Contender[];
  /** Of the trials that the present spec makes: those that reached the last rung; or, while none has, those at the highest rung that any did. */
  basis: { kind: "done" } | { kind: "rung"; rung: number; samples: number } | { kind: "nothing" };
}

/** Who may be ranked: numbers of different rungs do not compare. */
export function fieldOf({ rows, constraints }: Pick<SweepResults, "rows" | "constraints">): Field {
  const made = rows.filter(({ outside }) => outside === undefined);
  const done = made.filter(({ state }) => state === "done");
  if (done.length > 0) return { contenders: contendersOf(done, constraints), basis: { kind: "done" } };
  const measured = made.filter(({ state, rungs }) => state !== "failed" && rungs.length > 0);
  const rung = measured.reduce((highest, row) => Math.max(highest, rungOf(row)), -1);
  const first = measured.filter((row) => rungOf(row) === rung);
  if (first.length === 0) return { contenders: [], basis: { kind: "nothing" } };
  return {
    contenders: contendersOf(first, constraints),
    basis: { kind: "rung", rung, samples: first[0]?.samples ?? 0 },
  };
}

/** The newest rung that was measured, -1 before the first. */
export function rungOf({ rungs }: TrialRow): number {
  return rungs.at(-1)?.rung ?? -1;
}

function contendersOf(rows: readonly TrialRow[], constraints: readonly Constraint[]): Contender[] {
  const groups = new Map<string, TrialRow[]>();
  for (const row of rows) {
    const members = groups.get(row.group);
    if (members === undefined) groups.set(row.group, [row]);
    else members.push(row);
  }
  return [...groups.values()].map((members) => ({
    members,
    unmet: constraints
      .filter((constraint) => !members.every(({ metrics }) => holds(constraint, metrics[constraint.metric])))
      .map(({ text }) => text),
  }));
}

/**
 * All that report the first objective, best first: whoever meets the constraints before whoever does not; of several
 * objectives the front before the rest, each by the first objective. The older of equals is first.
 */
export function standingsOf(contenders: readonly Contender[], objectives: readonly Objective[]): Standing[] {
  const unplaced = contenders.flatMap((contender): Unplaced[] => {
    const best = bestMember(contender.members, objectives);
    const estimates = objectives.map(({ metric }) => estimateOf(metric, contender.members));
    const losses = objectives.map((objective, i) => lossOf(objective, estimates[i]?.value));
    return best === undefined ? [] : [{ ...contender, best, estimates, losses }];
  });
  const front = objectives.length > 1 ? frontOf(unplaced) : new Set();
  return unplaced
    .map((standing) => ({ ...standing, isOnFront: front.has(standing) }))
    .sort(
      (a, b) =>
        Number(a.unmet.length > 0) - Number(b.unmet.length > 0) ||
        Number(b.isOnFront) - Number(a.isOnFront) ||
        firstDifference(a.losses.slice(0, 1), b.losses) ||
        a.best.number - b.best.number,
    )
    .map(({ losses: _, ...standing }, i) => ({ ...standing, place: i + 1 }));
}

/** So many that did not come as far are looked at. */
const MOST_BEHIND = 50;

/** Trials that did not come as far as the field: the farthest first, there as in the field. Their numbers do not compare with its. */
export function behindOf(
  { rows, constraints }: Pick<SweepResults, "rows" | "constraints">,
  { contenders }: Field,
  objectives: readonly Objective[],
): Standing[] {
  const ahead = new Set(contenders.flatMap(({ members }) => members.map(({ group }) => group)));
  const rungs = new Map<number, TrialRow[]>();
  for (const row of rows) {
    if (ahead.has(row.group) || row.outside !== undefined || row.state === "failed") continue;
    const rung = rungs.get(rungOf(row));
    if (rung === undefined) rungs.set(rungOf(row), [row]);
    else rung.push(row);
  }
  const order = [...rungs].sort(([a], [b]) => b - a);
  const found: Standing[] = [];
  for (const [, members] of order) {
    if (found.length >= MOST_BEHIND) break;
    // A setting stands where its farthest seeds do.
    const contending = contendersOf(members, constraints).filter(
      ({ members: [one] }) => one && !ahead.has(one.group),
    );
    for (const { group } of members) ahead.add(group);
    found.push(
      ...standingsOf(contending, objectives).map((one) => ({ ...one, place: undefined, isOnFront: false })),
    );
  }
  return found.slice(0, MOST_BEHIND);
}

interface Unplaced extends Omit<Standing, "place" | "isOnFront"> {
  /** By objective; less is better, what is missing is worst. */
  losses: readonly number[];
}

function bestMember(members: readonly TrialRow[], [first]: readonly Objective[]): TrialRow | undefined {
  if (first === undefined) return undefined;
  const loss = (row: TrialRow): number => lossOf(first, row.metrics[first.metric]);
  const reporting = members.filter((row) => Number.isFinite(loss(row)));
  return reporting.reduce<TrialRow | undefined>(
    (best, row) => (best === undefined || loss(row) < loss(best) ? row : best),
    undefined,
  );
}

/** Those that nobody dominates, of those that meet the constraints (of all where none does). */
function frontOf(all: readonly Unplaced[]): Set<Unplaced> {
  const meeting = all.filter(({ unmet }) => unmet.length === 0);
  const sorted = [...(meeting.length > 0 ? meeting : all)].sort((a, b) =>
    firstDifference(a.losses, b.losses),
  );
  // Sorted like this nobody is dominated by one behind it.
  const front: Unplaced[] = [];
  for (const one of sorted) {
    if (!front.some((other) => dominates(other.losses, one.losses))) front.push(one);
  }
  return new Set(front);
}

function firstDifference(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < a.length; i++) {
    const [left = Infinity, right = Infinity] = [a[i], b[i]];
    if (left !== right) return left < right ? -1 : 1;
  }
  return 0;
}

function dominates(a: readonly number[], b: readonly number[]): boolean {
  return a.every((loss, i) => loss <= (b[i] ?? Infinity)) && a.some((loss, i) => loss < (b[i] ?? Infinity));
}
