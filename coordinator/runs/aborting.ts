/** Work that a signal cuts short. */

/** Does the work; calls `onAbort` when the signal comes meanwhile, or has come before. */
export async function whileListening<Value>(
  signal: AbortSignal,
  onAbort: () => void,
  work: () => Promise<Value>,
): Promise<Value> {
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await work();
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
