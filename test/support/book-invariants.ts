/** What must hold of the book of leases after every decision. */
import assert from "node:assert/strict";
import type { LeaseBook } from "../../coordinator/leases/book.js";

/** Throws an AssertionError that names what does not hold. */
export function checkBook(book: LeaseBook): void {
  const leases = new Set<number>();
  for (const [id, { lease }] of book.members) {
    if (lease === undefined) continue;
    assert.ok(!leases.has(lease.id), `lease ${lease.id} is held twice`);
    leases.add(lease.id);
    assert.ok(lease.id < book.nextLease, `lease ${lease.id} of ${id} was never given`);
  }
  for (const job of book.jobs.values()) {
    for (const { unit, grants, done } of job.units.values()) {
      const held = grants.filter(({ state }) => state === "held");
      assert.ok(held.length <= 1, `${unit.id} is leased to ${held.length} workers at a time`);
      for (const { leaseId, worker } of held) {
        const holder = book.members.get(worker)?.lease;
        assert.equal(holder?.id, leaseId, `${unit.id} is leased to nobody: ${worker} holds ${holder?.id}`);
        assert.equal(holder.isOverdue, false, `${unit.id} is overdue and still counts as held`);
      }
      const finished = grants.filter(({ state }) => state === "done");
      assert.equal(
        finished.length,
        done === undefined ? 0 : 1,
        `${unit.id} is done ${finished.length} times`,
      );
    }
  }
}

/** Freezes a value and all that it holds, so that whoever writes to it throws. */
export function deepFreeze<Value>(value: Value): Value {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  if (value instanceof Map) {
    const refuse = (): never => assert.fail("a map of the book was written to");
    Object.assign(value, { set: refuse, delete: refuse, clear: refuse });
    for (const item of value.values()) deepFreeze(item);
  } else for (const item of Object.values(value)) deepFreeze(item);
  return Object.freeze(value);
}
