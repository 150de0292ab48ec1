/** When a process that ended is started again. This module decides; kept-process.ts and cluster.ts carry it out. */
import { EXIT_CODES } from "../../shared/errors.js";
import type { ProcessExit } from "./process-exit.js";

export type RestartDecision =
  /** `recent`: how often it ended of late, this end included. */
  | { kind: "restart"; pauseMs: number; recent: number }
  /** It is given up for now, and tried again much later: what was missing may be there then. */
  | { kind: "rest"; pauseMs: number }
  /** Its work is done, or its failure is final. */
  | { kind: "done" }
  /** It is missed, but another start promises nothing. */
  | { kind: "abandon" };

export interface RestartPolicy {
  /** So many restarts at most, one after another without success. */
  limit: number;
  /** The wait before a restart; the first one is 1. */
  pauseMs(restart: number): number;
  /** The wait before the next try of a process that is given up; without it, there is none. */
  restMs?: number;
  /** `refused`: it would be again. */
  meaningOf(exit: ProcessExit): "done" | "refused" | "crashed";
}

/** A process from its start to its end. */
export interface Life {
  ranMs: number;
  /** It did what it is for. */
  hasServed: boolean;
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 4000;
const LIMIT = 5;
/** A process that served and lived so long was a success: what ends it then is something else than before. */
const SUCCESS_MS = 10_000;
const REST_MS = 60_000;
/** Ends so close to each other have something in common, whatever the process did in between. */
export const RECENT_MS = 600_000;

const backOff = (restart: number): number => Math.min(FIRST_PAUSE_MS * 2 ** (restart - 1), LONGEST_PAUSE_MS);

/** 0: sent away. 5: whatever it depends on refused it. */
export const WORKER_RESTARTS: RestartPolicy = {
  limit: LIMIT,
  pauseMs: backOff,
  restMs: REST_MS,
  meaningOf({ code }) {
    if (code === 0) return "done";
    return code === EXIT_CODES.dependency ? "refused" : "crashed";
  },
};

/** Any code of its own but 1 says how its work ended. */
export const COORDINATOR_RESTARTS: RestartPolicy = {
  limit: LIMIT,
  pauseMs: backOff,
  meaningOf: ({ code }) => (code === null || code === EXIT_CODES.unexpected ? "crashed" : "done"),
};

/** nats-server never ends by itself. The limit counts the tries after one end. */
export const SERVER_RESTARTS: RestartPolicy = {
  limit: LIMIT,
  pauseMs: (restart) => 100 * restart,
  meaningOf: () => "crashed",
};

/** The same, for a process that stays down. */
export function withoutRestarts({ pauseMs, meaningOf }: RestartPolicy): RestartPolicy {
  return { limit: 0, pauseMs, meaningOf };
}

/** How many restarts count after this life, when `before` did: a success begins the count anew. */
export function restartsThatCount(before: number, { ranMs, hasServed }: Life): number {
  return hasServed && ranMs >= SUCCESS_MS ? 0 : before;
}

/**
 * `restarts`: how many there were without success; they are limited. `recent`: ends within RECENT_MS, with success or
 * without, this one included; they make the next pause longer, for as long as they go on.
 */
export function decideRestart(
  policy: RestartPolicy,
  exit: ProcessExit,
  restarts: number,
  recent: number = restarts + 1,
): RestartDecision {
  const meaning = policy.meaningOf(exit);
  if (meaning === "done") return { kind: "done" };
  if (meaning === "crashed" && restarts < policy.limit)
    return { kind: "restart", pauseMs: policy.pauseMs(Math.max(restarts + 1, recent)), recent };
  return policy.restMs === undefined ? { kind: "abandon" } : { kind: "rest", pauseMs: policy.restMs };
}
