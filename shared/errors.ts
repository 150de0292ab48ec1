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

const DISK_FULL = "the disk is full: free some space; what was written before is intact";

/** What system errors say about the place rather than about us, and what to do then. */
const SYSTEM_ERRORS: Readonly<Record<string, readonly [code: ErrorCode, hint: string]>> = {
  ENOSPC: ["storage", DISK_FULL],
  EDQUOT: ["storage", DISK_FULL],
  EROFS: ["storage", "the file system is read-only: choose another folder"],
  EACCES: ["storage", "this user may not write there: choose another folder"],
  EPERM: ["storage", "this user may not do that there: choose another folder"],
  EFBIG: ["storage", "files may not grow so large here (ulimit -f, or the file system)"],
  EIO: ["storage", "the disk or its connection is at fault"],
  EMFILE: ["dependency", "this process may not open more files: raise the limit (ulimit -n)"],
  ENFILE: ["dependency", "this machine has no more open files to give: close other programs"],
  ENOMEM: ["dependency", "this machine has no more memory to give, or may not (ulimit -v)"],
  EAGAIN: ["dependency", "this user may start no more processes (ulimit -u)"],
};

const RIGHTS: readonly string[] = ["EACCES", "EPERM"];

/** What to do about an error that the system reports of a place; undefined where that is not known. */
export function hintOf(error: unknown): string | undefined {
  const code = codeIn(error);
  return code === undefined ? undefined : SYSTEM_ERRORS[code]?.[1];
}

/** An error of the system about the place we run in, as one of ours; anything else as it is. */
export function named(error: unknown): unknown {
  const code = codeIn(error);
  const known = error instanceof ClusterError || code === undefined ? undefined : SYSTEM_ERRORS[code];
  // Of a port or a program, rights mean something else than of a file.
  if (known === undefined || (RIGHTS.includes(code ?? "") && !isOfFile(error))) return error;
  return new ClusterError(known[0], wordsOf(error), { hint: known[1], cause: error });
}

function isOfFile(error: unknown): boolean {
  const { path, syscall } = error as NodeJS.ErrnoException;
  return path !== undefined && syscall?.startsWith("spawn") !== true;
}

/** The exit code of any thrown value; what has no name is unexpected. */
export function exitCodeOf(thrown: unknown): number {
  const error = named(thrown);
  return error instanceof ClusterError ? error.exitCode : EXIT_CODES.unexpected;
}
