/** What a process does about messages that came to nothing: counted, and told so often at most. */
import { wordsOf } from "../errors.js";
import { LineLimit } from "../line-limit.js";
import type { Metrics } from "./metrics-registry.js";

type Log = (level: "warn" | "error", message: string, fields?: Record<string, unknown>) => void;

/** Whose inbox NATS would not let us answer into. */
const INBOX_OWNER = / on _INBOX\.([a-z0-9-]+)\./;

/**
 * What NATS did not let us say or hear: a fault of ours, or a worker that asks twice for answers in one place, as often as it
 * likes.
 */
export function refusedMessages(
  log: Log,
  metrics: Pick<Metrics, "add">,
  now: () => number,
): (message: string) => void {
  const limit = new LineLimit();
  return (message) => {
    metrics.add("natsRefusals");
    const owner = INBOX_OWNER.exec(message)?.[1] ?? "";
    const { isWritten, leftOut } = limit.take(owner, now());
    if (leftOut > 0) log("warn", `${leftOut} lines about what NATS refused were left out`);
    if (isWritten) log("error", `NATS refused: ${message}`);
  };
}

/** A message that its handler failed over. */
export function failedMessages(
  log: Log,
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
