/**
 * Widths of text without a canvas. Vega places titles, legends and labels by them; its own guess (0.8 em a character)
 * is nearly half too wide.
 */

/** Advance widths in thousandths of an em, of Arimo Regular (as Arial and Helvetica), by the characters that have them. */
const REGULAR: readonly (readonly [number, string])[] = [
  [191, "'"],
  [222, "ijl’"],
  [260, "|"],
  [278, " !,./:;I[\\]ft\u00a0"],
  [333, "()-`r{}·"],
  [355, '"'],
  [389, "*"],
  [469, "^"],
  [500, "Jcksvxyz"],
  [556, "#$0123456789?L_abdeghnopqu–±≤"],
  [575, "β"],
  [584, "+<=>~−×"],
  [611, "FTZ"],
  [667, "&ABEKPSVXY"],
  [722, "CDHNRUw"],
  [778, "GOQ"],
  [833, "Mm"],
  [889, "%"],
  [944, "W"],
  [1000, "—…"],
  [1015, "@"],
];
const WIDTHS: ReadonlyMap<string, number> = new Map(
  REGULAR.flatMap(([width, characters]) =>
    [...characters].map((character): [string, number] => [character, width]),
  ),
);
/** What any other character is taken to be. */
const OTHER = 600;
/** Bold is this much wider on the average of English text. */
const BOLD = 1.06;

/** Width of one line in pixels at `fontSize` pixels per em. */
export function textWidth(text: string, fontSize: number, isBold = false): number {
  let thousandths = 0;
  for (const character of text) thousandths += WIDTHS.get(character) ?? OTHER;
  return (thousandths / 1000) * fontSize * (isBold ? BOLD : 1);
}
