/** How a process ended: by itself or by a signal. */
export interface ProcessExit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export function describeExit({ code, signal }: ProcessExit): string {
  return signal ?? `exit code ${code ?? "unknown"}`;
}
