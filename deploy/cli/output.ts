/** What a command says: its result on stdout, everything else on stderr. */
import { relative } from "node:path";
import { ClusterError, exitCodeOf, named } from "../../shared/errors.js";
import { redact } from "../../shared/redact.js";

/** Writes a result to stdout: text as it is, anything else as one JSON document. */
export function printResult(value: unknown): void {
  process.stdout.write(
    typeof value === "string" ? withNewline(value) : `${JSON.stringify(value, jsonable, 2)}\n`,
  );
}

function withNewline(text: string): string {
  return text.endsWith("\n") ? text : `${text}\n`;
}

/** A path as the user would type it. */
export function shown(path: string): string {
  const short = relative(process.cwd(), path);
  return short.startsWith("..") ? path : short;
}

/** What JSON has no word for: counts too large for a double as text, bytes in base64, maps as objects. */
function jsonable(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  return value instanceof Map ? Object.fromEntries(value) : value;
}

export interface ErrorOutput {
  /** Print the stack and the causes too. */
  debug?: boolean;
  /** Print one JSON document on stdout instead of lines on stderr: a script that reads results reads this as well. */
  json?: boolean;
}

/**
 * Says what went wrong: one line what, one line why or what to do, the stack only with `debug`.
 * Returns the exit code, and sets it as the process's own.
 */
export function reportError(thrown: unknown, { debug = false, json = false }: ErrorOutput = {}): number {
  const error = named(thrown);
  const exitCode = exitCodeOf(error);
  process.exitCode = exitCode;
  if (json) printResult({ error: errorDocument(error, exitCode) });
  else process.stderr.write(`${redact(errorLines(error).join("\n"))}\n`);
  if (debug) process.stderr.write(`\n${redact(stackOf(error))}\n`);
  return exitCode;
}

function errorDocument(error: unknown, exitCode: number): Record<string, unknown> {
  if (!(error instanceof ClusterError))
    return { code: "unexpected", message: redact(messageOf(error)), exit_code: exitCode };
  const { code, message, hint } = error;
  const shown = { code, message: redact(message), exit_code: exitCode };
  return hint === undefined ? shown : { ...shown, hint: redact(hint) };
}

/** The lines of an error, without a stack. A hint that stands in the message already is not said twice. */
export function errorLines(error: unknown): string[] {
  const [first = "", ...more] = messageOf(error).split("\n");
  const lines = [`saf: ${first}`, ...more.map((line) => `     ${line}`)];
  if (error instanceof ClusterError) {
    const cause = error.cause instanceof Error ? error.cause.message.split("\n")[0] : undefined;
    if (cause !== undefined && error.hint === undefined && !error.message.includes(cause))
      lines.push(`     why: ${cause}`);
    if (error.hint !== undefined) lines.push(...error.hint.split("\n").map((line) => `     ${line}`));
    return lines;
  }
  return [...lines, "     This was not expected: run again with --debug to see where it happened"];
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message === "" ? error.name : error.message;
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const stack = error.stack ?? error.message;
  return error.cause === undefined ? stack : `${stack}\ncaused by ${stackOf(error.cause)}`;
}

/**
 * A reader that goes away costs its words and nothing else. On stderr these are progress: the work goes on. On stdout they
 * are the result, which comes last: the program ends, quietly where the reader has seen enough (`saf … | head`), and its
 * exit code is the work's own, so that a command sets it in the same turn in which it prints.
 */
export function outliveReaders(): void {
  process.stderr.on("error", () => undefined);
  let isSaid = false;
  process.stdout.on("error", (cause: NodeJS.ErrnoException) => {
    if (cause.code === "EPIPE") process.exit();
    if (isSaid) return;
    isSaid = true;
    reportError(
      new ClusterError("storage", `Cannot write the result to standard output: ${cause.message}`, { cause }),
    );
  });
}
