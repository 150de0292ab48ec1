const LONGEST = 60;

/** A value as JSON, for a message: at most so many characters. */
export function shortText(value: unknown): string {
  const text = value === undefined ? "nothing" : JSON.stringify(value);
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST - 1)}…`;
}
