/** Structured log lines (pino JSON) on stderr, or in a file. */
import { type DestinationStream, type Logger, pino } from "pino";
import { redact } from "../redact.js";

export type Log = (
  level: "info" | "warn" | "error",
  message: string,
  fields?: Record<string, unknown>,
) => void;

/** Seeds and passwords never reach a log. */
const SECRET_PATHS = ["seed", "*.seed", "password", "*.password", "token", "*.token"];

export function createLogger(
  component: string,
  options: { level?: string | undefined; file?: string | undefined },
): Logger {
  const destination: DestinationStream = pino.destination(
    options.file === undefined ? 2 : { dest: options.file, sync: false },
  );
  return pino(
    {
      level: options.level ?? "info",
      base: { component },
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: SECRET_PATHS,
      // What code did not expect in a text is blotted out all the same.
      hooks: { streamWrite: redact },
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
}

export function logTo(logger: Logger): Log {
  return (level, message, fields) => logger[level](fields ?? {}, message);
}
