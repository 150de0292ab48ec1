/** The one error class of the cluster. Expected outcomes are return values; this is for what should not happen. */

/** What went wrong, as a closed list; each code has one exit code. */
export type ErrorCode =
  | "unexpected"
  | "usage" // a wrong flag, an unknown command
  | "config" // an unknown key, an impossible value
  | "data" // a data file missing, short or corrupt
  | "diverged" // the loss is not a finite number any more
  | "dependency" // nats-server, an engine or a coordinator is not to be had
  | "trials" // a sweep finished with failed trials
  | "quality" // a quality gate was missed
  | "shape-mismatch"
  | "protocol" // a message that breaks the wire protocol
  | "storage"; // a file could not be written: disk full, read-only

export const EXIT_CODES: Readonly<Record<ErrorCode, number>> = {
  unexpected: 1,
  usage: 2,
  config: 2,
  data: 3,
  diverged: 4,
  dependency: 5,
  trials: 6,
  quality: 7,
  "shape-mismatch": 2,
  protocol: 1,
  storage: 1,
};

export function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(EXIT_CODES, code);
}

/** The message names the action, the thing, what was expected and what came; `hint` says what to do next. */
export class ClusterError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "ClusterError";
    this.code = code;
    this.hint = options.hint;
  }

  get exitCode(): number {
    return EXIT_CODES[this.code];
  }
}

/** The code that the system or a library gave an error: "ENOENT", "TIMEOUT". Undefined where there is none. */
export function codeIn(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** The words of any thrown value. */
export function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The exit code of any thrown value; what is not a ClusterError is unexpected. */
export function exitCodeOf(error: unknown): number {
  return error instanceof ClusterError ? error.exitCode : EXIT_CODES.unexpected;
}
