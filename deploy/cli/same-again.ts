/** The same command in a new process with other variables: what a process cannot change about itself. */
import { spawn } from "node:child_process";
import { once } from "node:events";

/** Its exit code. A signal goes on to it, and it ends when we do, even when we are killed. */
export async function sameAgain(environment: Record<string, string>): Promise<number> {
  const [, program = "", ...args] = process.argv;
  const option = "--exit-with-parent";
  const all = [...process.execArgv, program, ...args, ...(args.includes(option) ? [] : [option])];
  const child = spawn(process.execPath, all, {
    stdio: ["pipe", "inherit", "inherit"],
    env: { ...process.env, ...environment },
    // A terminal's Ctrl-C reaches us alone, and the child once, through us.
    detached: true,
  });
  child.stdin.on("error", () => undefined);
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => child.kill(name));
  const [code, signal] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
  return code ?? (signal === "SIGKILL" ? 137 : 1);
}
