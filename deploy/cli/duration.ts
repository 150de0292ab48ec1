/** A length of time as the value of an option. */
import { InvalidArgumentError } from "commander";

const MOST_SECONDS = 10 * 366 * 86_400;

/** Seconds of "90s", "30m", "24h", "30d". */
export function duration(text: string): number {
  const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const seconds = Number(count) * ({ s: 1, m: 60, h: 3600, d: 86_400 }[unit ?? ""] ?? Number.NaN);
  if (seconds <= MOST_SECONDS) return seconds;
  throw new InvalidArgumentError("Expected a time such as 90s, 30m, 24h or 30d, ten years at most.");
}
