/** Numbers and times as people read them. "–" stands for what is not known. */

const UNKNOWN = "–";
const isKnown = (value) => value !== null && value !== undefined;
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const timeOfDay = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

export function count(value) {
  return !isKnown(value) ? UNKNOWN : whole.format(value);
}

/** Three digits that count. */
export function figure(value) {
  if (!isKnown(value)) return UNKNOWN;
  if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e6)) return value.toExponential(1);
  return Math.abs(value) >= 1000 ? whole.format(value) : String(Number(value.toPrecision(3)));
}

export function percent(share, digits = 1) {
  return !isKnown(share) ? UNKNOWN : `${(100 * share).toFixed(digits)} %`;
}

export function duration(seconds) {
  if (!isKnown(seconds)) return UNKNOWN;
  if (seconds < 1) return `${Math.round(1000 * seconds)} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 100) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 100) return `${minutes} min`;
  const hours = Math.round(seconds / 3600);
  return hours < 48 ? `${hours} h` : `${Math.round(seconds / 86_400)} d`;
}

export function bytes(value) {
  return value >= 2 ** 30 ? `${(value / 2 ** 30).toFixed(1)} GiB` : `${Math.round(value / 2 ** 20)} MiB`;
}

export function clock(ms) {
  return timeOfDay.format(new Date(ms));
}

/** How long ago, in words that do not change every second. */
export function ago(ms, now) {
  const seconds = Math.max(0, (now - ms) / 1000);
  return seconds < 5 ? "now" : `${duration(seconds)} ago`;
}
