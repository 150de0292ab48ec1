/** Runs a short-lived program to its end, or to its time limit. */
import { execFile } from "node:child_process";

export interface CommandResult {
  /** Exit code; undefined when the program could not be started, was killed or ran out of time. */
  code: number | undefined;
  /** Standard output and standard error, each at most 1 MiB. */
  stdout: string;
  stderr: string;
  /** Why there is no exit code: "not found", "took longer than 10 s", … */
  failure: string | undefined;
}

export interface CommandOptions {
  timeoutMs: number;
  env: NodeJS.ProcessEnv;
  cwd?: string;
}

/** Never rejects: a program that fails is an answer too. */
export function runCommand(
  program: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<CommandResult> {
  return new Promise((resolve) => {
    const settings = {
      env: options.env,
      timeout: options.timeoutMs,
      killSignal: "SIGKILL",
      maxBuffer: 1024 * 1024,
      encoding: "utf8",
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    } as const;
    const child = execFile(program, args, settings, (error, stdout, stderr) => {
      if (error === null) return resolve({ code: 0, stdout, stderr, failure: undefined });
      if (typeof error.code === "number")
        return resolve({ code: error.code, stdout, stderr, failure: undefined });
      const failure =
        error.killed === true ? `took longer than ${options.timeoutMs / 1000} s` : error.message;
      resolve({ code: undefined, stdout, stderr, failure });
    });
    child.stdin?.end();
  });
}

/** What went wrong, in one line: the last that the program said, or why it did not run. */
export function failureOf(result: CommandResult): string {
  const said = `${result.stdout}\n${result.stderr}`.trim().split("\n").at(-1) ?? "";
  return result.failure ?? (said === "" ? `exit code ${result.code ?? "unknown"}` : said);
}
