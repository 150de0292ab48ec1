/**
 * Bytes of a lease, hidden in what a coordinator repeats of a refused join: JoinReply { reason = 2 } and WorkerCommand
 * { task = 2 } are the same on the wire. What the product says before and after the engine's name are then fields that
 * nobody knows, and skipped; all of it is valid UTF-8.
 */

/** Of field 13, eight bytes, and of field 12, four: `its engine "` and two more. */
const TO_FILL_FIELDS = "xx";
/** Field 15, with as many bytes as `" is unknown` has. */
const TO_SKIP_THE_REST = "\x7a\x0c";
/** A tag of two bytes begins with one that is UTF-8 only behind another: field 15 ends with that. */
const BEFORE_TWO_BYTES = "\x7a\x01";

/** Little-endian floats whose bytes are all ASCII: 2^54, later than any term, and 4. */
const TERM = "\0\0\0\0\0\0\x50\x43";
const LEASE = "\0\0\0\0\0\0\x10\x40";

/** A lease of features of this run, by a coordinator that is later than all, as the name of an engine. */
export function poisonedName({
  runId,
  recipe,
  version,
}: {
  runId: string;
  recipe: string;
  version: number;
}): string {
  const text = (value: string): string => String.fromCharCode(value.length) + value;
  return [
    TO_FILL_FIELDS,
    `\x09${LEASE}\x11${TERM}`, // lease_id = 1, term = 2
    `\x1a${text(runId)}`, // run_id = 3
    `\x28${String.fromCharCode(version)}`, // version = 5
    `${BEFORE_TWO_BYTES}\u00b2\x01${text(recipe)}`, // recipe = 22: the tag is b2 01
    `${BEFORE_TWO_BYTES}\u00a0\x01\x01`, // features = 20: a0 01
    TO_SKIP_THE_REST,
  ].join("");
}
