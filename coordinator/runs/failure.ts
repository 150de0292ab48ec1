/** Why a run, or all the work, ended in an error: as it is told, and as `error.json` keeps it. */
import { ClusterError, exitCodeOf, named, wordsOf } from "../../shared/errors.js";
import { redact, redactTexts } from "../../shared/redact.js";
import type { RunFailure } from "./source.js";
import type { RunStorage } from "./storage.js";

export function failureOf(thrown: unknown): RunFailure {
  const error = named(thrown);
  return {
    code: error instanceof ClusterError ? error.code : "unexpected",
    message: redact(wordsOf(error)),
    exit_code: exitCodeOf(error),
  };
}

/** `error.json`. */
export function errorDocument(failure: RunFailure, thrown: unknown, wallMs: number): object {
  const error = named(thrown);
  return redactTexts({
    ...failure,
    hint: error instanceof ClusterError ? (error.hint ?? null) : null,
    stack: error instanceof Error ? (error.stack ?? null) : null,
    time: new Date(wallMs).toISOString(),
  });
}

/** One attempt at what a directory holds: `error.json` says why it failed, and never why an earlier one did. */
export async function attemptIn<Value>(
  storage: Pick<RunStorage, "remove" | "writeJson">,
  wallClock: () => number,
  attempt: () => Promise<Value>,
): Promise<Value> {
  try {
    await storage.remove("error.json");
    return await attempt();
  } catch (error) {
    await storage
      .writeJson("error.json", errorDocument(failureOf(error), error, wallClock()))
      .catch(() => undefined);
    throw error;
  }
}
