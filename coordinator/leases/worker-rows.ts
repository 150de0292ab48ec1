/** The pool as events tell of it: a row for each worker. */
import type { saf } from "../../shared/messages.js";
import { type LeaseBook, stateOf } from "./book.js";

export function rowsOf(book: LeaseBook, nowMs: number): saf.v1.WorkerRow.$Properties[] {
  return [...book.members.values()].map((member) => {
    const state = stateOf(member, nowMs);
    return {
      workerId: member.id,
      state: state === "straggling" ? "busy" : state,
      engine: member.engine.engine,
      leaseMs: member.leaseMs,
      samplesPerSecond: member.imagesPerSecond,
      samples: member.images,
      rssBytes: member.rssBytes,
      retries: member.retries,
      silentSeconds: Math.max(0, nowMs - member.lastSeenMs) / 1000,
      note: member.note,
    };
  });
}
