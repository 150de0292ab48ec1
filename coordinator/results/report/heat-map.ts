/** A joint histogram as an SVG of a few paths: a mark per cell would make the page too large. */
import type { JointHistogram } from "../../../shared/features.js";
import { JOINT_BINS } from "../../../shared/features.js";
import { FONT_FAMILY, INKS, SERIES_INKS } from "./plot-style.js";
import { at } from "../../../shared/core/at.js";

const SIDE = 132;
const LEFT = 34;
const BOTTOM = 30;
const TOP = 18;
/** Opacities of cells above these shares of the fullest one. */
const LEVELS: readonly (readonly [number, number])[] = [
  [0.002, 0.1],
  [0.02, 0.25],
  [0.1, 0.45],
  [0.3, 0.7],
  [0.6, 1],
];

/** Clean and nonsense side by side, same axes. Colours are those of the series, so that a page can restyle them. */
export function jointSvg(joint: JointHistogram): string {
  const gap = 14;
  const width = LEFT + 2 * SIDE + gap + 6;
  const height = TOP + SIDE + BOTTOM;
  const [x, y] = joint.channels;
  const text = (left: number, top: number, content: string, extra = ""): string =>
    `<text x="${left}" y="${top}" font-size="11" fill="${INKS.muted.light}"${extra}>${content}</text>`;
  const panel = (kind: "clean" | "nonsense", left: number): string => {
    const ink = SERIES_INKS[kind === "clean" ? 0 : 1].light;
    const axis =
      text(left, TOP + SIDE + 13, short(joint.low[0])) +
      text(left + SIDE, TOP + SIDE + 13, short(joint.high[0]), ' text-anchor="end"') +
      text(left + SIDE / 2, TOP + SIDE + 25, `channel ${x}`, ' text-anchor="middle"');
    return (
      `<text x="${left}" y="12" font-size="12" fill="${INKS.text.light}">${kind}</text>` +
      `<rect x="${left}" y="${TOP}" width="${SIDE}" height="${SIDE}" fill="none" stroke="${INKS.axis.light}"/>` +
      cells(joint[kind], left, ink) +
      axis
    );
  };
  const vertical =
    text(LEFT - 4, TOP + SIDE, short(joint.low[1]), ' text-anchor="end"') +
    text(LEFT - 4, TOP + 9, short(joint.high[1]), ' text-anchor="end"') +
    text(
      0,
      0,
      `channel ${y}`,
      ` text-anchor="middle" transform="translate(10 ${TOP + SIDE / 2}) rotate(-90)"`,
    );
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="${FONT_FAMILY}">` +
    `${vertical}${panel("clean", LEFT)}${panel("nonsense", LEFT + SIDE + gap)}</svg>`
  );
}

function cells(counts: readonly number[], left: number, ink: string): string {
  const most = Math.max(1, ...counts);
  const size = SIDE / JOINT_BINS;
  const paths = LEVELS.map(() => "");
  for (let row = 0; row < JOINT_BINS; row++) {
    for (let column = 0; column < JOINT_BINS;) {
      const level = levelOf(at(counts, row * JOINT_BINS + column), most);
      let end = column + 1;
      while (end < JOINT_BINS && levelOf(at(counts, row * JOINT_BINS + end), most) === level) end++;
      if (level >= 0) {
        const [x, y] = [left + column * size, TOP + (JOINT_BINS - 1 - row) * size];
        paths[level] += `M${x} ${y}h${(end - column) * size}v${size}H${x}z`;
      }
      column = end;
    }
  }
  return paths
    .map((d, i) => (d === "" ? "" : `<path d="${d}" fill="${ink}" fill-opacity="${LEVELS[i]?.[1]}"/>`))
    .join("");
}

function levelOf(count: number, most: number): number {
  return LEVELS.findLastIndex(([share]) => count > share * most);
}

function short(value: number): string {
  return String(Number(value.toPrecision(2))).replace("-", "−");
}
