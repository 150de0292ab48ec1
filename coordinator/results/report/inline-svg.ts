/** Fits a plot into a page: named for readers who do not see it, and in the page's own colours. */
import { escapeHtml } from "./html.js";
import { VARIABLE_OF_COLOUR } from "./plot-style.js";

/**
 * An SVG of `renderSvg` as an element of an HTML page. Its width follows the page; every colour of the plots becomes
 * a CSS variable with that colour as the fallback, so that one picture serves light and dark. `label` says what is
 * seen, in plain text.
 */
export function inlineSvg(svg: string, label: string): string {
  const box = /viewBox="0 0 ([\d.]+) ([\d.]+)"/.exec(svg);
  const [width, height] = [box?.[1] ?? "400", box?.[2] ?? "300"];
  const opening = `<svg class="plot" role="img" aria-label="${escapeHtml(label)}" viewBox="0 0 ${width} ${height}" style="max-width:${Math.ceil(1.35 * Number(width))}px">`;
  return svg
    .replace(/^<svg [^>]*>/, () => opening)
    .replace(
      / (?:role="graphics-[a-z]+"|aria-roledescription="[^"]*"|aria-hidden="true"|pointer-events="none")/g,
      "",
    )
    .replace(/ (fill|stroke)="(#[0-9a-f]{6})"/g, (whole, property: string, colour: string) => {
      const variable = VARIABLE_OF_COLOUR.get(colour);
      return variable === undefined ? whole : ` ${property}="var(${variable},${colour})"`;
    });
}
