/** Why a run, or all the work, ended in an error: as it is told, and as `error.json` keeps it. */
import { ClusterError, exitCodeOf } from "../../shared/errors.js";
import { redact, redactTexts } from "../../shared/redact.js";
import type { RunFailure } from "./source.js";

export function failureOf(error: unknown): RunFailure {
  return {
    code: error instanceof ClusterError ? error.code : "unexpected",
    message: redact(error instanceof Error ? error.message : String(error)),
    exit_code: exitCodeOf(error),
  };
}

/** `error.json`. */
export function errorDocument(failure: RunFailure, error: unknown, wallMs: number): object {
  return redactTexts({
    ...failure,
    hint: error instanceof ClusterError ? (error.hint ?? null) : null,
    stack: error instanceof Error ? (error.stack ?? null) : null,
    time: new Date(wallMs).toISOString(),
  });
}
