/** Text of unknown origin as part of a one-line message: quoted, short, and without anything a terminal would obey. */
export function quote(text: string, maxLength = 60): string {
  const characters = [...text];
  const short = characters.length > maxLength ? `${characters.slice(0, maxLength - 1).join("")}…` : text;
  return JSON.stringify(short).replace(
    /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
