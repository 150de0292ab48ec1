/** Runs another program to its end, with a time limit. */
import { spawn } from "node:child_process";

export interface CommandResult {
  /** Exit code; undefined when it could not be started or was ended by a signal. */
  code: number | undefined;
  stdout: string;
  stderr: string;
  /** "not found", "took longer than 60 s", or undefined when it ran to its end. */
  failure: string | undefined;
}

export interface CommandOptions {
  timeoutMs: number;
  env: NodeJS.ProcessEnv;
  cwd?: string;
}

/** Never throws: a missing program and a time-out are in the result. Keeps the last 256 KiB of each stream. */
export function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions,
): Promise<CommandResult> {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      env: options.env,
      stdio: ["ignore", "pipe", "pipe"],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    let [stdout, stderr] = ["", ""];
    let failure: string | undefined;
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout = tail(stdout + text)));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr = tail(stderr + text)));
    const timer = setTimeout(() => {
      failure = `took longer than ${Math.round(options.timeoutMs / 1000)} s`;
      child.kill("SIGKILL");
    }, options.timeoutMs);
    const finish = (code: number | undefined): void => {
      clearTimeout(timer);
      resolve({ code, stdout, stderr, failure });
    };
    child.once("error", (error: NodeJS.ErrnoException) => {
      failure = error.code === "ENOENT" ? "not found" : error.message;
      finish(undefined);
    });
    child.once("close", (code, signal) => {
      if (code === null) failure ??= `ended by ${signal ?? "a signal"}`;
      finish(code ?? undefined);
    });
  });
}

function tail(text: string): string {
  return text.length > 262_144 ? text.slice(-262_144) : text;
}

/** Why a command did not succeed, in one line: its last words that speak of failure, else its last words. */
export function explain(result: CommandResult): string {
  if (result.failure !== undefined) return result.failure;
  const lines = `${result.stdout}\n${result.stderr}`.split("\n").map((line) => line.trim());
  const spoken = lines.filter((line) => line !== "");
  const words =
    spoken.findLast((line) => /error|fail|cannot|not found/i.test(line)) ?? spoken.at(-1) ?? "no message";
  return `exit code ${result.code}: ${words.slice(0, 300)}`;
}
