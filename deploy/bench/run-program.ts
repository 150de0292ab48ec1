/** Other programs, run to their end. */
import { spawn } from "node:child_process";
import { ClusterError } from "../../shared/errors.js";

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
export function runProgram(
  program: string,
  { args, environment = {}, accept = [], limitMs = LIMIT_MS }: ProgramRun,
): Promise<ProgramEnd> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: { ...process.env, ...environment },
      stdio: ["ignore", "pipe", "pipe"],
      timeout: limitMs,
    });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (data: Buffer) => (stdout += data.toString()));
    child.stderr.on("data", (data: Buffer) => (stderr += data.toString()));
    child.on("error", (cause) =>
      reject(new ClusterError("dependency", `Cannot run ${program}: ${cause.message}`, { cause })),
    );
    child.on("close", (code, signal) => {
      if (code === 0 || accept.includes(code ?? -1)) resolve({ code: code ?? -1, stdout, stderr });
      else reject(new ClusterError("unexpected", endWords(program, code ?? signal, stderr)));
    });
  });
}

function endWords(program: string, code: number | NodeJS.Signals | null, stderr: string): string {
  const how = typeof code === "string" ? `was ended by ${code}` : `ended with exit code ${String(code)}`;
  return `${program} ${how}: ${lastLine(stderr)}`;
}

export function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}
