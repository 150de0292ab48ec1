/** Signals of a process as one AbortSignal, and what its exit code will be. */
import { isHangupIgnored } from "./hangup.js";

export interface Interruption {
  signal: AbortSignal;
  /** 130 after SIGINT, 143 after SIGTERM, 129 after SIGHUP, 0 while none came. */
  exitCode(): number;
}

/** What asks a process to end, and the exit code that says so: 128 and the number of the signal. */
const ENDING_SIGNALS: readonly (readonly [NodeJS.Signals, number])[] = [
  ["SIGINT", 130],
  ["SIGTERM", 143],
  ["SIGHUP", 129],
];

/** Did a process end so because it was told to? */
export function isToldToEnd(exitCode: number): boolean {
  return ENDING_SIGNALS.some(([, own]) => own === exitCode);
}

/**
 * The first SIGINT, SIGTERM or SIGHUP asks to end well; the second one ends at once. A closed terminal may send several
 * SIGHUP, so another one of these is no second one.
 */
export function interruption(onFirst: (name: NodeJS.Signals) => void = () => undefined): Interruption {
  const controller = new AbortController();
  let code = 0;
  const handle = (name: NodeJS.Signals, own: number): void => {
    const again = code !== 0;
    if (again && name === "SIGHUP") return;
    code = own;
    if (again) process.exit(code);
    onFirst(name);
    controller.abort();
  };
  for (const [name, own] of ENDING_SIGNALS) {
    if (name !== "SIGHUP" || !isHangupIgnored()) process.on(name, () => handle(name, own));
  }
  return { signal: controller.signal, exitCode: () => code };
}

/** Node has put SIGHUP back to its default, which ends a process: where it was ignored, it is ignored again. */
export function keepHangupIgnored(): void {
  if (isHangupIgnored()) process.on("SIGHUP", () => undefined);
}

/**
 * Ends with whoever started us: its end of our standard input closes, even when it was killed. `tidy` then takes away
 * what it can take away no more. `onLine` gets what it says until then, line by line.
 */
export function exitWithParent(tidy: () => void, onLine: (line: string) => void = () => undefined): void {
  const end = (): void => {
    tidy();
    process.exit(143);
  };
  let begun = "";
  process.stdin.setEncoding("utf8").on("data", (text: string) => {
    const lines = (begun + text).split("\n");
    begun = lines.pop() ?? "";
    for (const line of lines) onLine(line);
  });
  // Watching must not keep a process alive that has done its work.
  if ("unref" in process.stdin) process.stdin.unref();
  process.stdin.once("end", end);
  process.stdin.once("error", end);
}
