/**
 * Starts a program that must not outlive this process. A SIGKILL leaves no chance to clean up, so a watcher outside
 * this process waits for the end of a pipe that only we hold: the kernel closes it when we die, however we die.
 * The watcher is a shell of about 1 MB (a Node process would be 44); the shell that starts it becomes the program by
 * `exec`, so the child's pid, signals and exit code are the program's own.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";

/**
 * `$$` is the program, before and after `exec`. Its number cannot be given to another process while the watcher lives,
 * because it is also the watcher's process group (`detached` below); so the late SIGKILL cannot hit a stranger.
 * A shell gives a background job no standard input, hence descriptor 3. A program that ended first was not left behind:
 * nothing is removed then.
 */
const GUARD_SCRIPT = `
exec 3<&0
remove=$1; shift
( trap '' HUP INT TERM
  while read -r _; do :; done <&3
  kill -TERM $$ || exit
  i=0; while [ $i -lt 50 ] && kill -0 $$; do sleep 0.1; i=$((i + 1)); done
  kill -KILL $$
  cd / && [ -n "$remove" ] && rm -rf -- "$remove"
) >/dev/null 2>&1 &
exec "$@" 3<&- </dev/null
`;

/**
 * The program runs in a session of its own: a Ctrl-C in the terminal does not reach it, so the bus outlives the last
 * checkpoint. Standard error is a pipe for the caller to read; standard output is dropped. Closing the child's `stdin`
 * ends the program. When it has to be ended because we are dead, `remove` is removed.
 */
export function spawnGuarded(
  program: string,
  args: readonly string[],
  options: { cwd: string; env: NodeJS.ProcessEnv; remove?: string | undefined },
): ChildProcess {
  const child = spawn("/bin/sh", ["-c", GUARD_SCRIPT, "saf-guard", options.remove ?? "", program, ...args], {
    cwd: options.cwd,
    env: options.env,
    detached: true,
    stdio: ["pipe", "ignore", "pipe"],
  });
  child.stdin?.on("error", () => {}); // the other end may be gone first
  child.once("exit", () => child.stdin?.destroy()); // lets the watcher go
  return child;
}
