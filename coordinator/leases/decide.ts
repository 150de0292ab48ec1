/**
 * The whole of what the coordinator decides about its pool: from the book as it is, what happened and the time, to the
 * next book, what is to be done, and why, in words. A pure function; coordinator.ts carries it out.
 */
import type { LeaseBook } from "./book.js";
import type { Decision, LeaseEvent } from "./events.js";
import {
  connectionChanged,
  died,
  follows,
  heard,
  joined,
  left,
  returned,
  superseded,
  ticked,
} from "./membership-events.js";
import { serveAll } from "./serve.js";
import { Turn } from "./turn.js";
import { computed, planned, recalled, settled, withdrawn } from "./work-events.js";

export function decide(book: LeaseBook, event: LeaseEvent, nowMs: number): Decision {
  const turn = new Turn(book, nowMs);
  handle(turn, event);
  return { book: turn.book, effects: turn.effects, reasons: turn.reasons };
}

function handle(turn: Turn, event: LeaseEvent): void {
  switch (event.kind) {
    case "joined":
      return joined(turn, event);
    case "heard":
      return heard(turn, event);
    case "returned":
      return returned(turn, event);
    case "left":
      return left(turn, event);
    case "died":
      return died(turn, event);
    case "connection":
      return connectionChanged(turn, event.isConnected);
    case "superseded":
      return superseded(turn, event.term);
    case "follows":
      return follows(turn, event);
    case "tick":
      return ticked(turn, event);
    case "planned":
      return planned(turn, event);
    case "withdrawn":
      return withdrawn(turn, event.jobId);
    case "recalled":
      return recalled(turn, event.jobId);
    case "computed":
      return computed(turn, event);
    case "settled":
      return settled(turn, event);
    case "serve":
      return serveAll(turn, event.first);
  }
}
