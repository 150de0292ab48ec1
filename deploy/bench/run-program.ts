/** Other programs, run to their end. */
import { ClusterError } from "../../shared/errors.js";
import { explain, runCommand } from "../run-command.js";

export interface ProgramRun {
  args: readonly string[];
  environment?: Record<string, string>;
  /** Exit codes besides 0 that are an answer. */
  accept?: readonly number[];
  limitMs?: number;
}

export interface ProgramEnd {
  code: number;
  stdout: string;
  stderr: string;
}

const LIMIT_MS = 180_000;

/** Rejects with ClusterError on an exit code that is neither 0 nor accepted, and after the time limit. */
export async function runProgram(
  program: string,
  { args, environment = {}, accept = [], limitMs = LIMIT_MS }: ProgramRun,
): Promise<ProgramEnd> {
  const env = { ...process.env, ...environment };
  const result = await runCommand(program, args, { env, timeoutMs: limitMs });
  const { code, stdout, stderr } = result;
  if (code === 0 || (code !== undefined && accept.includes(code))) return { code, stdout, stderr };
  throw new ClusterError("unexpected", `Cannot run ${program}: ${explain(result)}`);
}

export function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}
