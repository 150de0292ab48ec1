/** Structured log lines (pino JSON) on stderr, or in a file. */
import { type DestinationStream, type Logger, pino } from "pino";
import { redact } from "../redact.js";
import { LogFile } from "./log-file.js";

export type Log = (
  level: "debug" | "info" | "warn" | "error",
  message: string,
  fields?: Record<string, unknown>,
) => void;

/** In place of a file's name. */
const STDERR = "-";
const STDERR_DESCRIPTOR = 2;

/** Seeds and passwords never reach a log. */
const SECRET_PATHS = ["seed", "*.seed", "password", "*.password", "token", "*.token"];

export function createLogger(
  component: string,
  options: { level?: string | undefined; file?: string | undefined; alsoStderr?: boolean },
): Logger {
  const { file, alsoStderr = false } = options;
  const stderr = new LogFile(STDERR_DESCRIPTOR, () => undefined);
  const onDisk = file === undefined || file === STDERR ? undefined : logFile(file);
  const destination: DestinationStream =
    onDisk !== undefined && alsoStderr
      ? pino.multistream([
          { stream: onDisk, level: "trace" },
          { stream: stderr, level: "trace" },
        ])
      : (onDisk ?? stderr);
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

function logFile(file: string): LogFile {
  return new LogFile(file, (reason) => {
    process.stderr.write(`saf: Lines of the log ${file} are lost: ${reason}\n`);
  });
}

export function logTo(logger: Logger): Log {
  return (level, message, fields) => logger[level](fields ?? {}, message);
}
