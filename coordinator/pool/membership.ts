/** Who is alive, from heartbeats and the time. */
import { ENGINE_NAMES } from "../../shared/engine.js";
import { isWorkerName } from "../../shared/subjects.js";

export interface Presence {
  /** Start time of the process, ms since 1970: a restarted worker has a later one. */
  incarnation: number;
  lastSeenMs: number;
}

/** Heartbeats that may be missed before a worker counts as lost. */
export const MISSED_HEARTBEATS = 3;

/** Workers not heard of for three heartbeats. */
export function lostWorkers(
  workers: ReadonlyMap<string, Presence>,
  heartbeatMs: number,
  nowMs: number,
): string[] {
  return [...workers]
    .filter(([, { lastSeenMs }]) => nowMs - lastSeenMs > MISSED_HEARTBEATS * heartbeatMs)
    .map(([id]) => id);
}

/** What a worker says of itself when it asks to join. */
export interface Applicant {
  workerId: string;
  protocol: number;
  selfTestPassed: boolean;
  selfTestDetail: string;
  engineName: string;
  incarnation: number;
}

export type Admission =
  | { accepted: true }
  | { accepted: false; label: "name" | "protocol" | "self_test" | "engine" | "bits"; reason: string };

/** How the pool stands to an applicant. */
export interface Reception {
  /** Who is in the pool under this name; of two processes the one that was started later is it. */
  present?: Presence | undefined;
  /** Why its engine would spoil the weights, where the pool takes no such worker. */
  spoils?: string | undefined;
}

/** Real gradients and made-up ones never meet in a run. */
function foreignEngine(name: string, engines: readonly string[]): string {
  const isKnown = ENGINE_NAMES.some((known) => known === name);
  return isKnown
    ? `its engine is "${name}", and the runs here are computed by ${engines.join(" or ")} only`
    : `its engine "${name}" is unknown`;
}

/**
 * A worker with wrong gradients, or another protocol, would spoil the run: it is refused by name. `speaker` is the name
 * that its credentials let it speak under; who speaks for another is refused too. `engines`: those that may serve.
 */
export function admit(
  applicant: Applicant,
  speaker: string,
  protocol: number,
  engines: readonly string[],
  { present, spoils }: Reception = {},
): Admission {
  if (!isWorkerName(applicant.workerId)) {
    return {
      accepted: false,
      label: "name",
      reason: "its name is reserved or not 1 to 32 of a-z, 0-9 and -",
    };
  }
  if (applicant.workerId !== speaker) {
    return { accepted: false, label: "name", reason: `it is "${speaker}" and spoke for another` };
  }
  if (present !== undefined && applicant.incarnation < present.incarnation) {
    return {
      accepted: false,
      label: "name",
      reason: `another worker that was started later is here under the name "${applicant.workerId}": give each its own`,
    };
  }
  if (applicant.protocol !== protocol) {
    return {
      accepted: false,
      label: "protocol",
      reason: `it speaks protocol version ${applicant.protocol}, this coordinator ${protocol}: install the same release on both`,
    };
  }
  if (!engines.includes(applicant.engineName)) {
    return { accepted: false, label: "engine", reason: foreignEngine(applicant.engineName, engines) };
  }
  if (!applicant.selfTestPassed) {
    return {
      accepted: false,
      label: "self_test",
      reason: `its engine "${applicant.engineName}" computes wrong gradients (failed: ${applicant.selfTestDetail || "unnamed"})`,
    };
  }
  if (spoils !== undefined) return { accepted: false, label: "bits", reason: spoils };
  return { accepted: true };
}
