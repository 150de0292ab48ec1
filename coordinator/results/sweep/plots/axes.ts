/** Axes of plots that are drawn as few SVG paths, since a mark for each of ten thousand trials would make a page too large. */
import { FONT_FAMILY, INKS } from "../../report/plot-style.js";
import { textWidth } from "../../report/text-width.js";
import { escapeHtml } from "../../report/html.js";
import { type ShownParameter, valueText } from "../parameters.js";

/** From values to [0, 1]. */
export interface Scale {
  place(value: number): number;
  ticks: readonly Tick[];
}

export interface Tick {
  /** In [0, 1]. */
  place: number;
  text: string;
}

const NICE = [1, 2, 2.5, 5, 10];
/** Share of the span left free at both ends, so that no mark lies on the frame. */
const MARGIN = 0.04;

/** `write`: a tick's text, 5 ticks or so. One value alone lies in the middle. */
export function linearScale(low: number, high: number, write = plainText, most = 5): Scale {
  const span = high > low ? high - low : Math.max(Math.abs(low) * 0.1, 1e-6);
  const middle = (low + high) / 2;
  const width = span * (1 + 2 * MARGIN);
  const from = middle - width / 2;
  const place = (value: number): number => (value - from) / width;
  const size = 10 ** Math.floor(Math.log10(span / most));
  const step = size * (NICE.find((nice) => span / (nice * size) <= most) ?? 10);
  const first = Math.ceil(from / step);
  const count = Math.floor((from + width) / step) - first + 1;
  const ticks = Array.from({ length: Math.min(count, 3 * most) }, (_, i) => {
    const value = Number(((first + i) * step).toPrecision(12));
    return { place: place(value), text: write(value) };
  });
  return { place, ticks };
}

/** Ticks at powers of ten, or at 1, 2 and 5 times them where there are few. Both ends are positive. */
export function logScale(low: number, high: number, write = plainText): Scale {
  if (!(high > low)) return linearScale(low, high, write);
  const margin = MARGIN * Math.log(high / low);
  const inner = linearScale(Math.log(low), Math.log(high));
  const place = (value: number): number => inner.place(Math.log(value));
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const powers = Array.from({ length: last - first + 1 }, (_, i) => first + i);
  const isInside = (value: number): boolean =>
    Math.log(value) >= Math.log(low) - margin && Math.log(value) <= Math.log(high) + margin;
  const multiples = [[1], [1, 3], [1, 2, 5]].map((digits) =>
    powers.flatMap((power) => digits.map((digit) => Number(`${digit}e${power}`))).filter(isInside),
  );
  const chosen = multiples.find((values) => values.length >= 3) ?? multiples.at(-1) ?? [];
  const every = Math.ceil(chosen.length / 6);
  const ticks = chosen
    .filter((_, i) => i % every === 0)
    .map((value) => ({ place: place(value), text: write(value) }));
  return { place, ticks };
}

/** A parameter's own axis; places are those of `placeOf`, with a margin at both ends of a range. */
export function parameterScale({ range, categories }: ShownParameter): Scale {
  if (range === undefined) {
    return {
      place: (place) => place,
      ticks: categories.map((text, i) => ({ place: (i + 0.5) / categories.length, text })),
    };
  }
  const { low, high, isLog } = range;
  const scale = (isLog ? logScale : linearScale)(low, high);
  const [from, to] = [scale.place(low), scale.place(high)];
  return { place: (place) => from + place * (to - from), ticks: scale.ticks };
}

function plainText(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e4 && Number.isInteger(value / 1e3)) {
    return size >= 1e6 ? `${shortNumber(value / 1e6)} M` : `${shortNumber(value / 1e3)} k`;
  }
  if (size > 0 && size < 1e-3) return value.toExponential().replace("-", "−");
  return valueText(value).replace("-", "−");
}

function shortNumber(value: number): string {
  return String(Number(value.toPrecision(3)));
}

export interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

const FONT = 11;
const INK = { text: INKS.text.light, muted: INKS.muted.light, grid: INKS.grid.light, axis: INKS.axis.light };

export function svgOf(width: number, height: number, content: string): string {
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" ` +
    `font-family="${FONT_FAMILY}"><g font-size="${FONT}">${content}</g></svg>`
  );
}

/** One decimal: a tenth of a pixel. */
export function px(value: number): string {
  return String(Math.round(10 * value) / 10);
}

export interface TextLook {
  anchor?: "start" | "middle" | "end";
  ink?: string;
  /** Longer text is cut. */
  room?: number;
  isBold?: boolean;
  /** Stands over lines: it gets an edge of the page's colour. */
  hasEdge?: boolean;
}

export function textAt(x: number, y: number, content: string, look: TextLook = {}): string {
  const { anchor = "start", ink = INK.muted, room, isBold = false, hasEdge = false } = look;
  const shown = room === undefined ? content : cut(content, room);
  const extra =
    (anchor === "start" ? "" : ` text-anchor="${anchor}"`) +
    (isBold ? ' font-weight="bold"' : "") +
    (hasEdge
      ? ' style="paint-order:stroke;stroke:var(--card,#fff);stroke-width:3px;stroke-linejoin:round"'
      : "");
  return `<text x="${px(x)}" y="${px(y)}" fill="${ink}"${extra}>${escapeHtml(shown)}</text>`;
}

function cut(text: string, room: number): string {
  if (textWidth(text, FONT) <= room) return text;
  let length = text.length - 1;
  while (length > 1 && textWidth(`${text.slice(0, length)}…`, FONT) > room) length--;
  return `${text.slice(0, length)}…`;
}

/** Grid lines and texts below the box; texts that would touch the one before are left out. */
export function bottomAxis({ ticks }: Scale, box: Box, title?: string): string {
  const bottom = box.top + box.height;
  let grid = "";
  let texts = "";
  let end = -Infinity;
  const room = ticks.length > 1 ? Math.max(22, (box.width / ticks.length) * 1.02 - 6) : box.width;
  for (const { place, text } of ticks) {
    const x = box.left + place * box.width;
    grid += `M${px(x)} ${px(box.top)}v${px(box.height)}`;
    const half = Math.min(room, textWidth(text, FONT)) / 2;
    if (x - half < end + 4) continue;
    end = x + half;
    texts += textAt(x, bottom + 15, text, { anchor: "middle", room });
  }
  const named =
    title === undefined
      ? ""
      : textAt(box.left + box.width / 2, bottom + 32, title, {
          anchor: "middle",
          ink: INK.text,
          room: box.width + 40,
        });
  return `<path d="${grid}" stroke="${INK.grid}" fill="none"/>${texts}${named}`;
}

/** Grid lines and texts left of the box. */
export function leftAxis({ ticks }: Scale, box: Box, title?: string): string {
  let grid = "";
  let texts = "";
  for (const { place, text } of ticks) {
    const y = box.top + (1 - place) * box.height;
    grid += `M${px(box.left)} ${px(y)}h${px(box.width)}`;
    texts += textAt(box.left - 6, y + 4, text, { anchor: "end", room: box.left - 8 });
  }
  const named = title === undefined ? "" : textAt(2, box.top - 8, title, { ink: INK.text });
  return `<path d="${grid}" stroke="${INK.grid}" fill="none"/>${texts}${named}`;
}

/** Round dots as one path. Places are in [0, 1], y upwards. */
export function dots(
  places: Iterable<readonly [number, number]>,
  box: Box,
  { size, ink, opacity = 1 }: { size: number; ink: string; opacity?: number },
): string {
  let path = "";
  for (const [x, y] of places) path += `M${point(box, x, y)}h0`;
  if (path === "") return "";
  return `<path d="${path}" fill="none" stroke="${ink}" stroke-width="${size}" stroke-linecap="round"${opacityOf(opacity)}/>`;
}

/** Open circles as one path. */
export function rings(
  places: Iterable<readonly [number, number]>,
  box: Box,
  { radius, ink }: { radius: number; ink: string },
): string {
  let path = "";
  for (const [x, y] of places) {
    const [left, top] = [box.left + x * box.width - radius, box.top + (1 - y) * box.height];
    path += `M${px(left)} ${px(top)}a${radius} ${radius} 0 1 0 ${2 * radius} 0a${radius} ${radius} 0 1 0 ${-2 * radius} 0Z`;
  }
  return path === "" ? "" : `<path d="${path}" fill="none" stroke="${ink}" stroke-width="2"/>`;
}

export interface LineLook {
  ink: string;
  width?: number;
  opacity?: number;
  dash?: string;
}

/** A line through places; none through fewer than two. */
export function line(places: readonly (readonly [number, number])[], box: Box, look: LineLook): string {
  if (places.length < 2) return "";
  const path = places.map(([x, y]) => point(box, x, y)).join("L");
  const dash = look.dash === undefined ? "" : ` stroke-dasharray="${look.dash}"`;
  return `<path d="M${path}" fill="none" stroke="${look.ink}" stroke-width="${look.width ?? 1}" stroke-linejoin="round"${dash}${opacityOf(look.opacity ?? 1)}/>`;
}

function point(box: Box, x: number, y: number): string {
  return `${px(box.left + x * box.width)} ${px(box.top + (1 - y) * box.height)}`;
}

function opacityOf(opacity: number): string {
  return opacity === 1 ? "" : ` stroke-opacity="${opacity}"`;
}
