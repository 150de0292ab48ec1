/** What a process does about a message that its handler failed over: counted, and told so often at most. */
import { wordsOf } from "../errors.js";
import { LineLimit } from "../line-limit.js";
import type { Metrics } from "./metrics-registry.js";

export function failedMessages(
  log: (level: "warn" | "error", message: string, fields?: Record<string, unknown>) => void,
  metrics: Pick<Metrics, "add">,
  now: () => number,
): (subject: string, error: unknown) => void {
  const limit = new LineLimit();
  return (subject, error) => {
    metrics.add("unheard", 1, { reason: "failed" });
    const { isWritten, leftOut } = limit.take("", now());
    if (leftOut > 0) log("warn", `${leftOut} lines about messages that came to nothing were left out`);
    if (!isWritten) return;
    const stack = error instanceof Error ? error.stack : undefined;
    log("error", `A message on ${subject} came to nothing: ${wordsOf(error).slice(0, 300)}`, { stack });
  };
}
