/** When a process that ended is started again. This module decides; kept-process.ts and cluster.ts carry it out. */
import { EXIT_CODES } from "../../shared/errors.js";
import type { ProcessExit } from "./process-exit.js";

export type RestartDecision =
  | { kind: "restart"; pauseMs: number }
  /** Its work is done, or its failure is final. */
  | { kind: "done" }
  /** It is missed, but another start promises nothing. */
  | { kind: "abandon" };

export interface RestartPolicy {
  /** So many restarts at most. */
  limit: number;
  /** The wait before a restart; the first one is 1. */
  pauseMs(restart: number): number;
  /** `refused`: it would be again. */
  meaningOf(exit: ProcessExit): "done" | "refused" | "crashed";
}

const PAUSE_MS = 500;
const LIMIT = 5;

/** 0: sent away. 5: whatever it depends on refused it. */
export const WORKER_RESTARTS: RestartPolicy = {
  limit: LIMIT,
  pauseMs: () => PAUSE_MS,
  meaningOf({ code }) {
    if (code === 0) return "done";
    return code === EXIT_CODES.dependency ? "refused" : "crashed";
  },
};

/** Any code of its own but 1 says how its work ended. */
export const COORDINATOR_RESTARTS: RestartPolicy = {
  limit: LIMIT,
  pauseMs: () => PAUSE_MS,
  meaningOf: ({ code }) => (code === null || code === EXIT_CODES.unexpected ? "crashed" : "done"),
};

/** nats-server never ends by itself. The limit counts the tries after one end. */
export const SERVER_RESTARTS: RestartPolicy = {
  limit: LIMIT,
  pauseMs: (restart) => 100 * restart,
  meaningOf: () => "crashed",
};

/** The same, for a process that stays down. */
export function withoutRestarts(policy: RestartPolicy): RestartPolicy {
  return { ...policy, limit: 0 };
}

/** `restarts`: how many there were. */
export function decideRestart(policy: RestartPolicy, exit: ProcessExit, restarts: number): RestartDecision {
  const meaning = policy.meaningOf(exit);
  if (meaning === "done") return { kind: "done" };
  if (meaning === "refused" || restarts >= policy.limit) return { kind: "abandon" };
  return { kind: "restart", pauseMs: policy.pauseMs(restarts + 1) };
}
