/** What live progress is drawn with: cells on a line, a bar, figures in few letters. Pure. */

/** Paints text; the identity where colours are not wanted. */
export type Paint = (text: string) => string;
export interface Palette {
  bold: Paint;
  dim: Paint;
  green: Paint;
  yellow: Paint;
  red: Paint;
  cyan: Paint;
}

export interface Canvas {
  /** Columns and lines of the terminal. */
  width: number;
  height: number;
  nowMs: number;
  palette: Palette;
  /** May characters outside ASCII be drawn? */
  unicode: boolean;
}

const MAX_BAR = 40;
const MIN_BAR = 8;

export interface Cell {
  text: string;
  paint?: Paint | undefined;
}

/** A figure beside a bar. */
export interface BarCell extends Cell {
  /** The least important ones give way first. */
  importance: number;
}

/** The bar takes the room that the figures leave. `share` in [0, 1]. */
export function barWith(share: number, figures: readonly BarCell[], canvas: Canvas): string {
  const { width } = canvas;
  const cells = [...figures];
  const needed = (): number => cells.reduce((sum, { text }) => sum + 2 + text.length, 0);
  while (cells.length > 1 && width - needed() < MIN_BAR) {
    const least = Math.min(...cells.map(({ importance }) => importance));
    cells.splice(
      cells.findIndex(({ importance }) => importance === least),
      1,
    );
  }
  const barWidth = Math.max(0, Math.min(MAX_BAR, width - needed()));
  if (barWidth < 3)
    return line(
      cells.map(({ text, paint }, i) => ({ text: i === 0 ? text.trimStart() : `  ${text}`, paint })),
      canvas,
    );
  return bar(share, barWidth, canvas) + cells.map(({ text, paint = plain }) => `  ${paint(text)}`).join("");
}

function bar(share: number, width: number, { palette, unicode }: Canvas): string {
  const [full, half, empty] = unicode ? ["━", "╸", "─"] : ["#", "", "-"];
  const halves = Math.floor(share * width * 2);
  const filled = Math.floor(halves / 2);
  const middle = halves % 2 === 1 ? (half ?? "") : "";
  return (
    palette.green((full ?? "").repeat(filled) + middle) +
    palette.dim((empty ?? "").repeat(width - filled - middle.length))
  );
}

/** Painted cells on one line, cut to the width; the colours do not count. */
export function line(cells: readonly Cell[], { width, unicode }: Canvas): string {
  const length = cells.reduce((sum, { text }) => sum + [...text].length, 0);
  const ellipsis = unicode ? "…" : "...";
  let room = length <= width ? width : Math.max(0, width - ellipsis.length);
  const painted = cells.map(({ text, paint = plain }) => {
    const cut = [...text].slice(0, room).join("");
    room -= [...cut].length;
    return cut === "" ? "" : paint(cut);
  });
  return `${painted.join("")}${length <= width ? "" : ellipsis.slice(0, width)}`;
}

export function plain(text: string): string {
  return text;
}

/** Words of others (a worker's id, a note) without anything a terminal would obey. */
export function clean(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, " ");
}

export function dot({ unicode }: Canvas): string {
  return unicode ? "·" : "-";
}

export function dash({ unicode }: Canvas): string {
  return unicode ? "–" : "-";
}

export function rate(perSecond: number): string {
  return perSecond < 10 ? perSecond.toFixed(1) : String(Math.round(perSecond));
}

/** 142 ms · 2.1 s */
export function shortTime(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

/** 1:48 · 2:05:09 */
export function clock(seconds: number): string {
  const whole = Math.round(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  const pad = (value: number): string => String(value).padStart(2, "0");
  return h > 0 ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
}

/** 412 MiB · 1.2 GiB */
export function bytes(count: number): string {
  const mib = count / 2 ** 20;
  return mib < 1000 ? `${Math.round(mib)} MiB` : `${(mib / 1024).toFixed(1)} GiB`;
}
