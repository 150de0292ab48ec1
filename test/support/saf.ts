/** The `saf` command as a child process, as a user runs it. */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

export const PROGRAM = fileURLToPath(new URL("../../deploy/cli/main.js", import.meta.url));
const LIMIT_MS = 120_000;

export interface SafRun {
  /** Null when a signal ended it. */
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface SafOptions {
  /** Added to our own; undefined takes a variable away. */
  env?: Record<string, string | undefined>;
  cwd?: string;
  /** Killed after this long; two minutes without it. */
  limitMs?: number;
  /** Called with everything said on stderr so far. */
  onWords?: (stderr: string, child: ChildProcess) => void;
  /** Called with everything said on stdout so far. */
  onStdout?: (stdout: string) => void;
}

/** Runs to its end, or to `limitMs`. */
export function saf(
  args: readonly string[],
  { env = {}, cwd, limitMs = LIMIT_MS, onWords, onStdout }: SafOptions = {},
): Promise<SafRun> {
  const child = spawn(process.execPath, ["--enable-source-maps", PROGRAM, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
    timeout: limitMs,
    killSignal: "SIGKILL",
    ...(cwd === undefined ? {} : { cwd }),
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    onStdout?.(stdout);
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
    onWords?.(stderr, child);
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, stdout, stderr }));
  });
}
