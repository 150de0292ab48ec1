/** Signals of a process as one AbortSignal, and what its exit code will be. */

export interface Interruption {
  signal: AbortSignal;
  /** 130 after SIGINT, 143 after SIGTERM, 0 while neither came. */
  exitCode(): number;
}

/** The first SIGINT or SIGTERM asks to end well; the second one ends at once. */
export function interruption(onFirst: (name: NodeJS.Signals) => void = () => undefined): Interruption {
  const controller = new AbortController();
  let code = 0;
  const handle = (name: NodeJS.Signals): void => {
    const again = code !== 0;
    code = name === "SIGINT" ? 130 : 143;
    if (again) process.exit(code);
    onFirst(name);
    controller.abort();
  };
  process.on("SIGINT", handle);
  process.on("SIGTERM", handle);
  return { signal: controller.signal, exitCode: () => code };
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
