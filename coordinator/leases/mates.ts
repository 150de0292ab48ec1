/**
 * Workers of one host that share memory among themselves: one of them takes the parameters in for all, and blocks that lie
 * together in the tree of sums leave the host as one sum.
 */
import type { JobRecord, LeaseBook, Member, UnitRecord } from "./book.js";

function matesOf({ members }: LeaseBook, { host }: Member): Member[] {
  return host === "" ? [] : [...members.values()].filter((other) => other.host === host);
}

/** Which of them passes parameters on: the one that joined first. Empty when it is alone. */
export function relayFor(book: LeaseBook, member: Member): string {
  const [relay, ...others] = matesOf(book, member);
  return others.length === 0 ? "" : (relay?.id ?? "");
}

/** Mates one after another, for units come in the order of the tree; `first` and its mates before the others. */
export function servingOrder({ members }: LeaseBook, first?: string): string[] {
  const begin = first === undefined ? undefined : members.get(first);
  const groups = new Map<string, Set<string>>();
  for (const { id, host } of begin === undefined ? members.values() : [begin, ...members.values()]) {
    const name = host === "" ? `worker ${id}` : `host ${host}`;
    groups.set(name, (groups.get(name) ?? new Set()).add(id));
  }
  return [...groups.values()].flatMap((group) => [...group]);
}

/**
 * How soon a unit sums up with those that its mates hold: leaves meet the sooner in the tree, the fewer of the last digits in
 * which their numbers differ. Undefined when they hold none.
 */
export function distanceToMates(
  book: LeaseBook,
  job: JobRecord,
  member: Member,
): ((record: UnitRecord) => number) | undefined {
  const held = matesOf(book, member).flatMap(({ id, lease }) =>
    id === member.id || lease?.jobId !== job.id || lease.unit.block === undefined ? [] : [lease.unit.block],
  );
  if (held.length === 0) return undefined;
  return ({ unit: { block } }) =>
    block === undefined ? Infinity : Math.min(...held.map(({ first }) => first ^ block.first));
}
