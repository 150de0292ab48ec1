/** One process of `saf` on this machine. Its standard error goes to a log of its own. */
import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Clock } from "../../shared/clock.js";
import type { ProcessExit } from "./process-exit.js";

const SAF = fileURLToPath(new URL("../cli/main.js", import.meta.url));
/** Every error that `saf` itself prints begins so. */
const OWN_WORDS = "saf: ";
const STOP_TIMEOUT_MS = 10_000;

export interface Program {
  pid: number | undefined;
  exited: Promise<ProcessExit>;
  kill(signal: NodeJS.Signals): void;
  /** Writes a line to its standard input; a process that has ended does not get it. */
  tell(line: string): void;
}

export interface ProgramStart {
  /** Names its log. */
  name: string;
  args: readonly string[];
  environment: NodeJS.ProcessEnv;
  /** Folder of the logs. */
  logs: string;
  /** Words of a command that takes its place before it begins: on another machine within this one. */
  behind?: readonly string[];
}

/** In a session of its own: a terminal's Ctrl-C reaches only us. Ends when its standard input closes. */
export function startProgram({ name, args, environment, logs, behind = [] }: ProgramStart): Program {
  const log = openSync(logFile(logs, name), "a");
  const words = [...behind, process.execPath, "--enable-source-maps", SAF, ...args, "--exit-with-parent"];
  const child = spawn(words[0] ?? process.execPath, words.slice(1), {
    stdio: ["pipe", "ignore", log],
    detached: true,
    env: environment,
  });
  closeSync(log);
  child.stdin?.on("error", () => undefined);
  const exited = new Promise<ProcessExit>((resolve) => {
    child.once("exit", (code, signal) => resolve({ code, signal }));
    child.once("error", () => resolve({ code: 1, signal: null }));
  });
  return {
    pid: child.pid,
    exited,
    kill: (signal) => void child.kill(signal),
    tell: (line) => {
      if (child.stdin?.writable === true) child.stdin.write(`${line}\n`);
    },
  };
}

/** Asks programs to end, and kills those that do not in time. */
export async function endPrograms(programs: readonly Program[], clock: Clock): Promise<void> {
  for (const program of programs) program.kill("SIGTERM");
  await Promise.all(
    programs.map(async (program) => {
      const cancel = clock.after(STOP_TIMEOUT_MS, () => program.kill("SIGKILL"));
      await program.exited;
      cancel();
    }),
  );
}

/** What a program said last in its log: its own words, where it has any. */
export async function lastWords(logs: string, name: string): Promise<string> {
  const text = await readFile(logFile(logs, name), "utf8").catch(() => "");
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const own = lines.filter((line) => line.startsWith(OWN_WORDS)).at(-1);
  return own?.slice(OWN_WORDS.length) ?? lines.at(-1) ?? "it said nothing";
}

export function logFile(logs: string, name: string): string {
  return join(logs, `${name}.stderr.log`);
}
