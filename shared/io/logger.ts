/** Structured log lines (pino JSON) on stderr, or in a file. */
import { type DestinationStream, type Logger, pino } from "pino";
import { redact } from "../redact.js";

export type Log = (
  level: "debug" | "info" | "warn" | "error",
  message: string,
  fields?: Record<string, unknown>,
) => void;

/** In place of a file's name. */
const STDERR = "-";

/** Seeds and passwords never reach a log. */
const SECRET_PATHS = ["seed", "*.seed", "password", "*.password", "token", "*.token"];

export function createLogger(
  component: string,
  options: { level?: string | undefined; file?: string | undefined; alsoStderr?: boolean },
): Logger {
  const { file, alsoStderr = false } = options;
  const onDisk =
    file === undefined || file === STDERR ? undefined : pino.destination({ dest: file, sync: false });
  const destination: DestinationStream =
    onDisk !== undefined && alsoStderr
      ? pino.multistream([
          { stream: onDisk, level: "trace" },
          { stream: pino.destination(2), level: "trace" },
        ])
      : (onDisk ?? pino.destination(2));
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
