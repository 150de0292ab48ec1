/** What a trial is called, for people: one name everywhere. Commands take either part of it. */

/** Of its id: so many letters tell it apart. */
export const ID_LETTERS = 8;

export function shortId(id: string): string {
  return id.slice(0, ID_LETTERS);
}

/** "trial 12 (3fa91c02)": its place in the order in which trials came, and the beginning of its id. */
export function trialName(number: number, id: string): string {
  return `trial ${number} (${shortId(id)})`;
}
